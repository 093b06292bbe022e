package watchreg

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func fullStatus() Status {
	at := time.Date(2026, 3, 4, 5, 6, 7, 8000, time.UTC)
	return Status{
		Command: "clp_sambamon", Version: "1.0", Kind: "samba", Target: "//127.0.0.1:445/share",
		Address: "127.0.0.1:445",
		State:   Failing, Since: at, Started: at.Add(-time.Hour), Interval: 30, Retries: 5,
		Timeout:   60,
		LastProbe: at, LastSuccess: at.Add(-time.Minute), ProbeMS: 1.25, Failures: 2,
		LastError: "tree connect: refused", Warnings: []string{"guest"},
		PausedUntil: at.Add(time.Hour), Note: "note",
	}
}

func TestStatusRoundTrip(t *testing.T) {
	reg, dir := open(t)
	c := claim(t, reg, "web")
	want := fullStatus()
	must(t, c.WriteStatus(want))
	e, err := reg.Read("web")
	must(t, err)
	want.Format, want.ID, want.PID = 1, "web", os.Getpid()
	if e.Status == nil || !reflect.DeepEqual(*e.Status, want) {
		t.Errorf("read %+v, want %+v", e.Status, want)
	}

	// Other versions of the command, and people's scripts, read the file.
	data, err := os.ReadFile(filepath.Join(dir, "web", statusName))
	must(t, err)
	var fields map[string]any
	must(t, json.Unmarshal(data, &fields))
	for name, value := range map[string]any{"format": 1.0, "id": "web", "state": "failing",
		"interval": 30.0,
		"since":    "2026-03-04T05:06:07.000008Z", "last_probe": "2026-03-04T05:06:07.000008Z",
		"probe_ms": 1.25} {
		if fields[name] != value {
			t.Errorf("%s is %v, want %v", name, fields[name], value)
		}
	}
	if data[len(data)-1] != '\n' {
		t.Error("no newline at the end")
	}
	must(t, c.WriteStatus(Status{}))
	data, err = os.ReadFile(filepath.Join(dir, "web", statusName))
	must(t, err)
	if strings.Contains(string(data), "last_probe") ||
		strings.Contains(string(data), "paused_until") {
		t.Errorf("times that are not there are written: %s", data)
	}
}

func TestStatusIsReadableAtEveryMoment(t *testing.T) {
	reg, _ := open(t)
	c := claim(t, reg, "web")
	write := func(i int) error { // each has another length
		return c.WriteStatus(Status{Failures: i, Note: strings.Repeat("n", i*10)})
	}
	must(t, write(0))
	written := make(chan error)
	go func() {
		var err error
		for i := 1; i <= 300 && err == nil; i++ {
			err = write(i)
		}
		written <- err
	}()
	for last := 0; ; {
		e, err := reg.Read("web")
		if err != nil || !e.Live || e.Status == nil {
			t.Errorf("%+v %v", e, err)
		} else if s := e.Status; s.Failures < last || len(s.Note) != s.Failures*10 {
			t.Errorf("status %d with %d bytes after status %d", s.Failures, len(s.Note), last)
		} else {
			last = s.Failures
		}
		select {
		case err := <-written:
			must(t, err)
			return
		default:
		}
	}
}

func TestFailedWriteKeepsTheOldStatus(t *testing.T) {
	reg, dir := open(t)
	p := start(t, dir)
	p.want("open", "ok")
	p.want("claim web", "ok")
	p.want("status old", "ok")
	p.want("small-files", "ok")
	p.tell("status new")
	if got := p.answer(); !strings.Contains(got, "file too large") {
		t.Fatalf("writing to a full disk: %q", got)
	}
	e, err := reg.Read("web")
	must(t, err)
	if e.Status == nil || e.Status.Note != "old" {
		t.Errorf("status %+v", e.Status)
	}
	if got := names(t, filepath.Join(dir,
		"web")); !slices.Equal(got, []string{"control", "lock", "status"}) {
		t.Errorf("files %v", got)
	}
	p.want("release", "ok")
}

func TestFailedRenameLeavesNoTemporaryFile(t *testing.T) {
	reg, dir := open(t)
	c := claim(t, reg, "web")
	must(t, os.Mkdir(filepath.Join(dir, "web", statusName), 0o700))
	err := c.WriteStatus(Status{})
	var link *os.LinkError
	if !errors.As(err, &link) {
		t.Errorf("error %v", err)
	}
	if got := names(t, filepath.Join(dir,
		"web")); !slices.Equal(got, []string{"control", "lock", "status"}) {
		t.Errorf("files %v", got)
	}
	must(t, os.Remove(filepath.Join(dir, "web", statusName)))
	must(t, os.WriteFile(filepath.Join(dir, "web", statusTemp), []byte("torn"), 0o600))
	must(t, c.WriteStatus(Status{}))
}

