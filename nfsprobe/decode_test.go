package nfsprobe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"
)

// opaque returns variable-length data in XDR.
func opaque(data string) []byte {
	return slices.Concat(xdr(uint32(len(data))), []byte(data), make([]byte, -len(data)&3))
}

func TestParsePorts(t *testing.T) {
	for _, c := range []struct {
		results []byte
		parse   func(io.Reader) (int, error)
		port    int
		cause   error
	}{
		{xdr(2049), parseGetPort, 2049, nil},
		{xdr(65535, 1, 2, 3), parseGetPort, 65535, nil}, // what follows is ignored
		{xdr(0), parseGetPort, 0, ErrNotRegistered},
		{xdr(65536), parseGetPort, 0, &MalformedError{"port 65536"}},
		{nil, parseGetPort, 0, &MalformedError{"EOF"}},
		{opaque("::1.8.1"), parseGetAddr, 2049, nil},
		{opaque("fe80::1%eth0.255.255"), parseGetAddr, 65535, nil},
		{opaque("192.0.2.1.0.111"), parseGetAddr, 111, nil},
		{opaque(""), parseGetAddr, 0, ErrNotRegistered},
		{opaque("::.0.0"), parseGetAddr, 0, ErrNotRegistered},
		{opaque("8.1"), parseGetAddr, 0, &MalformedError{`"8.1"`}},
		{opaque("::1.8"), parseGetAddr, 0, &MalformedError{"universal address"}},
		{opaque("::1.256.1"), parseGetAddr, 0, &MalformedError{"universal address"}},
		{opaque("::1.-1.1"), parseGetAddr, 0, &MalformedError{"universal address"}},
		{opaque("::1..1"), parseGetAddr, 0, &MalformedError{"universal address"}},
		{opaque(strings.Repeat("1.", 128) + "1"), parseGetAddr, 0, &MalformedError{"257 bytes"}},
		{xdr(1 << 31), parseGetAddr, 0, &MalformedError{"2147483648 bytes"}},
		{xdr(8), parseGetAddr, 0, &MalformedError{"EOF"}},
		{nil, parseGetAddr, 0, &MalformedError{"EOF"}},
	} {
		port, err := c.parse(bytes.NewReader(c.results))
		if c.cause != nil {
			fails(t, &Error{Step: PortMap, Err: err}, PortMap, c.cause)
		} else if err != nil || port != c.port {
			t.Errorf("%q: port %d, %v", c.results, port, err)
		}
	}
}

func TestRpcb(t *testing.T) {
	var b bytes.Buffer
	n, err := rpcb{100005, 3, "tcp6"}.WriteTo(&b)
	want := slices.Concat(xdr(100005, 3), opaque("tcp6"), opaque(""), opaque(""))
	if err != nil || n != int64(len(want)) || !bytes.Equal(b.Bytes(), want) {
		t.Errorf("%d: %q, %v", n, b.Bytes(), err)
	}
}

