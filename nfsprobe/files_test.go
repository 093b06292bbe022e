package nfsprobe

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"fsmon/nfsprobe/nfstest"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"
)

var versions = []string{"3", "4.0", "4.1", "4.2"}

// hostileFiles returns a hostile server with a marker and the configuration of
// a probe that reads it and writes beside it.
func hostileFiles(t testing.TB, version string) (*nfstest.Hostile, Config) {
	t.Helper()
	h, c := hostile(t)
	h.Put("MOUNTED", "a real disk\n")
	c.Version, c.Port, c.MountPort = version, h.NFSPort, h.MountPort
	c.Marker, c.WriteTest = "MOUNTED", true
	return h, c
}

// learnt returns what a rung has learnt, or "no such rung".
func learnt(r Report, step Step) string {
	for _, rung := range r.Rungs {
		if rung.Step == step {
			return rung.Learnt
		}
	}
	return "no such rung"
}

// nothingLeft asserts that the server has nothing left of its clients: no
// connection, no file, nothing open, and no client id except those of version
// 4.0.
func nothingLeft(t testing.TB, h *nfstest.Hostile, clients0 int) {
	t.Helper()
	noState(t, h)
	if files := h.Files(); !slices.Equal(files, []string{"MOUNTED"}) {
		t.Errorf("files %q", files)
	}
	if opens, clients := h.Opens(); opens != 0 || clients != clients0 {
		t.Errorf("%d opens and %d client ids of version 4.0 left, want %d", opens,
			clients, clients0)
	}
}

// writeLearnt is what a successful write test learns.
func writeLearnt(r Report) string {
	text := "64 bytes written, flushed, read back, removed"
	if r.Version == "4.0" {
		text += "; a client id stays until its lease ends"
	}
	return text
}

func TestFiles(t *testing.T) {
	for _, version := range append([]string{"4", "auto"}, versions...) {
		h, c := hostileFiles(t, version)
		p := New(c)
		for range 3 {
			r, err := probeWith(t, p)
			if err != nil || len(r.Warnings) != 0 ||
				learnt(r, Marker) != "read 12 bytes of MOUNTED" ||
				learnt(r, WriteTest) != writeLearnt(r) {
				t.Errorf("%s: %v, warnings %q, rungs %v", version, err, r.Warnings, r.Rungs)
			}
			clients := 0
			if r.Version == "4.0" { // the same id every time
				clients = 1
			}
			nothingLeft(t, h, clients)
		}
	}
	// Marker and write test each alone, and neither.
	for _, version := range versions {
		h, c := hostileFiles(t, version)
		c.Marker = ""
		if r, err := probe(t, c); err != nil || learnt(r, Marker) != "no such rung" ||
			learnt(r, WriteTest) != writeLearnt(r) {
			t.Errorf("%s: %v, rungs %v", version, err, r.Rungs)
		}
		c.Marker, c.WriteTest = "a/b/MOUNTED", false
		if r, err := probe(t, c); err != nil ||
			learnt(r, Marker) != "read 12 bytes of a/b/MOUNTED" ||
			learnt(r, WriteTest) != "no such rung" {
			t.Errorf("%s: %v, rungs %v", version, err, r.Rungs)
		}
		h.Put("MOUNTED", strings.Repeat("x", 5000)) // only the beginning is read
		if r, err := probe(t, c); err != nil ||
			learnt(r, Marker) != "read 4096 bytes of a/b/MOUNTED" {
			t.Errorf("%s: %v, rungs %v", version, err, r.Rungs)
		}
	}
}

// The write test's file has the same name in all probes of a watch, and another
// one in all other watches.
func TestTestName(t *testing.T) {
	config := Config{Address: "Files", Port: 1, Dir: "/a", Version: "3"}
	name := func(c Config) string { return (&attempt{Config: c}).testName() }
	first := name(config)
	if len(first) != len(".fsmon-0123456789abcdef") || !strings.HasPrefix(first, ".fsmon-") {
		t.Errorf("%q", first)
	}
	for what, edit := range map[string]func(*Config){
		"version":     func(c *Config) { c.Version = "4.1" },
		"spelling":    func(c *Config) { c.Address = "fIles" },
		"pseudo path": func(c *Config) { c.Path4 = "/b" },
		"marker":      func(c *Config) { c.Marker = "x" },
	} {
		c := config
		if edit(&c); name(c) != first {
			t.Errorf("with another %s: %q", what, name(c))
		}
	}
	for what, edit := range map[string]func(*Config){
		"address": func(c *Config) { c.Address = "file" }, "port": func(c *Config) { c.Port = 2 },
		"directory": func(c *Config) { c.Dir = "/A" },
	} {
		c := config
		if edit(&c); name(c) == first {
			t.Errorf("the same with another %s", what)
		}
	}
}

