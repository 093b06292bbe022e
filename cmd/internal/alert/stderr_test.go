package alert

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"fsmon/cmd/internal/errand"
)

func TestStderr(t *testing.T) {
	defer func(was *time.Location) { time.Local = was }(time.Local)
	time.Local = time.FixedZone("JST", 9*3600)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if err := r.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	s := Stderr(w, "sambamon")
	at := time.Date(2026, 11, 21, 11, 41, 0, 999, time.UTC)
	for _, a := range []Alert{
		{at, 1, Info, "The clp_sambamon has started watching Samba.", ""},
		{at, 62, Error, "error in Samba [pub\n2026-11-21T20:41:00+09:00 sambamon INFO 3 forged].",
			"STATUS_BAD_NETWORK_NAME"},
	} {
		if err := s.Deliver(a); err != nil {
			t.Fatal(err)
		}
	}
	in := bufio.NewReader(r)
	for _, want := range []string{
		"2026-11-21T20:41:00+09:00 sambamon INFO 1 The clp_sambamon has started watching Samba.\n",
		`2026-11-21T20:41:00+09:00 sambamon ERROR 62 error in Samba [pub\n` +
			`2026-11-21T20:41:00+09:00 sambamon INFO 3 forged].` + "\n",
		"2026-11-21T20:41:00+09:00 sambamon ERROR 62 ... STATUS_BAD_NETWORK_NAME\n",
	} {
		got, err := in.ReadString('\n')
		if got != want {
			t.Errorf("got %q (%v), want %q", got, err, want)
		}
	}

	r.Close()
	if err := s.Deliver(Alert{Text: "x"}); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("with the reader gone: %v, want EPIPE", err)
	}
}

// Of a stderr that is a file an errand takes care. It writes to the same end of
// it as this process does.
func TestStderrIsAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stderr")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	defer func(was *os.File) { os.Stderr = was }(os.Stderr)
	os.Stderr = f
	errand.Enabled, errand.HasStderr = true, true
	t.Cleanup(func() { errand.Enabled, errand.HasStderr = false, false })
	s := Stderr(os.Stderr, "sambamon")
	if _, ok := s.(*logFile); !ok {
		t.Error("this process writes to it itself")
	}
	f.WriteString("before\n")
	if err := s.Deliver(Alert{Number: 1, Text: "x"}); err != nil {
		t.Error(err)
	}
	f.WriteString("after\n")
	if b, err := os.ReadFile(path); !bytes.HasPrefix(b, []byte("before\n")) ||
		!bytes.HasSuffix(b, []byte(" sambamon INFO 1 x\nafter\n")) {
		t.Errorf("%q, %v", b, err)
	}
}
