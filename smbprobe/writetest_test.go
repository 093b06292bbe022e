package smbprobe

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"fsmon/smbprobe/smb2"
	"fsmon/smbprobe/smbtest"
)

// Whatever goes wrong on the disk during the write test, at most one file is
// kept, and any other is removed, at the latest by the next probe.
func TestWriteTestSpoilt(t *testing.T) {
	on, refuse := smbtest.OnReply, smbtest.SetStatus
	const full, writeProtected, violation = 0xC000007F, 0xC00000A2, 0xC0000043
	// created spoils the n-th CREATE that succeeds: 0 creates the file, 1 opens
	// it to read it back, 2 to delete it, if it cannot be kept.
	created := func(n int, do smbtest.Filter) smbtest.Filter {
		return on(smbtest.Create, func(f *smbtest.Frame) smbtest.Behaviour {
			if f.Status != 0 {
				return nil
			}
			if n--; n == -1 {
				return do(f)
			}
			return nil
		})
	}
	setSize := func(n uint32) smbtest.Filter { // of what was written or read
		return change(func(m []byte) { le.PutUint32(m[headerLen+4:], n) })
	}
	const data = 4 + headerLen + 16 // of a read answer without padding
	cases := []struct {
		name    string
		spoil   smbtest.Filter
		blocked bool  // a directory is where the file is to be kept
		cause   error // nil: healthy
		warns   bool
		left    int // files
	}{
		{"full, no room for a name", created(0, refuse(full)), false, Status(full), false, 1},
		{"full, no room for bytes", on(smbtest.Write, refuse(full)), false, Status(full), false, 0},
		{"remounted read-only", on(smbtest.Write, refuse(writeProtected)), false,
			Status(writeProtected), false, 0},
		{"not flushed", on(smbtest.Flush, refuse(0xC0000185)), false, Status(0xC0000185), false, 0},
		{"a write of nothing", on(smbtest.Write, setSize(0)), false,
			malformed("a write of 0 bytes"), false, 0},
		{"a write of more", on(smbtest.Write, setSize(65)), false,
			malformed("a write of 65 bytes"), false, 0},
		{"another byte", on(smbtest.Read, change(func(m []byte) { m[data]++ })), false,
			ErrReadBack, false, 0},
		{"nothing", on(smbtest.Read, refuse(uint32(smb2.StatusEndOfFile))), false,
			ErrReadBack, false, 0},
		{"data outside", on(smbtest.Read, setSize(0xffffff00)), false,
			malformed("outside the frame"), false, 0},
		{"in use while it is read back", created(1, refuse(violation)), false, nil, false, 1},
		{"renamed, but said not", on(smbtest.SetInfo, refuse(0xC0000022)), false, nil, false, 1},
		{"not to be renamed", created(9, nil), true, nil, false, 0},
		{"in use when it is to be deleted", created(2, refuse(violation)), true, nil, true, 1},
		{"deleted by somebody else", created(2, refuse(uint32(smb2.StatusObjectNotFound))), true,
			nil, false, 1},
		{"not to be deleted, but it was", on(smbtest.SetInfo, refuse(0xC0000121)), true,
			Status(0xC0000121), false, 0},
	}
	shares := map[string][]string{}
	for i := range cases {
		shares[fmt.Sprint("s", i)] = []string{"guest ok = yes", "read only = no"}
	}
	s := smbtest.Samba(t, smbtest.Config{Shares: shares})
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			share := fmt.Sprint("s", i)
			var sound atomic.Bool
			config := at(t, smbtest.Relay(t, s.Addr(), func(f *smbtest.Frame) smbtest.Behaviour {
				if sound.Load() {
					return nil
				}
				return c.spoil(f)
			}), share)
			config.WriteTest, config.Keep = true, true
			kept := keptBy(New(config))
			left := func() []string {
				return slices.DeleteFunc(filesIn(t, s, share),
					func(name string) bool { return c.blocked && name == kept })
			}
			if c.blocked {
				dir := filepath.Join(s.Dir, "shares", share, kept, "full")
				if err := os.MkdirAll(dir, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			r, err := probe(t, config)
			if c.cause != nil {
				fails(t, err, WriteTest, c.cause)
			} else if err != nil {
				t.Error(err)
			}
			if c.warns != (len(r.Warnings) == 1 && strings.Contains(r.Warnings[0], "in use")) {
				t.Errorf("warnings %q", r.Warnings)
			}
			if got := left(); len(got) != c.left {
				t.Errorf("left behind %q", got)
			}
			// The next probe removes it, once the server has seen that the
			// connection has ended, and has its own kept until it is cleaned up.
			sound.Store(true)
			waitFor(t, "the removal", func() bool {
				p := New(config)
				if _, err := probeWith(t, p); err != nil {
					t.Fatal(err)
				}
				if got := left(); slices.Contains(got, kept) == c.blocked {
					t.Errorf("kept %q", got)
				}
				if err := p.CleanUp(t.Context()); err != nil {
					t.Error(err)
				}
				return len(left()) == 0
			})
		})
	}
}

