package nfsprobe

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"

	"fsmon/nfsprobe/nfstest"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"
	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"
)

// replies returns the results that a server sent to a probe with marker and
// write test, in order.
func replies(t testing.TB, version string) [][]byte {
	t.Helper()
	_, c := hostileFiles(t, version)
	r, err := probe(t, c)
	if err != nil {
		t.Fatal(err)
	}
	var all [][]byte
	for _, s := range r.Wire {
		if int(s.From.Port()) == c.Port && len(s.Data) > 28 {
			all = append(all, s.Data[28:]) // without the mark and the header of an accepted reply
		}
	}
	return all
}

// Whatever a server sends, the decoders of version 3 do not panic and return
// nothing that is too long.
func FuzzParseFiles3(f *testing.F) {
	for _, results := range replies(f, "3") {
		f.Add(results)
	}
	seed(f, "3*-nfs.bin")
	f.Add(xdr(70, 0, 0))
	f.Add(xdr(0, 0, 0xffffffff, 1, 0xffffffff))
	f.Fuzz(func(t *testing.T, results []byte) {
		check := func(name string, n, most int, err error) {
			if code := status(err); err != nil && code == 0 {
				decoded(t, err)
			}
			if err == nil && n > most {
				t.Errorf("%s: %d bytes", name, n)
			}
		}
		r := func() io.Reader { return message{bytes.NewReader(results)} }
		handle, err := parseLookup3(r())
		check("LOOKUP", len(handle), 64, err)
		handle, err = parseCreate3(r())
		check("CREATE", len(handle), 64, err)
		data, err := parseRead3(r(), 65)
		check("READ", len(data), 65, err)
		_, err = parseType3(r())
		check("GETATTR", 0, 0, err)
		_, err = parseWrite3(r())
		check("WRITE", 0, 0, err)
		_, err = parseCommit3(r())
		check("COMMIT", 0, 0, err)
		_, err = parseRemove3(r())
		check("REMOVE", 0, 0, err)
	})
}

// XDR padding may be any bytes, and no other bytes are changed for it.
func FuzzMessage(f *testing.F) {
	f.Add([]byte("abcde"), byte(0xff))
	f.Add([]byte(""), byte(1))
	f.Add(bytes.Repeat([]byte("x"), 1021), byte(7))
	f.Fuzz(func(t *testing.T, data []byte, pad byte) {
		if len(data) > maxRecord {
			return
		}
		var b bytes.Buffer
		b.Write(xdr(7, uint32(len(data))))
		b.Write(data)
		for b.Len()%4 != 0 {
			b.WriteByte(pad)
		}
		b.Write(xdr(0x01020304))
		m := message{bytes.NewReader(b.Bytes())}
		var answer nfsv4.Compound4res // status, tag, number of results
		_, err := answer.ReadFrom(message{bytes.NewReader(append(bytes.Clone(b.Bytes()[:b.Len()-4]),
			0, 0, 0, 0))})
		if err == nil && answer.Tag != string(data) {
			t.Errorf("%q, want %q", answer.Tag, data)
		}
		var auth rpcv2.OpaqueAuth
		if _, err := auth.ReadFrom(m); len(data) <= 400 &&
			(err != nil || !bytes.Equal(auth.Body, data)) {
			t.Errorf("%q, %v", auth.Body, err)
		} else if last := make([]byte, 4); err == nil {
			if _, err := io.ReadFull(m, last); err != nil ||
				binary.BigEndian.Uint32(last) != 0x01020304 {
				t.Errorf("behind it %x, %v", last, err)
			}
		}
	})
}

// Whatever a server answers to one COMPOUND of a probe with marker and write
// test, the probe ends without a panic; if it fails, with an *Error.
func FuzzFiles4(f *testing.F) {
	for _, version := range []string{"4.0", "4.1"} {
		for i, results := range replies(f, version) {
			f.Add(version == "4.0", uint(i), results)
			f.Add(version == "4.0", uint(i), results[:len(results)/2])
		}
	}
	for _, name := range []string{"4.0.bin", "4.1.bin", "4.2.bin", "4.1-readonly.bin",
		"4.1-unknown.bin", "4.1-kerberos.bin"} {
		for i, results := range capturedResults(f, name) {
			f.Add(name == "4.0.bin", uint(i), results)
		}
	}
	f.Fuzz(func(t *testing.T, zero bool, at uint, results []byte) {
		if len(results) > maxRecord-24 || len(results) > 10 &&
			binary.BigEndian.Uint32(results) > 10000 {
			return // such as busy: the probe would wait
		}
		version := "4.1"
		if zero {
			version = "4.0"
		}
		h, c := hostileFiles(t, version)
		h.On(nfstest.Compound, nfstest.Nth(at%14, nfstest.Results(raw(results))))
		probe(t, c)
	})
}