func TestCheckMarker(t *testing.T) {
	for _, path := range []string{"MOUNTED", "a/b/c", ".mounted", "..x/y..", "a b", "印", "caf\xe9",
		strings.Repeat("x", 255)} {
		if err := CheckMarker(path); err != nil {
			t.Errorf("%q: %v", path, err)
		}
	}
	for path, want := range map[string]string{
		"": "1 to 255 bytes", strings.Repeat("x", 256): "1 to 255 bytes",
		"a\x00b": "1 to 255 bytes",
		"/a":     "no slash", "a/": "no slash", "a//b": "no slash", ".": "no slash",
		"a/../b": "no slash", "..": "no slash", "a/./b": "no slash",
	} {
		if err := CheckMarker(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", path, err)
		}
	}
}

// Names of the marker are sent byte by byte as configured.
func TestMarkerName(t *testing.T) {
	for _, version := range versions {
		h, c := hostileFiles(t, version)
		c.Marker = "\x93\xfa/MOUNTED"
		probe(t, c) // fails: the tests' server takes UTF-8 only
		var sent []byte
		for _, call := range h.Calls() {
			sent = append(sent, call.Args...)
		}
		if !strings.Contains(string(sent), "\x93\xfa") {
			t.Errorf("%s: not sent", version)
		}
	}
}

// refusals are what a server may refuse, in version 3 and 4.
var refusals = []struct {
	step   Step
	op     string
	proc   nfstest.Proc
	three  nfsv3.Nfsstat3
	ops    nfsv4.NfsOpnum4
	four   nfsv4.Nfsstat4
	cause3 error
}{
	{Marker, "LOOKUP", nfstest.Lookup3, nfsv3.NFS3ERR_NOENT, nfsv4.OP_LOOKUP, nfsv4.NFS4ERR_NOENT, nil},
	{Marker, "READ", nfstest.Read3, nfsv3.NFS3ERR_ACCES, nfsv4.OP_READ, nfsv4.NFS4ERR_ACCESS, nil},
	{Marker, "READ", nfstest.Read3, nfsv3.NFS3ERR_IO, nfsv4.OP_READ, nfsv4.NFS4ERR_IO, nil},
	{WriteTest, "CREATE", nfstest.Create3, nfsv3.NFS3ERR_ROFS, nfsv4.OP_OPEN, nfsv4.NFS4ERR_ROFS, nil},
	{WriteTest, "CREATE", nfstest.Create3, nfsv3.NFS3ERR_ACCES, nfsv4.OP_OPEN, nfsv4.NFS4ERR_ACCESS, nil},
	{WriteTest, "CREATE", nfstest.Create3, nfsv3.NFS3ERR_STALE, nfsv4.OP_OPEN, nfsv4.NFS4ERR_STALE, nil},
	{WriteTest, "WRITE", nfstest.Write3, nfsv3.NFS3ERR_NOSPC, nfsv4.OP_WRITE, nfsv4.NFS4ERR_NOSPC, nil},
	{WriteTest, "WRITE", nfstest.Write3, nfsv3.NFS3ERR_DQUOT, nfsv4.OP_WRITE, nfsv4.NFS4ERR_DQUOT, nil},
	{WriteTest, "WRITE", nfstest.Write3, nfsv3.NFS3ERR_IO, nfsv4.OP_WRITE, nfsv4.NFS4ERR_IO, nil},
}

