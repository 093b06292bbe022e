package kitrunner

import (
	"context"
	"encoding/hex"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestWriteTest(t *testing.T) {
	dir := t.TempDir()
	old := time.Now().Add(-2 * time.Hour)
	files := map[string]struct {
		text  string
		at    time.Time
		stays bool
	}{
		"LK_0001.tmp":  {"test", old, false},        // ours, left behind
		"LK_0002.tmp":  {"te", old, false},          // ours, ended while it wrote
		"LK_0003.tmp":  {"test", time.Now(), true},  // another's that is under way
		"LK_0004.tmp":  {"tests", old, true},        // not ours
		"LK_0005.tmp":  {"best", old, true},         // not ours
		"LK_abcd.tmp":  {"test", old, true},         // not ours
		"LK_00006.tmp": {"test", old, true},         // not ours
		"report.txt":   {"test", time.Now(), true},  // not ours
	}
	for name, f := range files {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(f.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, f.at, f.at); err != nil {
			t.Fatal(err)
		}
	}
	if err := writeTest(dir); err != nil {
		t.Error(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	stay := 0
	for _, f := range files {
		if f.stays {
			stay++
		}
	}
	for _, entry := range left {
		if f, ok := files[entry.Name()]; !ok || !f.stays {
			t.Errorf("%s is there afterwards", entry.Name())
		}
	}
	if len(left) != stay {
		t.Errorf("%d files are left, want %d", len(left), stay)
	}
}

func TestWriteTestFails(t *testing.T) {
	if err := writeTest(filepath.Join(t.TempDir(), "nowhere")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a volume that is not there: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeTest(file); err == nil {
		t.Error("a file is taken for a volume")
	}
}

// A call into the system that hangs is left behind at the deadline.
func TestWithin(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	hang := make(chan struct{})
	defer close(hang)
	if _, err := within(ctx, "a call", func() (int, error) { <-hang; return 0, nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if v, err := within(t.Context(), "a call", func() (int, error) { return 7, nil }); v != 7 || err != nil {
		t.Error(v, err)
	}
	if _, err := within(t.Context(), "a call", func() (int, error) { return 0, fs.ErrPermission }); !errors.Is(err, fs.ErrPermission) || !strings.HasPrefix(err.Error(), "a call: ") {
		t.Error(err)
	}
}

// splitBrain is the trap of the document, encoded by hand by RFC 1157 4.1.6 and X.690.
var splitBrainTrap = Trap{Node: "NODEA", Generic: 6, Specific: 160, Strings: []string{"Split Brain", "E:", "NODEB"}}

const splitBrainPacket = "" +
	"3072" + // SEQUENCE, 114 bytes
	"020100" + // version-1
	"04067075626c6963" + // community "public"
	"a465" + // Trap-PDU, 101 bytes
	"06072b06010401b93f" + // enterprise 1.3.6.1.4.1.7359: 7359 = 57*128 + 63
	"40047f000001" + // agent-addr 127.0.0.1
	"020106" + // generic-trap enterpriseSpecific(6)
	"020200a0" + // specific-trap 160: the second byte alone would be negative
	"4303012345" + // time-stamp 74565 hundredths of a second
	"3047" + // variable-bindings, 71 bytes
	"301a" + "060b2b06010401b93f0101" // ...1.1, set right below

func TestTrapPacket(t *testing.T) {
	// The three bindings: name 1.3.6.1.4.1.7359.1.N, nine bytes; value OCTET STRING.
	bindings := "3018" + "06092b06010401b93f0101" + "040b" + hex.EncodeToString([]byte("Split Brain")) +
		"300f" + "06092b06010401b93f0102" + "0402" + hex.EncodeToString([]byte("E:")) +
		"3012" + "06092b06010401b93f0103" + "0405" + hex.EncodeToString([]byte("NODEB"))
	_ = bindings
}
