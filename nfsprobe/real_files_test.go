//go:build linux

package nfsprobe

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"

	"fsmon/nfsprobe/nfstest"
)

// marked is the configuration of a probe with marker and write test.
func marked(l *nfstest.Lab, name, version string) Config {
	c := export(l, name, version)
	c.Marker, c.WriteTest = "MOUNTED", true
	return c
}

// mark writes the marker of an export.
func mark(t testing.TB, dir string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(dir, "MOUNTED"), []byte("a real disk\n"), 0o644))
}

// noTestFile asserts that no file of a write test is in a directory.
func noTestFile(t testing.TB, dir string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || len(names) > 0 {
		t.Errorf("left behind: %q (%v)", names, err)
	}
}

// knownClients asserts that the server knows only clients of version 4.0, and
// none of them twice.
func knownClients(t testing.TB, l *nfstest.Lab, most int) {
	t.Helper()
	clients, err := l.Clients()
	slices.Sort(clients)
	if err != nil || len(clients) > most ||
		len(slices.Compact(slices.Clone(clients))) != len(clients) {
		t.Errorf("the server still knows %q (%v), want %d at most", clients, err, most)
	}
}

func TestRealFiles(t *testing.T) {
	l := realLab(t, nfstest.Config{})
	mark(t, l.Dir())
	for _, version := range append([]string{"auto"}, versions...) {
		p := New(marked(l, "export", version))
		for range 3 {
			r, err := probeWith(t, p)
			if err != nil || len(r.Warnings) > 0 ||
				learnt(r, Marker) != "read 12 bytes of MOUNTED" ||
				learnt(r, WriteTest) != writeLearnt(r) {
				t.Errorf("%s: %v, warnings %q, rungs %v", version, err, r.Warnings, r.Rungs)
			}
		}
		noTestFile(t, l.Dir())
	}
	knownClients(t, l, 1) // one prober, one client
}

// The marker is missing or may not be read, or the directory may not be
// written.
func TestRealFilesRefused(t *testing.T) {
	l := realLab(t, nfstest.Config{Exports: []nfstest.Export{{Name: "readonly", ReadOnly: true}}})
	mark(t, l.Path("readonly"))
	must(t, os.WriteFile(l.Dir()+"/empty", nil, 0o644))
	must(t, os.WriteFile(l.Path("squashed")+"/MOUNTED", []byte("x"), 0o644))
	must(t, os.Mkdir(l.Path("squashed")+"/open", 0o777))
	must(t, os.Chmod(l.Path("squashed")+"/open", 0o777)) // whatever the umask
	must(t, os.WriteFile(l.Path("squashed")+"/open/secret", []byte("x"), 0o600))
	must(t, os.WriteFile(l.Path("squashed")+"/open/MOUNTED", []byte("x"), 0o644))
	for _, c := range []struct {
		name, dir, marker string
		write             bool
		step              Step
		code              uint32 // expected status, if any
		cause             error
	}{
		{"no marker", "export", "MOUNTED", true, Marker, 2, nil},
		{"no directory of a marker", "export", "nowhere/MOUNTED", true, Marker, 2, nil},
		{"through a file", "export", "file/MOUNTED", false, Marker, 20, nil},
		{"a directory", "export", "sub", false, Marker, 0, ErrNotFile},
		{"an empty marker", "export", "empty", true, Marker, 0, ErrEmpty},
		{"read-only", "readonly", "MOUNTED", true, WriteTest, uint32(nfsv3.NFS3ERR_ROFS), nil},
		{"squashed, may not enter", "squashed", "MOUNTED", true, Marker, 13, nil},
		{"squashed, may not write", "squashed", "", true, WriteTest, 13, nil},
	} {
		for _, version := range versions {
			config := export(l, c.dir, version)
			config.Marker, config.WriteTest = c.marker, c.write
			r, err := probe(t, config)
			var failed *Error
			if !errors.As(err, &failed) || failed.Step != c.step || status(err) != c.code ||
				c.cause != nil && !errors.Is(err, c.cause) || len(r.Warnings) > 0 {
				t.Errorf("%s, %s: %v, warnings %q", c.name, version, err, r.Warnings)
			}
		}
	}
	// If root is squashed, it needs a directory that everybody may write and a
	// marker that everybody may read.
	must(t, os.Chmod(l.Path("squashed"), 0o711))
	for _, version := range versions {
		config := export(l, "squashed", version)
		config.Marker, config.WriteTest = "open/MOUNTED", true
		if _, err := probe(t, config); err != nil {
			t.Errorf("%s: %v", version, err)
		}
		config.Marker = "open/secret"
		_, err := probe(t, config)
		if failed := new(Error); !errors.As(err, &failed) || failed.Step != Marker ||
			status(err) != 13 {
			t.Errorf("%s: %v", version, err)
		}
	}
	noTestFile(t, l.Path("squashed")+"/open")
	noTestFile(t, l.Dir())
}