func TestParseMnt(t *testing.T) {
	full := strings.Repeat("h", 64)
	for _, c := range []struct {
		name    string
		results []byte
		granted bool
		cause   error
		handle  string
		flavors []int32
	}{
		{"flavors", slices.Concat(xdr(0), opaque(full), xdr(2, 1, 0)), true, nil, full,
			[]int32{1, 0}},
		{"no flavors", slices.Concat(xdr(0), opaque("h"), xdr(0)), true, nil, "h", nil},
		{"refused", xdr(13), false, MountStatus(13), "", nil},
		{"refused, unknown", xdr(0xffffffff), false, MountStatus(0xffffffff), "", nil},
		{"nothing", nil, false, &MalformedError{"EOF"}, "", nil},
		{"no handle", xdr(0), true, &MalformedError{"EOF"}, "", nil},
		{"empty handle", slices.Concat(xdr(0), opaque(""), xdr(0)), true,
			&MalformedError{"empty file handle"}, "", nil},
		{"handle of 65 bytes", slices.Concat(xdr(0), opaque(full+"h"), xdr(0)), true,
			&MalformedError{"65 bytes"}, "", nil},
		{"handle of 4 GB", xdr(0, 0xffffffff, 0), true, &MalformedError{"4294967295"}, "", nil},
		{"handle cut", slices.Concat(xdr(0), opaque(full)[:40]), true, &MalformedError{"EOF"}, "",
			nil},
		{"flavors missing", slices.Concat(xdr(0), opaque(full)), true, &MalformedError{"EOF"}, "",
			nil},
		{"flavors cut", slices.Concat(xdr(0), opaque(full), xdr(2, 1)), true,
			&MalformedError{"EOF"}, "", nil},
		{"4 G flavors", slices.Concat(xdr(0), opaque(full), xdr(0xffffffff, 1)), true,
			&MalformedError{"EOF"}, "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, granted, err := parseMnt(bytes.NewReader(c.results))
			if granted != c.granted {
				t.Errorf("granted: %v", granted)
			}
			if c.cause != nil {
				fails(t, &Error{Step: Mount, Err: err}, Mount, c.cause)
			} else if err != nil || string(m.handle) != c.handle || !slices.Equal(m.flavors,
				c.flavors) {
				t.Errorf("%+v, %v", m, err)
			}
		})
	}
}

func TestCredential(t *testing.T) {
	sys := authSys(0, 0)
	for _, c := range []struct {
		flavors []int32
		want    rpcv2.AuthFlavor
		err     error
	}{
		{nil, rpcv2.AUTH_SYS, nil},
		{[]int32{1}, rpcv2.AUTH_SYS, nil},
		{[]int32{390003, 0, 1}, rpcv2.AUTH_SYS, nil},
		{[]int32{0}, rpcv2.AUTH_NONE, nil},
		{[]int32{390003, 0}, rpcv2.AUTH_NONE, nil},
		{[]int32{390003}, 0, ErrKerberos},
		{[]int32{390003, 390004, 390005}, 0, ErrKerberos},
	} {
		if got, err := (mounted{flavors: c.flavors}).credential(0, sys); err != c.err ||
			err == nil && got.Flavor != c.want {
			t.Errorf("%v: flavor %d, %v", c.flavors, got.Flavor, err)
		}
	}
	if got := (flavors{1, 0, 390003, 390004, 390005, 3, 7, 8, 9}).String(); got !=
		"sys:none:krb5:krb5i:krb5p:3:7:8:…" {
		t.Error(got)
	}
}

func TestStatusNames(t *testing.T) {
	for want, err := range map[string]error{
		"MNT3ERR_PERM": MountStatus(1), "MNT3ERR_NOENT": MountStatus(2),
		"MNT3ERR_ACCES": MountStatus(13), "MNT3ERR_NOTDIR": MountStatus(20),
		"MNT3ERR_SERVERFAULT": MountStatus(10006), "mountstat3 99": MountStatus(99),
		"mountstat3 4294967295": MountStatus(1<<32 - 1),
		"NFS3ERR_ACCES":         Status3(13), "NFS3ERR_STALE": Status3(70),
		"NFS3ERR_JUKEBOX": Status3(10008), "nfsstat3 99": Status3(99),
	} {
		if err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
	}
	// What a table of advice uses as its key, whichever kind of status an error
	// wraps.
	for _, c := range []struct {
		status Status
		name   string
		number uint32
	}{
		{MountStatus(13), "ACCES", 13},
		{MountStatus(99), "", 99},
		{Status3(2), "NOENT", 2},
		{Status3(99), "", 99},
		{&Status4{"LOOKUP", 2}, "NOENT", 2},
		{&Status4{"COMPOUND", 10021}, "MINOR_VERS_MISMATCH", 10021},
		{&Status4{"LOOKUP", 12345}, "", 12345},
	} {
		var got Status
		err := &Error{Step: Mount, Err: fmt.Errorf("LOOKUP: %w", c.status)}
		if !errors.As(err, &got) || got.Name() != c.name || got.Number() != c.number {
			t.Errorf("%v: %q, %d", c.status, got.Name(), got.Number())
		}
	}
}