// systemd-tmpfiles removes files in /tmp that nobody has touched for ten days.
func TestWritingKeepsTheFilesYoung(t *testing.T) {
	reg, dir := open(t)
	c := claim(t, reg, "web")
	old := time.Now().Add(-240 * time.Hour)
	for range 2 {
		for _, name := range []string{lockName, controlName} {
			must(t, os.Chtimes(filepath.Join(dir, "web", name), old, old))
		}
		must(t, c.WriteStatus(Status{}))
		for _, name := range []string{lockName, controlName} {
			info, err := os.Lstat(filepath.Join(dir, "web", name))
			must(t, err)
			if age := time.Since(info.ModTime()); age > time.Hour {
				t.Errorf("%s has an age of %v", name, age)
			}
		}
		c.touched = c.touched.Add(-time.Hour) // an hour later
	}
}

func TestHugeTextsAreShortened(t *testing.T) {
	reg, _ := open(t)
	c := claim(t, reg, "web")
	s := fullStatus()
	s.LastError = strings.Repeat("é", maxStatus)
	s.Warnings = []string{strings.Repeat("\x01", maxStatus)}
	must(t, c.WriteStatus(s))
	e, err := reg.Read("web")
	must(t, err)
	if got := e.Status.LastError; got != strings.Repeat("é", maxText/2) {
		t.Errorf("%d bytes of text, %q at the end", len(got), got[len(got)-2:])
	}
	s.Command = strings.Repeat("c", maxStatus)
	if err := c.WriteStatus(s); err == nil {
		t.Error("a status was written that no reader accepts")
	}
}

func TestStatusOfOtherVersions(t *testing.T) {
	reg, dir := open(t)
	c := claim(t, reg, "web")
	path := filepath.Join(dir, "web", statusName)

	// A newer watch of our format may have fields that we do not know.
	must(t, os.WriteFile(path, []byte(`{"format":1,"state":"dreaming","shoe_size":[44],"pid":7}`),
		0o644))
	e, err := reg.Read("web")
	if err != nil || e.Status.State != "dreaming" || e.Status.PID != 7 {
		t.Errorf("%+v %v", e, err)
	}

	must(t, os.WriteFile(path, []byte(`{"format":2,"state":{"name":"healthy"}}`), 0o644))
	e, err = reg.Read("web")
	var format *FormatError
	if !errors.As(err, &format) || format.Found != 2 || format.Known != 1 || !e.Live ||
		e.Status != nil {
		t.Errorf("%+v %v", e, err)
	}
	// It can be controlled nevertheless.
	must(t, reg.Send(deadline(t), "web", Control{Verb: Stop}))
	<-c.Controls()

	for _, garbage := range []string{"", "\n", "{", "null", "[]", `{}`, `{"format":0}`,
		`{"format":"1"}`, `{"format":1} {}`,
		`{"format":1,"pid":"x"}`, `{"format":1}` + strings.Repeat(" ", maxStatus), "\x00\x00\x00"} {
		must(t, os.WriteFile(path, []byte(garbage), 0o644))
		if e, err := reg.Read("web"); err == nil || errors.As(err, &format) || !e.Live {
			t.Errorf("%.20q: %+v %v", garbage, e, err)
		}
	}
	must(t, c.Release())
}

func FuzzStatus(f *testing.F) {
	full, err := encodeStatus(fullStatus())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(full)
	for _, seed := range []string{`{"format":1}`, `{"format":2}`, `{"FORMAT":1,"since":"x"}`,
		"null", "[]", "{", "",
		`{"format":1,"last_error":"\u0001\ud800"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := decodeStatus(data)
		if (s == nil) == (err == nil) {
			t.Fatalf("%v and %v", s, err)
		}
		if err != nil {
			return
		}
		if s.Format < 1 || s.Format > statusFormat {
			t.Fatalf("format %d was accepted", s.Format)
		}
		// What was read can be written, and is not too long for a reader then.
		again, err := encodeStatus(*s)
		if err != nil {
			return
		}
		if len(again) > maxStatus {
			t.Fatalf("%d bytes", len(again))
		}
		if _, err := decodeStatus(again); err != nil {
			t.Fatalf("%s: %v", again, err)
		}
	})
}
