package winsys

import (
	"context"
	"encoding/hex"
	"errors"
	"io/fs"
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
		"LK_0001.tmp":  {"test", old, false},       // ours, left behind
		"LK_0002.tmp":  {"te", old, false},         // ours, ended while it wrote
		"LK_0003.tmp":  {"test", time.Now(), true}, // another's that is under way
		"LK_0004.tmp":  {"tests", old, true},       // not ours
		"LK_0005.tmp":  {"best", old, true},        // not ours
		"LK_abcd.tmp":  {"test", old, true},        // not ours
		"LK_00006.tmp": {"test", old, true},        // not ours
		"report.txt":   {"test", time.Now(), true}, // not ours
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

// A call that hangs is left alone at the deadline.
func TestWithin(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	hang := make(chan struct{})
	defer close(hang)
	if _, err := within(ctx, "a call", func() (int, error) {
		<-hang
		return 0, nil
	}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if v, err := within(t.Context(), "a call", func() (int, error) {
		return 7, nil
	}); v != 7 || err != nil {
		t.Error(v, err)
	}
	if _, err := within(t.Context(), "a call", func() (int, error) {
		return 0, fs.ErrPermission
	}); !errors.Is(err, fs.ErrPermission) || !strings.HasPrefix(err.Error(), "a call: ") {
		t.Error(err)
	}
}

// splitBrainTrap is a trap as in the document. splitBrainPacket is its encoding
// by RFC 1157 4.1.6 and X.690, made by hand.
var splitBrainTrap = Trap{Node: "NODEA", Generic: 6, Specific: 160, Strings: []string{"Split Brain",
	"E:", "NODEB"}}

var splitBrainPacket = strings.Join([]string{
	"3069",             // SEQUENCE, 105 bytes
	"020100",           // version-1
	"04067075626c6963", // community "public"
	"a45c",             // Trap-PDU, 92 bytes
	// enterprise 1.3.6.1.4.1.7359: 7359 = 57*128 + 63
	"06072b06010401b93f",
	"40047f000001", // agent-addr 127.0.0.1
	// generic-trap enterpriseSpecific(6)
	"020106",
	// specific-trap 160: a0 alone would be negative
	"020200a0",
	// time-stamp, 74565 hundredths of a second
	"4303012345",
	"303f", // variable-bindings, 63 bytes
	// 1.3.6.1.4.1.7359.1.1 "Split Brain"
	"3018", "06092b06010401b93f0101", "040b53706c697420427261696e",
	"300f", "06092b06010401b93f0102", "0402453a", // 1.3.6.1.4.1.7359.1.2 "E:"
	"3012", "06092b06010401b93f0103", "04054e4f444542", // 1.3.6.1.4.1.7359.1.3 "NODEB"
}, "")

func TestTrapPacket(t *testing.T) {
	b, err := encodeTrap("public", [4]byte{127, 0, 0, 1}, 745650*time.Millisecond, splitBrainTrap)
	if got := hex.EncodeToString(b); got != splitBrainPacket || err != nil {
		t.Errorf("got  %s, %v\nwant %s", got, err, splitBrainPacket)
	}
}

func TestTrapLengths(t *testing.T) {
	// 0x81 before a length from 128, 0x82 before one from 256 (X.690 8.1.3.5).
	for size, want := range map[int]string{100: "30", 130: "3081", 300: "3082"} {
		b, err := encodeTrap("public", [4]byte{}, 0,
			Trap{Strings: []string{strings.Repeat("x", size)}})
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(b); !strings.HasPrefix(got, want) {
			t.Errorf("a string of %d bytes: %s", size, got)
		}
		length := len(b) - 2
		switch b[1] {
		case 0x81:
			length = len(b) - 3
			if int(b[2]) != length {
				t.Errorf("length %d, want %d", b[2], length)
			}
		case 0x82:
			length = len(b) - 4
			if int(b[2])<<8|int(b[3]) != length {
				t.Errorf("length % x, want %d", b[2:4], length)
			}
		default:
			if int(b[1]) != length {
				t.Errorf("length %d, want %d", b[1], length)
			}
		}
	}
	if _, err := encodeTrap("public", [4]byte{}, 0,
		Trap{Strings: []string{strings.Repeat("x", 500)}}); err == nil {
		t.Error("a message longer than a receiver must take was encoded")
	}
	for v, want := range map[uint32]string{0: "020100", 127: "02017f", 128: "02020080",
		255: "020200ff", 1 << 31: "02050080000000"} {
		if got := hex.EncodeToString(integer(tagInteger, v)); got != want {
			t.Errorf("%d is %s, want %s", v, got, want)
		}
	}
}

func TestTrapWithoutDestination(t *testing.T) {
	if err := NewAPI("", "public").Trap(t.Context(), splitBrainTrap); err == nil {
		t.Error("no error")
	}
}
