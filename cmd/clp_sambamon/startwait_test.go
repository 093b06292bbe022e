package main

import (
	"slices"
	"strings"
	"testing"

	"fsmon/smbprobe/smbtest"
)

// A watch that is started before its server: what fails before the first success does not count, and everything after it does.
func TestStartedBeforeTheServer(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	l := newLab(t)
	w := l.Watch(at(s.Addr(), "-s", "share", "-i", "1", "-c", "1", "-r", "2", "--start-wait", "3600")...)
	for range 3 { // one more than the verdict would take
		m := w.Message(115)
		if m.Severity != "INFO" || !strings.HasPrefix(m.Text, "Probe failed, not counted before ") || !strings.Contains(m.Text, "connect error[111]") {
			t.Errorf("%+v", m)
		}
	}
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	w.Message(2)
	l.Healthy()
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	w.Exits(1)
	var counted []int
	for _, m := range w.Said() {
		if m.Number != 115 && m.Number != 103 {
			counted = append(counted, m.Number)
		}
	}
	if want := []int{1, 2, 101, 101, 72, 6}; !slices.Equal(counted, want) {
		t.Errorf("messages %v, want %v", counted, want)
	}
}

// A server that does not come up within the start wait is judged after it.
func TestStartWaitEnds(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	l := newLab(t)
	w := l.Watch(at(s.Addr(), "-s", "share", "-i", "1", "-c", "2", "-r", "2", "--start-wait", "2")...)
	first := w.Message(101)
	if !strings.HasPrefix(first.Text, "Probe failed (1 of 3)") {
		t.Error(first.Text)
	}
	w.Exits(1)
	w.Want(1, 115, 115, 101, 101, 101, 72, 6)
}
