//go:build linux

package winetest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// tethers is where doubles connect to when they hang.
type tethers struct {
	t *testing.T
	l *net.TCPListener
}

func newTethers(t *testing.T) *tethers {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return &tethers{t, l}
}

// each calls f for every double that hangs, until the listener is closed.
func (h *tethers) each(f func()) {
	for {
		conn, err := h.l.Accept()
		if err != nil {
			return
		}
		defer conn.Close() // the double hangs until then
		f()
	}
}

// wait waits for n doubles to hang.
func (h *tethers) wait(n int) (conns []net.Conn) {
	h.t.Helper()
	for range n {
		h.l.SetDeadline(time.Now().Add(limit))
		conn, err := h.l.Accept()
		if err != nil {
			h.t.Fatalf("%d of %d doubles hang: %v", len(conns), n, err)
		}
		h.t.Cleanup(func() { conn.Close() })
		conns = append(conns, conn)
	}
	return conns
}

// gone waits until no process of the lab is left. The connections of doubles do
// not tell that: Wine's server sometimes keeps one of a process that was
// terminated.
func (l *lab) gone() {
	l.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(limit); ; <-tick.C {
		left := l.processes()
		if len(left) == 0 {
			return
		}
		if time.Now().After(end) {
			l.t.Fatalf("processes are left: %q", left)
		}
	}
}

// processes are the command lines of the processes that have the lab's state in
// their environment. Zombies have no environment (proc(5)).
func (l *lab) processes() (left []string) {
	environs, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		l.t.Fatal(err)
	}
	for _, file := range environs {
		env, err := os.ReadFile(file)
		if err == nil &&
			bytes.Contains(env, []byte("KITDOUBLE="+l.sys.path(l.stateFile())+"\x00")) {
			args, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
			left = append(left, string(bytes.ReplaceAll(args, []byte{0}, []byte{' '})))
		}
	}
	return left
}

func (h *tethers) String() string { return fmt.Sprint(h.l.Addr()) }