// A disk becomes full, and another is unmounted, while the server goes on.
func TestRealDisk(t *testing.T) {
	l := realLab(t, nfstest.Config{Exports: []nfstest.Export{{Name: "disk"}}})
	must(t, l.MountDisk("disk", 64))
	dir := l.Inside(l.Path("disk"))
	mark(t, dir)
	probers := map[string]*Prober{}
	for _, version := range versions {
		probers[version] = New(marked(l, "disk", version))
		if _, err := probeWith(t, probers[version]); err != nil {
			t.Errorf("%s: %v", version, err)
		}
	}
	if err := os.WriteFile(dir+"/big", make([]byte, 64<<10), 0o644); !errors.Is(err,
		syscall.ENOSPC) {
		t.Fatal(err)
	}
	for version, p := range probers {
		r, err := probeWith(t, p)
		if version == "3" {
			fails(t, err, WriteTest, Status3(nfsv3.NFS3ERR_NOSPC))
		} else {
			fails(t, err, WriteTest, &Status4{"WRITE", uint32(nfsv4.NFS4ERR_NOSPC)})
		}
		if len(r.Warnings) > 0 {
			t.Errorf("%s: %q", version, r.Warnings)
		}
	}
	noTestFile(t, dir)
	must(t, os.Remove(dir+"/big"))
	for version, p := range probers {
		if _, err := probeWith(t, p); err != nil {
			t.Errorf("%s, with room again: %v", version, err)
		}
	}
	must(t, l.UnmountDisk("disk"))
	for version, p := range probers {
		_, err := probeWith(t, p)
		if version == "3" {
			fails(t, err, Marker, Status3(nfsv3.NFS3ERR_NOENT))
		} else {
			fails(t, err, Marker, &Status4{"LOOKUP", uint32(nfsv4.NFS4ERR_NOENT)})
		}
	}
	noTestFile(t, l.Path("disk")) // nothing was written to the mount point
}

// Simultaneous probes of one watch in several versions, while their files are
// removed.
func TestRealFilesAtOnce(t *testing.T) {
	l := realLab(t, nfstest.Config{})
	mark(t, l.Dir())
	var wg sync.WaitGroup
	for _, version := range append([]string{"auto"}, versions...) {
		p := New(marked(l, "export", version))
		wg.Go(func() {
			for range 10 {
				if r, err := probeWith(t, p); err != nil || len(r.Warnings) > 0 {
					t.Errorf("%s: %v, warnings %q", version, err, r.Warnings)
				}
			}
		})
	}
	wg.Wait()
	noTestFile(t, l.Dir())
	knownClients(t, l, 1)
}

// A server that was just started lets nobody open files during its grace
// period: it is healthy, in grace, until that ends.
func TestRealGrace(t *testing.T) {
	l := realLab(t, nfstest.Config{})
	mark(t, l.Dir())
	if _, err := probe(t, marked(l, "export", "4.0")); err != nil {
		t.Fatal(err)
	}
	must(t, l.Restart(nfstest.Ganesha)) // it waits for the client of version 4.0
	p := New(marked(l, "export", "4.2"))
	r, err := probeWith(t, p)
	if err != nil || !r.Grace || learnt(r, WriteTest) != "in grace: OPEN: NFS4ERR_GRACE" ||
		len(r.Warnings) != 1 {
		t.Errorf("%v, warnings %q, rungs %v", err, r.Warnings, r.Rungs)
	}
	noTestFile(t, l.Dir())
	retry(t, func() error {
		if r, err = probeWith(t, p); err != nil || r.Grace {
			time.Sleep(100 * time.Millisecond) // it lasts for seconds
			return fmt.Errorf("%v, in grace: %v", err, r.Grace)
		}
		return nil
	})
	if learnt(r, WriteTest) != writeLearnt(r) {
		t.Errorf("rungs %v", r.Rungs)
	}
	noTestFile(t, l.Dir())
}

func init() { childRoles["write for ever"] = writeForEver }

// writeForEver probes until it is killed.
func writeForEver() {
	p := New(Config{Address: "127.0.0.1", Dir: os.Args[1], Path4: "/export", Version: os.Args[2],
		WriteTest: true})
	for {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		if _, err := p.Probe(ctx); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		cancel()
	}
}

// A probe removes the file of one that was killed while it wrote.
func TestRealKilled(t *testing.T) {
	l := realLab(t, nfstest.Config{})
	for _, version := range versions {
		c := export(l, "export", version)
		c.WriteTest = true
		left := filepath.Join(l.Dir(), (&attempt{Config: c}).testName())
		cmd := childCommand(t.Context(), t, "write for ever", l.Dir(), version)
		out := new(strings.Builder)
		cmd.Stdout = out
		must(t, cmd.Start())
		// Freeze the server, and so the probe, at a moment when the file
		// exists.
		for end := time.Now().Add(patience); ; {
			must(t, l.Freeze(nfstest.Ganesha))
			if _, err := os.Stat(left); err == nil {
				break
			}
			must(t, l.Thaw(nfstest.Ganesha))
			if time.Now().After(end) {
				cmd.Process.Kill()
				cmd.Wait()
				t.Fatalf("%s: never found writing: %s", version, out)
			}
		}
		must(t, cmd.Process.Kill())
		cmd.Wait()
		must(t, l.Thaw(nfstest.Ganesha))
		if r, err := probe(t, c); err != nil || learnt(r, WriteTest) != writeLearnt(r) {
			t.Errorf("%s: %v, rungs %v", version, err, r.Rungs)
		}
		noTestFile(t, l.Dir())
	}
}

// A refused source port is told apart from Kerberos, as far as the server
// tells.
func TestRealOrdinaryPort(t *testing.T) {
	l := realLab(t, nfstest.Config{})
	c := export(l, "secure", "3")
	c.Unprivileged = true
	_, err := probe(t, c)
	fails(t, err, Getattr, &RPCError{Stat: "AUTH_ERROR", Auth: "AUTH_TOOWEAK"})
	if errors.Is(err, ErrKerberos) || errors.Is(err, ErrPortOrKerberos) {
		t.Error(err)
	}
	c = export(l, "kerberos", "3")
	_, err = probe(t, c)
	fails(t, err, Getattr, ErrKerberos)
	c.Unprivileged = true
	_, err = probe(t, c)
	fails(t, err, Getattr, ErrPortOrKerberos)
}
