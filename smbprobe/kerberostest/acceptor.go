//go:build linux

package kerberostest

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/oiweiwei/gokrb5.fork/v9/asn1tools"
	"github.com/oiweiwei/gokrb5.fork/v9/crypto"
	"github.com/oiweiwei/gokrb5.fork/v9/keytab"
	"github.com/oiweiwei/gokrb5.fork/v9/messages"
	"github.com/oiweiwei/gokrb5.fork/v9/types"
)

// oid is 1.2.840.113554.1.2.2 in DER, tag included.
const oid = "\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"

// Acceptor is a service's side of a GSS context, with gokrb5's own messages.
type Acceptor struct {
	Keytab string
	// Subkey has the acceptor choose a key of its own, as most servers do.
	Subkey bool

	Client string              // who has logged in
	Key    types.EncryptionKey // of the tokens, after Accept
	ticket types.EncryptionKey
}

// Accept takes an initiator's first token and returns the answer.
func (a *Acceptor) Accept(token []byte) ([]byte, error) {
	var wrapped struct{ rest []byte }
	inner := bytes.Index(token, []byte(oid))
	if inner < 0 || len(token) < inner+len(oid)+2 {
		return nil, errors.New("no token of Kerberos")
	}
	wrapped.rest = token[inner+len(oid)+2:]
	var req messages.APReq
	if err := req.Unmarshal(wrapped.rest); err != nil {
		return nil, err
	}
	kt, err := keytab.Load(a.Keytab)
	if err != nil {
		return nil, err
	}
	if err := req.Ticket.DecryptEncPart(kt, nil); err != nil {
		return nil, err
	}
	a.ticket = req.Ticket.DecryptedEncPart.Key
	if err := req.DecryptAuthenticator(a.ticket); err != nil {
		return nil, err
	}
	auth := req.Authenticator
	if auth.Cksum.CksumType != 0x8003 {
		return nil, fmt.Errorf("a checksum of type %#x", auth.Cksum.CksumType)
	}
	a.Client = auth.CName.PrincipalNameString() + "@" + auth.CRealm
	part := messages.EncAPRepPart{CTime: auth.CTime, Cusec: auth.Cusec, SequenceNumber: 77}
	a.Key = auth.SubKey
	if a.Subkey {
		et, err := crypto.GetEtype(a.ticket.KeyType)
		if err != nil {
			return nil, err
		}
		if a.Key, err = types.GenerateEncryptionKey(et); err != nil {
			return nil, err
		}
		part.Subkey = a.Key
	}
	rep, err := messages.NewAPRep(a.ticket, part)
	if err != nil {
		return nil, err
	}
	der, err := rep.Marshal()
	if err != nil {
		return nil, err
	}
	return asn1tools.AddASNAppTag(append([]byte(oid+"\x02\x00"), der...), 0), nil
}
