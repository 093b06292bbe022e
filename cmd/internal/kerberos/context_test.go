package kerberos

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/oiweiwei/gokrb5.fork/v9/crypto"
	"github.com/oiweiwei/gokrb5.fork/v9/gssapi"
	"github.com/oiweiwei/gokrb5.fork/v9/iana/keyusage"

	"fsmon/smbprobe/kerberostest"
)

// converse logs in at an acceptor and exchanges messages with it, which gokrb5's
// own tokens read and write.
func converse(t *testing.T, ticket *Ticket, a *kerberostest.Acceptor) {
	t.Helper()
	c := ticket.Context()
	if c.MIC([]byte("early")) != nil || c.SessionKey() != nil {
		t.Error("a key before the server has proved itself")
	}
	token, err := c.Init()
	if err != nil {
		t.Fatal(err)
	}
	answer, err := a.Accept(token)
	if err != nil {
		t.Fatal(err)
	}
	if a.Client != ticket.Principal {
		t.Errorf("logged in as %s", a.Client)
	}
	next, err := c.Accept(answer)
	if err != nil || next != nil {
		t.Fatalf("%x, %v", next, err)
	}
	if !bytes.Equal(c.SessionKey(), a.Key.KeyValue) {
		t.Error("the sides have different keys")
	}

	message := []byte("fsmon")
	var mic gssapi.MICToken
	if err := mic.Unmarshal(c.MIC(message), false); err != nil {
		t.Fatal(err)
	}
	mic.Payload = message
	if ok, err := mic.Verify(a.Key, keyusage.GSSAPI_INITIATOR_SIGN); !ok {
		t.Error(err)
	}
	theirs := serverMIC(t, a, message)
	if err := c.VerifyMIC(message, theirs); err != nil {
		t.Error(err)
	}
	for _, seal := range []bool{false, true} {
		wrapped, err := c.Wrap(message, seal)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(wrapped, message) == seal {
			t.Errorf("sealed %v: %x", seal, wrapped)
		}
		for _, rotate := range []int{0, 5, 28, 1000} {
			got, encrypted, err := c.Unwrap(serverWrap(t, a, message, seal, rotate))
			if err != nil || encrypted != seal || !bytes.Equal(got, message) {
				t.Errorf("sealed %v, rotated by %d: %q, %v, %v", seal, rotate, got, encrypted, err)
			}
		}
		spoilt(t, c, serverWrap(t, a, message, seal, 0), func(token []byte) error {
			_, _, err := c.Unwrap(token)
			return err
		})
	}
	spoilt(t, c, theirs, func(token []byte) error { return c.VerifyMIC(message, token) })
	c.Wipe()
	if c.SessionKey() != nil || c.MIC(message) != nil {
		t.Error("a key after Wipe")
	}
}

// spoilt hands a token over with each byte changed and at each length: nothing
// of that may pass, and the error is always ErrToken. RRC may say anything,
// since RFC 4121 4.2.5 leaves it out of the checksum, but must fit.
func spoilt(t *testing.T, c *Context, token []byte, take func([]byte) error) {
	t.Helper()
	for i := range token {
		b := bytes.Clone(token)
		b[i] ^= 0x10
		if err := take(b); !errors.Is(err, ErrToken) {
			t.Errorf("byte %d changed: %v", i, err)
		}
		if err := take(token[:i]); !errors.Is(err, ErrToken) {
			t.Errorf("cut to %d bytes: %v", i, err)
		}
	}
}

func serverFlags(a *kerberostest.Acceptor) byte {
	if a.Subkey {
		return sentByAcceptor | acceptorSubkey
	}
	return sentByAcceptor
}

func serverMIC(t *testing.T, a *kerberostest.Acceptor, message []byte) []byte {
	t.Helper()
	mic := gssapi.MICToken{Flags: serverFlags(a), SndSeqNum: 77, Payload: message}
	if err := mic.SetChecksum(a.Key, keyusage.GSSAPI_ACCEPTOR_SIGN); err != nil {
		t.Fatal(err)
	}
	b, err := mic.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func serverWrap(t *testing.T, a *kerberostest.Acceptor, message []byte, seal bool, rotate int) []byte {
	t.Helper()
	var token []byte
	if seal {
		et, err := crypto.GetEtype(a.Key.KeyType)
		if err != nil {
			t.Fatal(err)
		}
		const filler = 3 // EC: octets between the message and the header
		head := []byte{5, 4, serverFlags(a) | sealed, 0xff, 0, filler, 0, 0, 0, 0, 0, 0, 0, 0, 0, 78}
		plain := append(append(bytes.Clone(message), "xxx"...), head...)
		_, body, err := et.EncryptMessage(a.Key.KeyValue, plain, keyusage.GSSAPI_ACCEPTOR_SEAL)
		if err != nil {
			t.Fatal(err)
		}
		token = append(head, body...)
	} else {
		w := gssapi.WrapToken{Flags: serverFlags(a), SndSeqNum: 78, Payload: message}
		if err := w.SetCheckSum(a.Key, keyusage.GSSAPI_ACCEPTOR_SEAL); err != nil {
			t.Fatal(err)
		}
		w.EC = uint16(len(w.CheckSum))
		var err error
		if token, err = w.Marshal(); err != nil {
			t.Fatal(err)
		}
	}
	body := token[tokenHeader:]
	by := rotate % len(body)
	turned := append(bytes.Clone(body[len(body)-by:]), body[:len(body)-by]...)
	binary.BigEndian.PutUint16(token[6:], uint16(rotate))
	return append(token[:tokenHeader:tokenHeader], turned...)
}