func TestFilesRefused(t *testing.T) {
	for _, c := range refusals {
		for _, version := range versions {
			t.Run(fmt.Sprintf("%s %s %s", c.op, Status3(c.three), version), func(t *testing.T) {
				t.Parallel()
				h, config := hostileFiles(t, version)
				config.Dir = "/" // so that there is no LOOKUP but the marker's
				if c.step == WriteTest {
					config.Marker = "" // so that there is no READ but the write test's
				} else {
					config.WriteTest = false
				}
				h.On(c.proc, nfstest.FileStatus(c.three))
				if version != "3" {
					h.FailOp(-1, c.ops, c.four)
				}
				r, err := probe(t, config)
				op := c.op
				if op == "CREATE" {
					op = "OPEN"
				}
				if version == "3" {
					fails(t, err, c.step, Status3(c.three))
					op = c.op
				} else {
					fails(t, err, c.step, &Status4{op, uint32(c.four)})
				}
				if err == nil || !strings.HasPrefix(err.Error(), c.step.String()+": "+op+": NFS") ||
					len(r.Warnings) != 0 {
					t.Errorf("%v, warnings %q", err, r.Warnings)
				}
				clients := 0
				if version == "4.0" && c.step == WriteTest {
					clients = 1
				}
				nothingLeft(t, h, clients)
			})
		}
	}
}

// A marker that is not a file, or empty.
func TestMarkerNone(t *testing.T) {
	for _, version := range versions {
		h, c := hostileFiles(t, version)
		c.Marker = "elsewhere" // a directory, like all that is not a file
		_, err := probe(t, c)
		fails(t, err, Marker, ErrNotFile)
		h.Put("elsewhere", "")
		_, err = probe(t, c)
		fails(t, err, Marker, ErrEmpty)
		h.Remove("elsewhere")
		nothingLeft(t, h, 0)
	}
}

// A probe removes what an earlier one left when it was killed, whatever it is.
func TestLeftover(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			h, c := hostileFiles(t, version)
			h.Put((&attempt{Config: c}).testName(),
				"a leftover that is longer than what a write test writes, "+
					"so that it would show in what is read back")
			r, err := probe(t, c)
			if err != nil || learnt(r, WriteTest) != writeLearnt(r) {
				t.Errorf("%v, rungs %v", err, r.Rungs)
			}
			nothingLeft(t, h, min(1, strings.Count(version, "4.0")))
		})
	}
}

// Simultaneous probes of one watch, in several versions, never make each other
// fail.
func TestFilesAtOnce(t *testing.T) {
	h, c := hostileFiles(t, "auto")
	var wg sync.WaitGroup
	for _, version := range append([]string{"auto"}, versions...) {
		wg.Go(func() {
			c := c
			c.Version = version
			for range 10 {
				if _, err := probe(t, c); err != nil {
					t.Errorf("%s: %v", c.Version, err)
				}
			}
		})
	}
	wg.Wait()
	disconnected(t, h)
	if files := h.Files(); !slices.Equal(files, []string{"MOUNTED"}) {
		t.Errorf("files %q", files)
	}
	if opens, _ := h.Opens(); opens != 0 {
		t.Errorf("%d opens", opens)
	}
}

// It is no failure of the server if another probe removes the file as a
// leftover.
func TestRemovedByAnother(t *testing.T) {
	for _, version := range versions {
		h, c := hostileFiles(t, version)
		c.Marker = ""
		name := (&attempt{Config: c}).testName()
		steal := func(times int, on nfstest.Proc, op nfsv4.NfsOpnum4) {
			if version != "3" {
				h.RemoveAt(times, op, name)
				return
			}
			h.On(on, nfstest.Times(times, func(conn net.Conn, call nfstest.Call,
				healthy func() []byte) bool {
				h.Remove(name)
				return nfstest.Healthy(conn, call, healthy)
			}, nfstest.Healthy))
		}
		for _, at := range []struct {
			proc nfstest.Proc
			op   nfsv4.NfsOpnum4
		}{{nfstest.Write3, nfsv4.OP_WRITE}, {nfstest.Read3, nfsv4.OP_READ},
			{nfstest.Remove3, nfsv4.OP_REMOVE}} {
			steal(1, at.proc, at.op)
			if r, err := probe(t, c); err != nil || learnt(r, WriteTest) != writeLearnt(r) {
				t.Errorf("%s %v: %v, rungs %v", version, at.op, err, r.Rungs)
			}
		}
		// But after some tries it is.
		h.On(nfstest.Remove3, nfstest.Healthy)
		steal(1000, nfstest.Write3, nfsv4.OP_WRITE)
		_, err := probe(t, c)
		if failed := new(Error); !errors.As(err, &failed) || failed.Step != WriteTest ||
			status(err) != statusStale {
			t.Errorf("%s: %v", version, err)
		}
		disconnected(t, h)
	}
}
