package nfsprobe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"
)

// decoded asserts that a decoder's error is a *MalformedError or one of these
// causes.
func decoded(t *testing.T, err error, may ...error) {
	t.Helper()
	var bad *MalformedError
	if err == nil || errors.As(err, &bad) {
		return
	}
	for _, m := range may {
		if errors.Is(err, m) {
			return
		}
	}
	t.Errorf("%T %v", err, err)
}

func FuzzReadRecord(f *testing.F) {
	f.Add(fragment(1, []byte("one")))
	f.Add(append(fragment(0, []byte("one")), fragment(1, []byte(" two"))...))
	f.Add(bytes.Repeat(fragment(0, nil), 70))
	f.Add(xdr(0xffffffff, 0))
	f.Add(xdr(1<<31|maxRecord, 0))
	for _, stream := range captures(f) {
		f.Add(stream)
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		whole := bytes.NewReader(stream)
		record, err := readRecord(whole)
		decoded(t, err, io.EOF, io.ErrUnexpectedEOF)
		slow, serr := readRecord(iotest.OneByteReader(bytes.NewReader(stream)))
		if (err == nil) != (serr == nil) || err == nil && !bytes.Equal(record, slow) {
			t.Errorf("%q, %v; byte by byte %q, %v", record, err, slow, serr)
		}
		if err != nil {
			return
		}
		// What was read is what the marks say.
		rest := stream
		var want []byte
		for last := false; !last; {
			m := binary.BigEndian.Uint32(rest)
			n := m &^ lastFragment
			want, rest, last = append(want, rest[4:4+n]...), rest[4+n:], m&lastFragment != 0
		}
		if !bytes.Equal(record, want) || len(record) > maxRecord || whole.Len() != len(rest) {
			t.Errorf("%q, want %q; %d bytes left, want %d", record, want, whole.Len(), len(rest))
		}
	})
}

func FuzzParseReply(f *testing.F) {
	for _, words := range [][]uint32{
		{7, 1, 0, 0, 0, 0, 5}, {7, 1, 0, 2, 4, 9, 0}, {7, 1, 0, 0, 0, 2, 3, 4}, {7, 1, 0, 0, 0, 5},
		{7, 1, 1, 0, 2, 2}, {7, 1, 1, 1, 5},
		{7, 0, 2, 1, 2, 3, 0, 0, 0, 0}, {7, 1, 0, 0, 0xffffffff}, {8, 1},
	} {
		f.Add(xdr(words...))
	}
	for _, record := range captured(f, "*") {
		f.Add(record)
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		r, err := parseReply(bytes.Clone(record), 7)
		if _, size := succeeded(record); size > 0 { // the library finds the same
			whole := message{bytes.NewReader(bytes.Clone(record))}
			var m rpcv2.RpcMsg
			if n, err := m.ReadFrom(whole); err != nil || n != int64(size) {
				t.Errorf("%d bytes before the results; the library has %d, %v", size, n, err)
			}
		}
		var refused *RPCError
		switch {
		case err == nil:
			if rest, _ := io.ReadAll(r); !bytes.HasSuffix(record, rest) ||
				len(record)-len(rest) < 24 {
				t.Errorf("results %x of %x", rest, record)
			}
		case errors.As(err, &refused):
			if rpcTexts[refused.Stat] == "" ||
				(refused.Stat == "AUTH_ERROR") != (refused.Auth != "") {
				t.Errorf("%+v", *refused)
			}
		default:
			decoded(t, err)
		}
	})
}

func FuzzParsePorts(f *testing.F) {
	for _, b := range [][]byte{xdr(2049), xdr(0), xdr(70000), opaque("::1.8.1"), opaque(""),
		opaque("...."), xdr(0xffffffff)} {
		f.Add(b)
	}
	seed(f, "*-portmap.bin")
	f.Fuzz(func(t *testing.T, results []byte) {
		for _, parse := range []func(io.Reader) (int, error){parseGetPort, parseGetAddr} {
			port, err := parse(bytes.NewReader(results))
			decoded(t, err, ErrNotRegistered)
			if err == nil && (port < 1 || port > 65535) {
				t.Errorf("port %d", port)
			}
		}
	})
}

func FuzzParseMnt(f *testing.F) {
	f.Add(slices.Concat(xdr(0), opaque("handle"), xdr(2, 1, 390003)))
	f.Add(xdr(13))
	f.Add(xdr(0, 0xffffffff))
	f.Add(slices.Concat(xdr(0), opaque("handle"), xdr(0xffffffff)))
	seed(f, "*-mount.bin")
	f.Fuzz(func(t *testing.T, results []byte) {
		m, granted, err := parseMnt(bytes.NewReader(results))
		var status MountStatus
		if errors.As(err, &status) {
			if granted || status == 0 {
				t.Errorf("granted %v, %v", granted, err)
			}
			return
		}
		decoded(t, err)
		if err == nil && (!granted || len(m.handle) < 1 || len(m.handle) > 64) {
			t.Errorf("granted %v, handle of %d bytes", granted, len(m.handle))
		}
		if _, err := m.credential(0, authSys(0, 0)); err != nil && err != ErrKerberos {
			t.Error(err)
		}
		_ = m.flavors.String()
	})
}

func FuzzParse3(f *testing.F) {
	for _, b := range [][]byte{attributes(2), attributes(1), attributes(99), xdr(70),
		xdr(0, 0, 0x3f), slices.Concat(xdr(0, 1), attributes(2)[4:], xdr(1)), xdr(70, 0)} {
		f.Add(b)
	}
	seed(f, "3*-nfs.bin")
	f.Fuzz(func(t *testing.T, results []byte) {
		for _, parse := range []func(io.Reader) (string, error){getattr3, parseAccess3} {
			_, err := parse(bytes.NewReader(results))
			var status Status3
			if errors.As(err, &status) {
				if status == 0 {
					t.Error("status 0 as an error")
				}
				continue
			}
			decoded(t, err, ErrNotDirectory)
		}
	})
}

// No decoder allocates memory for what a server only claims to send.
func TestHostileCounts(t *testing.T) {
	const times = 1000
	for name, decode := range map[string]func(){
		"verifier of 4 GB":          func() { parseReply(xdr(7, 1, 0, 0, 0xfffffffc), 7) },
		"credential in a call":      func() { parseReply(xdr(7, 0, 2, 1, 2, 3, 0, 0xfffffffc), 7) },
		"universal address of 4 GB": func() { parseGetAddr(bytes.NewReader(xdr(0xfffffffc))) },
		"handle of 4 GB":            func() { parseMnt(bytes.NewReader(xdr(0, 0xfffffffc))) },
		"4 G flavors": func() {
			parseMnt(bytes.NewReader(slices.Concat(xdr(0), opaque("h"), xdr(0xffffffff))))
		},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range times {
			decode()
		}
		runtime.ReadMemStats(&after)
		if got := (after.TotalAlloc - before.TotalAlloc) / times; got > 4<<10 {
			t.Errorf("%s: %d bytes", name, got)
		}
	}
	// As many flavors as fit into a record.
	most := slices.Concat(xdr(0), opaque("h"), xdr(maxRecord/4),
		[]byte(strings.Repeat("\x00\x05\xf3\x73", maxRecord/4)))
	m, _, err := parseMnt(bytes.NewReader(most))
	if _, cerr := m.credential(0, noCredential); err != nil || cerr != ErrKerberos ||
		len(m.flavors.String()) > 100 {
		t.Errorf("%d flavors, %v, %v", len(m.flavors), err, cerr)
	}
}