// attributes returns the attributes of an object of this type, as in GETATTR.
func attributes(kind uint32) []byte {
	return xdr(0, kind, 0o100755, 2, 500, 600, 0, 4096, 0, 4096, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0)
}

func TestParseGetattr3(t *testing.T) {
	if learnt, err := getattr3(bytes.NewReader(attributes(2))); err != nil ||
		learnt != "directory, mode 0755, owner 500:600" {
		t.Errorf("%q, %v", learnt, err)
	}
	for _, kind := range []uint32{1, 3, 4, 5, 6, 7} {
		if _, err := getattr3(bytes.NewReader(attributes(kind))); err != ErrNotDirectory {
			t.Errorf("type %d: %v", kind, err)
		}
	}
	for _, kind := range []uint32{0, 8, 0xffffffff} {
		_, err := getattr3(bytes.NewReader(attributes(kind)))
		isMalformed(t, err, "file type")
	}
	if _, err := getattr3(bytes.NewReader(xdr(70))); err != Status3(70) {
		t.Error(err)
	}
	whole := attributes(2)
	for n := range len(whole) {
		_, err := getattr3(bytes.NewReader(whole[:n]))
		isMalformed(t, err, "EOF")
	}
}

func TestParseAccess3(t *testing.T) {
	for want, results := range map[string][]byte{
		"may read, lookup, modify, extend, delete, execute": xdr(0, 0, 0x3f),
		"may lookup":      xdr(0, 0, 2),
		"nothing allowed": xdr(0, 0, 0),
		"may read":        slices.Concat(xdr(0, 1), attributes(2)[4:], xdr(0xffffffc1)),
	} {
		if learnt, err := parseAccess3(bytes.NewReader(results)); err != nil || learnt != want {
			t.Errorf("%x: %q, %v", results, learnt, err)
		}
	}
	if _, err := parseAccess3(bytes.NewReader(xdr(70, 0))); err != Status3(70) {
		t.Error(err)
	}
	for _, results := range [][]byte{nil, xdr(0), xdr(0, 0), xdr(0, 2, 1), xdr(70), xdr(0, 1, 2)} {
		_, err := parseAccess3(bytes.NewReader(results))
		isMalformed(t, err, "ACCESS")
	}
}

// jukebox fails with NFS3ERR_JUKEBOX so many times, then succeeds.
func jukebox(times int) (ask func() (string, error), asked *int) {
	asked = new(int)
	return func() (string, error) {
		if *asked++; *asked <= times {
			return "", Status3(nfsv3.NFS3ERR_JUKEBOX)
		}
		return "well", nil
	}, asked
}

// A busy server is asked again, at longer and longer intervals, until shortly
// before the deadline.
func TestJukebox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ask, asked := jukebox(6)
		learnt, err := retryBusy(t.Context(), ask)
		if want := 3500 * time.Millisecond; err != nil || learnt != "well" || *asked != 7 ||
			time.Since(began) != want {
			t.Errorf("%q, %v after %v and %d times, want %v", learnt, err, time.Since(began),
				*asked, want)
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began = time.Now()
		ask, asked = jukebox(1000)
		if _, err := retryBusy(ctx, ask); err != Status3(nfsv3.NFS3ERR_JUKEBOX) ||
			time.Since(began) != 900*time.Millisecond || *asked != 5 {
			t.Errorf("%v after %v and %d times", err, time.Since(began), *asked)
		}

		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(2*time.Second, stop)
		began = time.Now()
		ask, _ = jukebox(1000)
		if _, err := retryBusy(ctx, ask); !errors.Is(err, context.Canceled) ||
			time.Since(began) != 2*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
	stale := func() (string, error) { return "", Status3(nfsv3.NFS3ERR_STALE) }
	if _, err := retryBusy(t.Context(), stale); err != Status3(nfsv3.NFS3ERR_STALE) {
		t.Error(err)
	}
}

// getattr3 is parseGetattr3 without what it learns besides.
func getattr3(results io.Reader) (learnt string, err error) {
	d, err := parseGetattr3(results)
	return d.learnt, err
}
