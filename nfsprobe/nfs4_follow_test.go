package nfsprobe

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"
	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"
)

// linked is a server with a directory, a file and links of every kind.
func linked() *fake4 {
	f := newFake4()
	f.links = map[string]string{
		"/export/link": "real", "/export/absolute": "/export/real", "/export/up": "../export/./real/",
		"/export/loop": "loop", "/export/gone": "nowhere", "/export/tofile": "file",
		"/export/root": "../../../export", "/export/empty": "",
		"/export/eight": "l7", "/export/nine": "eight",
	}
	for i := 1; i <= 7; i++ {
		f.links[fmt.Sprintf("/export/l%d", i)] = fmt.Sprintf("l%d", i-1)
	}
	f.links["/export/l1"] = "real"
	for link := range f.links {
		f.objects[link] = nfsv4.NF4LNK
	}
	f.objects["/export/real"], f.objects["/export/real/sub"] = nfsv4.NF4DIR, nfsv4.NF4DIR
	return f
}

// Symbolic links are followed, within the server and not for ever.
func TestLinks4(t *testing.T) {
	for _, version := range []string{"4.0", "4.1"} {
		for _, c := range []struct {
			path, learnt string
			step         Step
			cause        error
			text         string // in the error
		}{
			{"/export/link", `/export/link, through the symbolic link "link" to "real"`, 0, nil, ""},
			{"/export/link/sub", "", 0, nil, ""},
			{"/export/absolute/sub", "", 0, nil, ""},
			{"/export/up", "", 0, nil, ""},
			{"/export/root/real", "", 0, nil, ""},
			{"/export/eight", "", 0, nil, ""},
			{"/export/nine", "", Lookup, ErrLinks, `too many symbolic links (at the symbolic link "nine"`},
			{"/export/loop", "", Lookup, ErrLinks, `"loop" to "loop"`},
			{"/export/gone", "", Lookup, &Status4{"LOOKUP", 2},
				`NFS4ERR_NOENT (behind the symbolic link "gone" to "nowhere")`},
			{"/export/tofile", "", Getattr, ErrNotDirectory, ""},
			{"/export/file/sub", "", Lookup, &Status4{"LOOKUP", uint32(nfsv4.NFS4ERR_NOTDIR)}, ""},
			{"/export/empty", "", Lookup, &MalformedError{"empty link"}, ""},
		} {
			f := linked()
			r, err := f.speak(t, version, c.path)
			if c.cause != nil {
				fails(t, err, c.step, c.cause)
			} else if err != nil {
				t.Errorf("%s: %v", c.path, err)
			}
			if err != nil && !strings.Contains(err.Error(), c.text) {
				t.Errorf("%s: %v, want %q", c.path, err, c.text)
			}
			if c.learnt != "" && learnt(r, Lookup) != c.learnt {
				t.Errorf("%s: %q", c.path, learnt(r, Lookup))
			}
			if f.left() != 0 {
				t.Errorf("%s: %d left", c.path, f.left())
			}
		}
	}
}

// secured is a server whose /export takes only these flavors, and whose pseudo
// root takes all. A negative flavor is a service of Kerberos.
func secured(at string, takes ...int32) *fake4 {
	f := newFake4()
	f.secured, f.takes = at, takes
	return f
}

// A refused flavor: what the server offers of AUTH_SYS and AUTH_NONE is tried,
// and otherwise named.
func TestWrongSec4(t *testing.T) {
	for _, version := range []string{"4.0", "4.1", "4.2"} {
		for _, c := range []struct {
			at      string
			takes   []int32
			healthy bool
			cause   error
			text    string
		}{
			{"/export", []int32{0}, true, nil, ""},
			{"/export", []int32{0, -1}, true, nil, ""},
			{"/", []int32{0}, true, nil, ""},
			{"/export", []int32{-1, -3}, false, ErrKerberos, "(the server offers krb5:krb5p)"},
			{"/export", []int32{77}, false, &Status4{"LOOKUP", uint32(nfsv4.NFS4ERR_WRONGSEC)},
				"LOOKUP: NFS4ERR_WRONGSEC (the server offers 77)"},
		} {
			f := secured(c.at, c.takes...)
			r, err := f.speak(t, version, "/export")
			if c.cause != nil {
				fails(t, err, Lookup, c.cause)
			}
			if (err == nil) != c.healthy || err != nil && !strings.Contains(err.Error(), c.text) ||
				errors.Is(err, ErrKerberos) != (c.cause == ErrKerberos) {
				t.Errorf("%s %v: %v", version, c.takes, err)
			}
			if c.healthy && !strings.HasPrefix(r.Identity, "AUTH_NONE, ") {
				t.Errorf("%s %v: as %s", version, c.takes, r.Identity)
			}
			if f.left() != 0 {
				t.Errorf("%s: %d left", version, f.left())
			}
		}
		// A server that does not answer SECINFO: what there is, is tried.
		f := secured("/export", 0)
		f.answer = func(op nfsv4.NfsArgop4) nfsv4.NfsResop4 {
			if op.GetArgop() == nfsv4.OP_SECINFO {
				return failed4(op, nfsv4.NFS4ERR_NOTSUPP)
			}
			return nil
		}
		if _, err := f.speak(t, version, "/export"); err != nil {
			t.Error(err)
		}
		// Who refuses what it offers does not mean the flavor, but perhaps TLS: a
		// Linux server with xprtsec=tls.
		f = secured("/export", 1, -1)
		f.answer = func(op nfsv4.NfsArgop4) nfsv4.NfsResop4 {
			if op.GetArgop() == nfsv4.OP_LOOKUP {
				return failed4(op, nfsv4.NFS4ERR_WRONGSEC)
			}
			return nil
		}
		_, err := f.speak(t, version, "/export")
		fails(t, err, Lookup, &Status4{"LOOKUP", uint32(nfsv4.NFS4ERR_WRONGSEC)})
		if errors.Is(err, ErrKerberos) {
			t.Errorf("%s: %v", version, err)
		}
	}
}

// The other half of fake4: links and flavors.
func (f *fake4) readLink(op nfsv4.NfsArgop4) nfsv4.NfsResop4 {
	if f.objects[f.current] != nfsv4.NF4LNK {
		return failed4(op, nfsv4.NFS4ERR_INVAL)
	}
	return &nfsv4.NfsResop4_OP_READLINK{
		Opreadlink: &nfsv4.Readlink4res_NFS4_OK{
			Resok4: nfsv4.Readlink4resok{Link: []byte(f.links[f.current])},
		},
	}
}

// refuses reports whether the current object does not take the flavor of the
// call.
func (f *fake4) refuses() bool {
	return f.secured != "" && strings.HasPrefix(f.current, f.secured) &&
		!slices.Contains(f.takes, int32(f.cred.Flavor))
}

func (f *fake4) offers() nfsv4.Secinfo4res {
	ok := &nfsv4.Secinfo4res_NFS4_OK{}
	for _, flavor := range f.takes {
		var one nfsv4.Secinfo4 = &nfsv4.Secinfo4_default{Flavor: rpcv2.AuthFlavor(flavor)}
		if flavor < 0 {
			one = &nfsv4.Secinfo4_RPCSEC_GSS{
				FlavorInfo: nfsv4.RpcsecGssInfo{Service: nfsv4.RpcGssSvcT(-flavor)},
			}
		}
		ok.Resok4 = append(ok.Resok4, one)
	}
	return ok
}
