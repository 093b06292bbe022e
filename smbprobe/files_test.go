package smbprobe

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fsmon/smbprobe/smb2"
	"fsmon/smbprobe/smbtest"
)

func TestCheckMarker(t *testing.T) {
	for _, path := range []string{
		"MOUNTED", "dir/file", `dir\file`, ".mounted", "..x", "日本語", strings.Repeat("x", 255),
	} {
		if err := CheckMarker(path); err != nil {
			t.Errorf("%q: %v", path, err)
		}
	}
	for _, path := range []string{
		"", "/MOUNTED", `\MOUNTED`, "dir/", "a//b", "..", "../x", `a\..\b`, "./x", "a/.", "C:file",
		"file:stream", "a\x00b", "\xff", strings.Repeat("x", 256),
	} {
		if CheckMarker(path) == nil {
			t.Errorf("%q is accepted", path)
		}
	}
}

// filesIn returns the names in a share's directory.
func filesIn(t testing.TB, s *smbtest.Server, share string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(s.Dir, "shares", share))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// fresh starts a server of its own, whose share "fresh" holds only the marker.
func fresh(t testing.TB) *smbtest.Server {
	t.Helper()
	s := smbtest.Samba(t, smbtest.Config{Shares: map[string][]string{
		"fresh": {"guest ok = yes", "read only = no"},
	}})
	writeShared(t, s, "fresh", marker, markerText)
	return s
}

// The steps that open files work in every dialect and kind of session: signed,
// encrypted or neither. One file stays between probes.
func TestFiles(t *testing.T) {
	for _, max := range []string{"SMB2_02", "SMB2_10", "SMB3_00", "SMB3_02", "SMB3_11"} {
		for _, more := range []string{"", signAll, encryptAll} {
			if more == encryptAll && max < "SMB3" {
				continue
			}
			s := samba(t, "server max protocol = "+max, more)
			for _, c := range []struct{ share, user, password string }{
				{"share", "", ""}, {"share", "nosuch", "x"},
				{"priv", "root", "pw"}, {"encrypted", "root", "pw"},
			} {
				if c.user != "root" && more == encryptAll ||
					c.share == "encrypted" && max < "SMB3" {
					continue
				}
				t.Run(fmt.Sprint(max, " ", more, " ", c.share, " ", c.user), func(t *testing.T) {
					config := at(t, s.Addr(), c.share).as(c.user, c.password).files()
					config.Identity, config.Keep = true, true
					p := New(config)
					r, err := probeWith(t, p)
					if err != nil {
						t.Fatal(err)
					}
					var learnt []string
					for _, rung := range r.Rungs {
						if rung.Step.OpensFiles() {
							learnt = append(learnt, rung.Step.String()+": "+rung.Learnt)
						}
					}
					want := []string{
						"marker: read 16 bytes of MOUNTED",
						"write test: 64 bytes written, flushed, read back, kept",
						"lock test: locked and unlocked",
					}
					if !slices.Equal(learnt, want) {
						t.Errorf("learnt %q", learnt)
					}
					if !strings.HasPrefix(r.RootID, "volume ") {
						t.Errorf("root %q", r.RootID)
					}
					again, err := probeWith(t, p)
					if err != nil || again.RootID != r.RootID {
						t.Errorf("root %q, then %q, %v", r.RootID, again.RootID, err)
					}
					if got := filesIn(t, s, c.share); !slices.Equal(got,
						[]string{keptBy(p), marker}) {
						t.Errorf("kept %q", got)
					}
					if err := p.CleanUp(t.Context()); err != nil {
						t.Error(err)
					}
					if got := filesIn(t, s, c.share); !slices.Equal(got, []string{marker}) {
						t.Errorf("left behind %q", got)
					}
				})
			}
		}
	}
}

// All the ways in which a real server refuses a file.
func TestFilesRefused(t *testing.T) {
	const (
		notFound     = Status(0xC0000034)
		pathNotFound = Status(0xC000003A)
		denied       = Status(0xC0000022)
	)
	for _, more := range []string{"", encryptAll} {
		var global []string
		if more != "" {
			global = append(global, more)
		}
		s := smbtest.Samba(t, smbtest.Config{Global: global, Shares: map[string][]string{
			"rw": {"read only = no"}, "ro": {"read only = yes"},
			"print": {"guest ok = yes", "printable = yes", "path = @DIR@/spool"},
		}})
		for _, share := range []string{"rw", "ro"} {
			dir := filepath.Join(s.Dir, "shares", share)
			writeShared(t, s, share, marker, markerText)
			writeShared(t, s, share, "empty", "")
			writeShared(t, s, share, "secret", "x")
			if err := os.Chmod(filepath.Join(dir, "secret"), 0); err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(filepath.Join(dir, "dir", "sub"), 0o755); err != nil {
				t.Fatal(err)
			}
			writeShared(t, s, share, "dir/sub/deep", markerText)
		}
		for _, c := range []struct {
			name, share, user, password string
			marker                      string
			writeTest                   bool
			step                        Step
			cause                       error // nil: healthy
		}{
			{"deep", "rw", "root", "pw", "dir/sub/deep", false, 0, nil},
			{"deep, in the manner of Windows", "rw", "root", "pw", `dir\sub\deep`, false, 0, nil},
			{"deep, written beside it", "rw", "root", "pw", `dir/sub/deep`, true, 0, nil},
			{"missing", "rw", "root", "pw", "gone", true, Marker, notFound},
			{"missing directory", "rw", "root", "pw", "gone/deep", false, Marker, pathNotFound},
			{"empty", "rw", "root", "pw", "empty", false, Marker, smb2.StatusEndOfFile},
			{"a directory", "rw", "root", "pw", "dir", false, Marker, Status(0xC0000010)},
			{"unreadable", "rw", "games", "pw-games", "secret", false, Marker, denied},
			{"read-only share, marker", "ro", "root", "pw", marker, false, 0, nil},
			{"read-only share", "ro", "root", "pw", marker, true, WriteTest, denied},
			{"read-only directory", "rw", "games", "pw-games", "dir/sub/deep", true, WriteTest, denied},
		} {
			t.Run(c.name+" "+more, func(t *testing.T) {
				config := at(t, s.Addr(), c.share).as(c.user, c.password)
				config.Marker, config.WriteTest = c.marker, c.writeTest
				_, err := probe(t, config)
				if c.cause != nil {
					fails(t, err, c.step, c.cause)
				} else if err != nil {
					t.Error(err)
				}
			})
		}
		printer := at(t, s.Addr(), "print").files()
		if more != "" {
			printer = printer.as("root", "pw")
		}
		_, err := probe(t, printer)
		fails(t, err, ShareType, &ShareTypeError{Type: ShareTypePrinter})
		for _, dir := range []string{"rw", "rw/dir/sub", "ro"} {
			for _, name := range filesIn(t, s, dir) {
				if strings.HasPrefix(name, ".fsmon") {
					t.Errorf("left behind %s/%s", dir, name)
				}
			}
		}
	}
}
