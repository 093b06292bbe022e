package smb2

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// seedStreams adds what real servers sent in whole sessions.
func seedStreams(f *testing.F, add func(stream []byte)) {
	names, err := filepath.Glob("../testdata/answers/*.bin")
	if err != nil || len(names) == 0 {
		f.Fatalf("no captures, %v", err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		add(b)
	}
}

// seedMessages adds the SMB2 messages of all captures.
func seedMessages(f *testing.F) {
	seedStreams(f, func(stream []byte) {
		for len(stream) > prefixLen {
			n := min(len(stream), prefixLen+int(be.Uint32(stream)&0xffffff))
			f.Add(stream[prefixLen:n])
			stream = stream[n:]
		}
	})
}

// wellFormed reports whether there is no error. It asserts that an error is a
// *MalformedError: decoders return no other.
func wellFormed(t *testing.T, err error) bool {
	t.Helper()
	var m *MalformedError
	if err != nil && !errors.As(err, &m) {
		t.Errorf("%T %v, want a *MalformedError", err, err)
	}
	return err == nil
}

func FuzzParseAnswer(f *testing.F) {
	seedMessages(f)
	f.Fuzz(func(t *testing.T, m []byte) {
		before := bytes.Clone(m)
		a, err := decode(m)
		if wellFormed(t, err) &&
			(len(m) < 66 || a.flags&flagResponse == 0 || le.Uint32(m[20:]) != 0) {
			t.Errorf("accepted % x", m)
		}
		if !bytes.Equal(m, before) {
			t.Error("changed the message")
		}
	})
}

func FuzzNegotiate(f *testing.F) {
	seedMessages(f)
	f.Fuzz(func(t *testing.T, m []byte) {
		if len(m) > 14 {
			le.PutUint16(m[12:], cmdNegotiate)
		}
		n, err := negotiated(m)
		if wellFormed(t, err) && (n.DialectName() == "" || n.SigningName() == "" ||
			n.Dialect < dialect300 && n.CipherName() != "") {
			t.Errorf("accepted %+v", n)
		}
	})
}

func FuzzReferral(f *testing.F) {
	f.Add(referral(2, 0, 20, `\server\share`))
	f.Add(referral(3, 0, 16, `\server\share`))
	f.Add(referral(4, 4, 16, `\server\share`))
	f.Fuzz(func(t *testing.T, b []byte) {
		target, err := parseReferral(b)
		if wellFormed(t, err) && len(target) > 3*len(b) {
			t.Errorf("%d bytes of %d", len(target), len(b))
		}
	})
}

// password is a login that takes any token.
type password struct{ key []byte }

func (password) OID() []byte                         { return []byte{6, 1, 1} }
func (password) Init() ([]byte, error)               { return []byte("first"), nil }
func (password) Accept(token []byte) ([]byte, error) { return token, nil }
func (p password) SessionKey() []byte                { return p.key }
func (password) MIC([]byte) []byte                   { return nil }

// All requests of a client, one after another, at a server that sends anything.
func FuzzConn(f *testing.F) {
	seedStreams(f, func(stream []byte) {
		f.Add(stream, []byte(nil))
		f.Add(stream, make([]byte, 16))
	})
	f.Fuzz(func(t *testing.T, stream, key []byte) {
		c, _ := over(bytes.NewReader(stream))
		check := func(err error) {
			t.Helper()
			var status Status
			var net *NetBIOSError
			if err != nil && c.broken == nil && !errors.As(err, &status) {
				wellFormed(t, err) // such as a referral's
			}
			if errors.As(err, &net) && c.broken == nil {
				t.Error("goes on after a negative session response")
			}
		}
		_, err := c.Negotiate(Dialects())
		check(err)
		_, err = c.SessionSetup(password{key})
		check(err)
		tree, err := c.TreeConnect(`\\server\share`)
		if check(err); err != nil {
			return
		}
		if file, err := tree.Create("file"); err == nil {
			_, err = file.Write(make([]byte, 64), 0)
			check(err)
			check(file.Flush())
			check(file.Lock(0, 1))
			check(file.Unlock(0, 1))
			check(file.Rename("other"))
			_, err = file.Read(make([]byte, 65))
			check(err)
			check(file.Close())
		}
		_, err = tree.Identity()
		check(err)
		check(tree.Remove("file"))
		_, err = tree.Referral(`\server\share`)
		check(err)
		check(tree.Disconnect())
		check(c.Logoff())
		if cap(c.in) > prefixLen+maxFrame {
			t.Errorf("holds %d bytes", cap(c.in))
		}
	})
}
