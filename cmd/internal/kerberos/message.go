package kerberos

import (
	"fmt"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/oiweiwei/gokrb5.fork/v9/types"
)

// Application tags, which are message types, too (RFC 4120 5.10).
const (
	tagTicket        = 1
	tagASReq         = 10
	tagASRep         = 11
	tagTGSReq        = 12
	tagTGSRep        = 13
	tagAPReq         = 14
	tagAPRep         = 15
	tagEncASRepPart  = 25
	tagEncTGSRepPart = 26
	tagEncAPRepPart  = 27
	tagKRBError      = 30
)

// The messages of RFC 4120 5. A ticket stays as it came: it is for the server.
type (
	apRequest struct { // 5.5.1
		PVNO          int                 `asn1:"explicit,tag:0"`
		MsgType       int                 `asn1:"explicit,tag:1"`
		Options       asn1.BitString      `asn1:"explicit,tag:2"`
		Ticket        asn1.RawValue       `asn1:"explicit,tag:3"`
		Authenticator types.EncryptedData `asn1:"explicit,tag:4"`
	}
	apReply struct { // 5.5.2
		PVNO    int                 `asn1:"explicit,tag:0"`
		MsgType int                 `asn1:"explicit,tag:1"`
		EncPart types.EncryptedData `asn1:"explicit,tag:2"`
	}
	encAPReply struct {
		CTime  time.Time           `asn1:"generalized,explicit,tag:0"`
		Cusec  int                 `asn1:"explicit,tag:1"`
		Subkey types.EncryptionKey `asn1:"optional,explicit,tag:2"`
		Seq    int64               `asn1:"optional,explicit,tag:3"`
	}
	kdcRequest struct { // 5.4.1
		PVNO    int                  `asn1:"explicit,tag:1"`
		MsgType int                  `asn1:"explicit,tag:2"`
		PAData  types.PADataSequence `asn1:"explicit,optional,tag:3"`
		Body    asn1.RawValue        `asn1:"explicit,tag:4"`
	}
	kdcRequestBody struct {
		Options asn1.BitString      `asn1:"explicit,tag:0"`
		CName   types.PrincipalName `asn1:"explicit,optional,tag:1"`
		Realm   string              `asn1:"generalstring,explicit,tag:2"`
		SName   types.PrincipalName `asn1:"explicit,optional,tag:3"`
		Till    time.Time           `asn1:"generalized,explicit,tag:5"`
		Nonce   int                 `asn1:"explicit,tag:7"`
		EType   []int32             `asn1:"explicit,tag:8"`
	}
	kdcReply struct { // 5.4.2
		PVNO    int                  `asn1:"explicit,tag:0"`
		MsgType int                  `asn1:"explicit,tag:1"`
		PAData  types.PADataSequence `asn1:"explicit,optional,tag:2"`
		CRealm  string               `asn1:"generalstring,explicit,tag:3"`
		CName   types.PrincipalName  `asn1:"explicit,tag:4"`
		Ticket  asn1.RawValue        `asn1:"explicit,tag:5"`
		EncPart types.EncryptedData  `asn1:"explicit,tag:6"`
	}
	encKDCReply struct {
		Key           types.EncryptionKey  `asn1:"explicit,tag:0"`
		LastReqs      []asn1.RawValue      `asn1:"explicit,tag:1"`
		Nonce         int                  `asn1:"explicit,tag:2"`
		KeyExpiration time.Time            `asn1:"generalized,explicit,optional,tag:3"`
		Flags         asn1.BitString       `asn1:"explicit,tag:4"`
		AuthTime      time.Time            `asn1:"generalized,explicit,tag:5"`
		StartTime     time.Time            `asn1:"generalized,explicit,optional,tag:6"`
		EndTime       time.Time            `asn1:"generalized,explicit,tag:7"`
		RenewTill     time.Time            `asn1:"generalized,explicit,optional,tag:8"`
		SRealm        string               `asn1:"generalstring,explicit,tag:9"`
		SName         types.PrincipalName  `asn1:"explicit,tag:10"`
		CAddr         []asn1.RawValue      `asn1:"explicit,optional,tag:11"`
		EncPAData     types.PADataSequence `asn1:"explicit,optional,tag:12"`
	}
	ticketHead struct { // 5.3
		VNO     int                 `asn1:"explicit,tag:0"`
		Realm   string              `asn1:"generalstring,explicit,tag:1"`
		SName   types.PrincipalName `asn1:"explicit,tag:2"`
		EncPart types.EncryptedData `asn1:"explicit,tag:3"`
	}
	krbError struct { // 5.9.1
		PVNO      int                 `asn1:"explicit,tag:0"`
		MsgType   int                 `asn1:"explicit,tag:1"`
		CTime     time.Time           `asn1:"generalized,optional,explicit,tag:2"`
		Cusec     int                 `asn1:"optional,explicit,tag:3"`
		STime     time.Time           `asn1:"generalized,explicit,tag:4"`
		Susec     int                 `asn1:"explicit,tag:5"`
		ErrorCode int32               `asn1:"explicit,tag:6"`
		CRealm    string              `asn1:"generalstring,optional,explicit,tag:7"`
		CName     types.PrincipalName `asn1:"optional,explicit,tag:8"`
		Realm     string              `asn1:"generalstring,explicit,tag:9"`
		SName     types.PrincipalName `asn1:"explicit,tag:10"`
		EText     string              `asn1:"generalstring,optional,explicit,tag:11"`
		EData     []byte              `asn1:"optional,explicit,tag:12"`
	}
)

// tagged wraps a body in an application tag.
func tagged(tag int, body []byte) ([]byte, error) {
	return asn1.Marshal(asn1.RawValue{
		Class: asn1.ClassApplication, IsCompound: true, Tag: tag, Bytes: body})
}

// marshalTagged is the DER of a message in its application tag.
func marshalTagged(tag int, message any) ([]byte, error) {
	body, err := asn1.Marshal(message)
	if err != nil {
		return nil, err
	}
	return tagged(tag, body)
}

// parseTagged reads a message in its application tag. A panic of the library is
// an error.
func parseTagged(b []byte, tag int, message any) (err error) {
	defer caught(&err, errMalformed, "a message")
	_, err = asn1.UnmarshalWithParams(b, message, fmt.Sprintf("application,explicit,tag:%d", tag))
	return err
}

func (e *krbError) parse(b []byte) error { return parseTagged(b, tagKRBError, e) }

// raw puts the DER of an element into field n of a sequence.
func raw(n int, der []byte) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true, Tag: n, Bytes: der}
}

// appendRequest is an AP-REQ (RFC 4120 5.5.1): for a server, or for a KDC as
// part of a TGS-REQ.
func appendRequest(ticket []byte, key types.EncryptionKey, auth types.Authenticator, usage uint32,
	mutual bool) ([]byte, error) {
	plain, err := auth.Marshal()
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	sealed, err := encrypt(key, plain, usage)
	if err != nil {
		return nil, err
	}
	options := types.NewKrbFlags()
	if mutual {
		types.SetFlag(&options, 2) // mutual-required
	}
	return marshalTagged(tagAPReq, apRequest{
		PVNO: 5, MsgType: tagAPReq, Options: options, Ticket: raw(3, ticket),
		Authenticator: types.EncryptedData{EType: key.KeyType, Cipher: sealed},
	})
}