// A write test that is killed leaves one file, which the next one removes. It
// touches no file of anybody else.
func TestWriteTestKilled(t *testing.T) {
	s := fresh(t)
	writeShared(t, s, "fresh", ".fsmon-0123456789abcdef", "of another watch")
	writeShared(t, s, "fresh", ".fsmon-0123456789abcdef-0", "of another watch")
	var written sync.Once
	var healed atomic.Bool
	stalled := make(chan struct{})
	hold := func(f *smbtest.Frame) smbtest.Behaviour {
		if healed.Load() {
			return nil
		}
		written.Do(func() { close(stalled) })
		return smbtest.Hold(f)
	}
	addr := smbtest.Relay(t, s.Addr(), smbtest.OnReply(smbtest.Write, hold))
	config := at(t, addr, "fresh")
	config.WriteTest = true
	b, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), os.Args[0], string(b))
	child.Env = append(os.Environ(), childEnv+"=probe")
	var output bytes.Buffer
	child.Stdout, child.Stderr = &output, &output
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	select {
	case <-stalled:
	case err := <-ended:
		t.Fatalf("the probe ended before its write: %v\n%s", err, output.Bytes())
	}
	before := filesIn(t, s, "fresh")
	if err := child.Process.Kill(); err != nil {
		t.Error(err)
	}
	<-ended
	if len(before) != 4 {
		t.Errorf("in the middle there are %q", before)
	}
	healed.Store(true)
	waitFor(t, "the removal", func() bool {
		if _, err := probe(t, config); err != nil {
			t.Fatal(err)
		}
		return slices.Equal(filesIn(t, s, "fresh"), []string{
			".fsmon-0123456789abcdef", ".fsmon-0123456789abcdef-0", marker,
		})
	})
}

func init() {
	childRoles["probe"] = func() {
		var c Config
		if err := json.Unmarshal([]byte(os.Args[1]), &c); err != nil {
			panic(err)
		}
		_, err := New(c).Probe(context.Background())
		fmt.Println(err)
	}
}

// Several watches and checks may test the same share at the same time.
func TestWriteTestsTogether(t *testing.T) {
	s := fresh(t)
	config := at(t, s.Addr(), "fresh")
	config.WriteTest = true
	var wg sync.WaitGroup
	for range 2 {
		watch := New(config)
		watch.Keep()
		wg.Go(func() {
			for range 50 {
				if _, err := probeWith(t, watch); err != nil {
					t.Error(err)
				}
			}
			if err := watch.CleanUp(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	for range 20 {
		if _, err := probe(t, config); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	if _, err := probe(t, config); err != nil {
		t.Error(err)
	}
	if got := filesIn(t, s, "fresh"); len(got) != 1 {
		t.Errorf("left behind %q", got)
	}
}

// Every watch has its own file names. They do not depend on the user.
func TestWriteTestNames(t *testing.T) {
	base := attempt{Config: Config{Address: "192.0.2.1", Port: 445, Share: "share"}}
	names := base.testNames()
	other := base.Config
	other.User, other.Password, other.Share = "user", "pw", "SHARE"
	got := (&attempt{Config: other}).testNames()
	if !slices.Equal(got, names) || len(names) != testNames {
		t.Errorf("%q, %q", names, got)
	}
	other.Share = "another"
	if got = (&attempt{Config: other}).testNames(); got[0] == names[0] {
		t.Errorf("two shares, one name %q", got)
	}
	for path, dir := range map[string]string{"a/b/c": "a/b/", `a\c`: `a\`, "c": ""} {
		other.Marker = path
		once := attempt{Config: other}
		kept := once.keptName()
		if got := once.testNames(); !strings.HasPrefix(kept, dir+".fsmon-") ||
			!strings.HasPrefix(got[0], kept+"-") {
			t.Errorf("%q and %q beside %q", kept, got[0], path)
		}
	}
}

// keptBy is the name of the file that a prober keeps.
func keptBy(p *Prober) string {
	once := p.attempt()
	return once.keptName()
}

// A watch that keeps its file deletes none, so that a recycle bin gets none: the
// new file takes the place of the old one.
func TestWriteTestKeeps(t *testing.T) {
	s := fresh(t)
	var deleted atomic.Int32
	addr := smbtest.Relay(t, s.Addr(), func(f *smbtest.Frame) smbtest.Behaviour {
		const disposition = 4 + headerLen + 3 // FileInfoClass
		if !f.FromServer && f.Command == smbtest.SetInfo && f.Bytes[disposition] == 13 {
			deleted.Add(1)
		}
		return nil
	})
	config := at(t, addr, "fresh")
	config.WriteTest, config.LockTest = true, true
	p := New(config)
	p.Keep()
	for range 3 {
		r, err := probeWith(t, p)
		if err != nil || len(r.Warnings) > 0 {
			t.Fatal(err, r.Warnings)
		}
		if got := filesIn(t, s, "fresh"); !slices.Equal(got, []string{keptBy(p), marker}) {
			t.Errorf("there are %q", got)
		}
	}
	if n := deleted.Load(); n > 0 {
		t.Errorf("%d files were deleted", n)
	}
	// A probe that is cancelled does not forget the file.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	probeIn(t, ctx, p)
	if err := p.CleanUp(t.Context()); err != nil {
		t.Error(err)
	}
	if got := filesIn(t, s, "fresh"); !slices.Equal(got, []string{marker}) {
		t.Errorf("left behind %q", got)
	}
	if n := deleted.Load(); n != 1 {
		t.Errorf("%d files were deleted", n)
	}
	// Nothing is asked where nothing was kept, or where the last probe has not
	// come so far.
	s.Close()
	if err := New(config).CleanUp(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := probeWith(t, p); err == nil {
		t.Error("healthy without a server")
	}
	if err := p.CleanUp(t.Context()); err != nil {
		t.Error(err)
	}
}
