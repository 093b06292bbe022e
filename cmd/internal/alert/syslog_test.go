package alert

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// daemon listens on a datagram socket as a log daemon does. It replaces
// whatever is at path.
func daemon(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if err := l.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return l
}

func packet(t *testing.T, l *net.UnixConn) string {
	t.Helper()
	b := make([]byte, 64<<10)
	n, err := l.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

func TestSyslog(t *testing.T) {
	defer func(was *time.Location) { time.Local = was }(time.Local)
	time.Local = time.FixedZone("JST", 9*3600)
	path := filepath.Join(t.TempDir(), "log")
	l := daemon(t, path)
	id := strings.Repeat("i", 255)
	s := newSyslog(path, "sambamon", id)
	at := time.Date(2026, 11, 1, 11, 41, 0, 0, time.UTC)
	header := fmt.Sprintf("Nov  1 20:41:00 sambamon[%d]: %s: ", os.Getpid(), id)
	for _, a := range []Alert{
		{at, 1, Info, "started", ""},
		{at, 107, Warning, "dropped", ""},
		{at, 62, Error, strings.Repeat("か", 100), "STATUS_\nX"},
	} {
		if err := s.Deliver(a); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{
		"<30>" + header + "1 INFO started",
		"<28>" + header + "107 WARN dropped",
		"<27>" + header + "62 ERROR " + strings.Repeat("か", 82),
		"<27>" + header + "62 ERROR ... " + strings.Repeat("か", 18),
		"<27>" + header + `62 ERROR ... STATUS_\nX`,
	} {
		got := packet(t, l)
		if got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
		if n := len(got) - len("<27>") - len(header); n > lineBytes {
			t.Errorf("%d bytes after the header", n)
		}
	}
}

// fields reads an entry of the native protocol in its simple form.
func fields(t *testing.T, entry string) map[string]string {
	t.Helper()
	m := map[string]string{}
	for line := range strings.Lines(entry) {
		name, value, ok := strings.Cut(line, "=")
		if !ok || !strings.HasSuffix(value, "\n") ||
			!regexp.MustCompile(`^[A-Z][A-Z_]*$`).MatchString(name) {
			t.Fatalf("not a field: %q", line)
		}
		if _, twice := m[name]; twice {
			t.Fatalf("%s stands twice", name)
		}
		m[name] = strings.TrimSuffix(value, "\n")
	}
	return m
}

func TestJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	l := daemon(t, path)
	s := newJournal(path, "sambamon", map[string]string{"FSMON_ID": "sambawatch"})
	entry := func(message, alert, severity, priority, detail string) string {
		e := map[string]string{
			"MESSAGE": message, "PRIORITY": priority, "SYSLOG_IDENTIFIER": "sambamon",
			"FSMON_ID":    "sambawatch",
			"FSMON_ALERT": alert, "FSMON_SEVERITY": severity,
		}
		if detail != "" {
			e["FSMON_DETAIL"] = detail
		}
		return fmt.Sprint(e)
	}
	long := strings.Repeat("か", 86)
	for _, a := range []Alert{
		{Number: 1, Text: "started"},
		{Number: 107, Severity: Warning, Text: long},
		{Number: 62, Severity: Error, Text: "a\nPRIORITY=7", Detail: "b\nFSMON_ALERT=1"},
	} {
		if err := s.Deliver(a); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{
		entry("started", "1", "INFO", "6", ""),
		entry(long[:255], "107", "WARN", "4", ""),
		entry("... か", "107", "WARN", "4", ""),
		entry(`a\nPRIORITY=7`, "62", "ERROR", "3", `b\nFSMON_ALERT=1`),
		entry(`... b\nFSMON_ALERT=1`, "62", "ERROR", "3", `b\nFSMON_ALERT=1`),
	} {
		if got := fmt.Sprint(fields(t, packet(t, l))); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// Both find a restarted daemon, and neither waits long for one that has stopped
// reading.
func TestLogDaemonComesAndGoes(t *testing.T) {
	for name, open := range map[string]func(path string) (Sink, *datagrams){
		"syslog": func(path string) (Sink, *datagrams) {
			s := newSyslog(path, "i", "id").(*syslogSink)
			return s, &s.datagrams
		},
		"journal": func(path string) (Sink, *datagrams) {
			j := newJournal(path, "i", nil).(*journalSink)
			return j, &j.datagrams
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "socket")
			s, d := open(path)
			if s.Name() != name {
				t.Errorf("its name is %q", s.Name())
			}
			if err := s.Deliver(Alert{Text: "nobody there"}); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("without a socket: %v", err)
			}
			old := daemon(t, path)
			deliver(t, s, "first")
			if got := packet(t, old); !strings.Contains(got, "first") {
				t.Errorf("got %q", got)
			}
			old.Close()
			if err := s.Deliver(Alert{Text: "daemon stopped"}); err == nil {
				t.Error("delivered to a daemon that has gone")
			}
			l := daemon(t, path)
			deliver(t, s, "second")
			if got := packet(t, l); !strings.Contains(got, "second") {
				t.Errorf("got %q", got)
			}

			d.timeout = 10 * time.Millisecond
			var err error
			for range 100_000 { // until the socket's queue is full
				if err = s.Deliver(Alert{Text: "nobody reads"}); err != nil {
					break
				}
			}
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("with a daemon that does not read: %v, want a deadline", err)
			}
		})
	}
}

func TestSystemLog(t *testing.T) {
	dir := t.TempDir()
	journal, syslog := filepath.Join(dir, "journal"), filepath.Join(dir, "log")
	pick := func() string {
		s := systemLog(journal, syslog, "sambamon", "sambawatch")
		if s == nil {
			return "nil"
		}
		return s.Name()
	}
	if err := os.WriteFile(syslog, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := pick(); got != "nil" {
		t.Errorf("a machine with neither: %s", got)
	}
	daemon(t, syslog)
	if got := pick(); got != "syslog" {
		t.Errorf("a machine with syslog: %s", got)
	}
	l := daemon(t, journal)
	if got := pick(); got != "journal" {
		t.Errorf("a machine with both: %s", got)
	}
	deliver(t, systemLog(journal, syslog, "sambamon", "sambawatch"), "x")
	if f := fields(t, packet(t, l)); f["FSMON_ID"] != "sambawatch" ||
		f["SYSLOG_IDENTIFIER"] != "sambamon" {
		t.Errorf("fields %v", f)
	}
}
