package kerberos

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/oiweiwei/gokrb5.fork/v9/crypto"
	"github.com/oiweiwei/gokrb5.fork/v9/iana/keyusage"
	"github.com/oiweiwei/gokrb5.fork/v9/iana/nametype"
	"github.com/oiweiwei/gokrb5.fork/v9/iana/patype"
	"github.com/oiweiwei/gokrb5.fork/v9/types"
)

// canonicalize is the KDC option without which no KDC refers to another realm
// (RFC 6806 5).
const canonicalize = 15

const (
	lifetime     = 24 * time.Hour // is asked for; KDCs give less
	maxClockSkew = 5 * time.Minute
	maxReferrals = 5
)

// login gets a ticket-granting ticket with a key (RFC 4120 3.1). It returns an
// *Error.
func (x *exchange) login(k *key) (*Ticket, error) {
	for range maxReferrals {
		reply, err := x.loginOnce(k)
		var refusal *Error
		if errors.As(err, &refusal) && refusal.Code == wrongRealm && refusal.Text != "" &&
			refusal.Text != k.realm { // RFC 6806 7
			k.realm = refusal.Text
			continue
		}
		return reply, err
	}
	return nil, x.failed(errors.New("it refers to other realms without end"))
}

func (x *exchange) loginOnce(k *key) (*Ticket, error) {
	mine := k.enctypes()
	if len(mine) == 0 {
		return nil, &Error{Err: fmt.Errorf("%w: %s has no AES key for %s", ErrSecret, k.path,
			name{k.name, k.realm})}
	}
	body := newBody(k.realm, ticketGranting(k.realm), mine)
	body.CName = k.name
	reply, err := x.send(k.realm, tagASReq, body, nil)
	var refusal *krbError
	known := types.ETypeInfo2Entry{}
	if errors.As(err, &refusal) && refusal.ErrorCode == preauthRequired {
		var pas types.PADataSequence
		if err := parsePAData(refusal.EData, &pas); err != nil {
			return nil, x.failed(err)
		}
		if known, err = k.choose(pas, mine[0]); err != nil {
			return nil, x.failed(err)
		}
		var pa types.PAData
		if pa, err = timestamp(k, known); err != nil {
			return nil, x.failed(err)
		}
		body.Nonce = nonce()
		reply, err = x.send(k.realm, tagASReq, body, types.PADataSequence{pa})
	}
	if err != nil {
		return nil, x.refused(err)
	}
	if known.EType == 0 || known.EType != reply.EncPart.EType {
		if known, err = k.choose(reply.PAData, reply.EncPart.EType); err != nil {
			return nil, x.failed(err)
		}
	}
	secret, err := k.of(known, reply.EncPart.KVNO)
	if err != nil {
		return nil, x.failed(err)
	}
	if k.keytab == nil {
		defer clear(secret.KeyValue)
	}
	t, err := reply.open(secret, keyusage.AS_REP_ENCPART, body)
	if err != nil {
		return nil, x.failed(err)
	}
	if ahead := time.Since(t.issued); ahead.Abs() > maxClockSkew {
		return nil, x.failed(&Error{Code: SkewTooGreat, Skew: ahead})
	}
	t.name, t.realm = reply.CName, reply.CRealm
	return t, nil
}

// timestamp proves that this side has the key (RFC 4120 5.2.7.2).
func timestamp(k *key, info types.ETypeInfo2Entry) (types.PAData, error) {
	secret, err := k.of(info, 0)
	if err != nil {
		return types.PAData{}, err
	}
	plain, err := types.GetPAEncTSEncAsnMarshalled()
	if err != nil {
		return types.PAData{}, err
	}
	sealed, err := encrypt(secret, plain, keyusage.AS_REQ_PA_ENC_TIMESTAMP)
	if err != nil {
		return types.PAData{}, err
	}
	value, err := asn1.Marshal(types.EncryptedData{EType: secret.KeyType, Cipher: sealed})
	return types.PAData{PADataType: patype.PA_ENC_TIMESTAMP, PADataValue: value}, err
}

// ticket gets a ticket for a service with a ticket-granting ticket (RFC 4120
// 3.3), from another realm's KDC if need be. It returns an *Error.
func (x *exchange) ticket(tgt *Ticket, spn types.PrincipalName, realm string) (*Ticket, error) {
	at := tgt.server.realm
	if n := len(tgt.server.NameString); n == 2 {
		at = tgt.server.NameString[1]
	}
	want := spn
	if realm != "" && realm != at {
		want = ticketGranting(realm)
	}
	for range maxReferrals {
		t, err := x.ticketOnce(tgt, want, at)
		if err != nil {
			return nil, err
		}
		t.name, t.realm = tgt.name, tgt.realm
		names := t.server.NameString
		if len(names) != 2 || names[0] != "krbtgt" || spn.NameString[0] == "krbtgt" {
			return t, nil
		}
		tgt, at, want = t, names[1], spn
	}
	return nil, x.failed(fmt.Errorf("the KDCs refer to each other without end for %s",
		spn.PrincipalNameString()))
}

func (x *exchange) ticketOnce(tgt *Ticket, spn types.PrincipalName, realm string) (*Ticket, error) {
	body := newBody(realm, spn, enctypes)
	types.SetFlag(&body.Options, canonicalize)
	der, err := asn1.Marshal(body)
	if err != nil {
		return nil, x.failed(err)
	}
	et, err := crypto.GetEtype(tgt.key.KeyType)
	if err != nil {
		return nil, x.failed(err)
	}
	sum, err := et.GetChecksumHash(tgt.key.KeyValue, der,
		keyusage.TGS_REQ_PA_TGS_REQ_AP_REQ_AUTHENTICATOR_CHKSUM)
	if err != nil {
		return nil, x.failed(err)
	}
	auth, err := types.NewAuthenticator(tgt.realm, tgt.name)
	if err != nil {
		return nil, x.failed(err)
	}
	auth.Cksum = types.Checksum{CksumType: et.GetHashID(), Checksum: sum}
	req, err := appendRequest(tgt.ticket, tgt.key, auth,
		keyusage.TGS_REQ_PA_TGS_REQ_AP_REQ_AUTHENTICATOR, false)
	if err != nil {
		return nil, x.failed(err)
	}
	reply, err := x.send(realm, tagTGSReq, body, types.PADataSequence{
		{PADataType: patype.PA_TGS_REQ, PADataValue: req}})
	if err != nil {
		return nil, x.refused(err)
	}
	t, err := reply.open(tgt.key, keyusage.TGS_REP_ENCPART_SESSION_KEY, body)
	if err != nil {
		return nil, x.failed(err)
	}
	return t, nil
}

// ticketGranting is the service that gives the tickets of a realm.
func ticketGranting(realm string) types.PrincipalName {
	return types.PrincipalName{NameType: nametype.KRB_NT_SRV_INST,
		NameString: []string{"krbtgt", realm}}
}

func newBody(realm string, server types.PrincipalName, etypes []int32) kdcRequestBody {
	return kdcRequestBody{
		Options: types.NewKrbFlags(), Realm: realm, SName: server,
		Till: time.Now().UTC().Add(lifetime).Truncate(time.Second), Nonce: nonce(), EType: etypes,
	}
}

// nonce is 31 bits: some KDCs take the 32nd for a sign.
func nonce() int {
	var b [4]byte
	rand.Read(b[:]) // it never fails
	return int(binary.BigEndian.Uint32(b[:]) >> 1)
}

// send makes a request of a body, and reads what the KDC answers. The error is a
// *krbError for its refusal, else an *Error.
func (x *exchange) send(realm string, kind int, body kdcRequestBody,
	pas types.PADataSequence) (*kdcReply, error) {
	der, err := asn1.Marshal(body)
	if err != nil {
		return nil, x.failed(err)
	}
	request, err := marshalTagged(kind,
		kdcRequest{PVNO: 5, MsgType: kind, PAData: pas, Body: raw(4, der)})
	if err != nil {
		return nil, x.failed(err)
	}
	answer, err := x.ask(realm, request)
	if err != nil {
		return nil, err
	}
	var refusal krbError
	if refusal.parse(answer) == nil {
		return nil, &refusal
	}
	var reply kdcReply
	if err := parseTagged(answer, kind+1, &reply); err != nil { // AS-REP and TGS-REP
		return nil, x.failed(fmt.Errorf("its answer is none of a KDC: %w", err))
	}
	return &reply, nil
}

// Error makes a KRB-ERROR an error.
func (e *krbError) Error() string { return e.asError("").Error() }

// refused makes an *Error of what send returned.
func (x *exchange) refused(err error) error {
	var refusal *krbError
	if !errors.As(err, &refusal) {
		return err
	}
	known := refusal.asError(x.asked)
	if refusal.ErrorCode == wrongRealm {
		known.Text = refusal.CRealm
	}
	return known
}

func parsePAData(der []byte, pas *types.PADataSequence) (err error) {
	defer caught(&err, errMalformed, "pre-authentication data")
	if _, err := asn1.Unmarshal(der, pas); err != nil {
		return fmt.Errorf("%w pre-authentication data: %w", errMalformed, err)
	}
	return nil
}

// open unseals the KDC's reply to a request (RFC 4120 3.1.5, 3.3.4). Of the
// ticket it leaves the client's name open.
func (r *kdcReply) open(secret types.EncryptionKey, usage uint32,
	body kdcRequestBody) (t *Ticket, err error) {
	defer caught(&err, errMalformed, "a reply of the KDC")
	plain, err := decrypt(r.EncPart, secret, usage)
	if err != nil {
		return nil, &Error{Code: BadIntegrity, Text: "its answer cannot be unsealed with this " +
			"key: " + err.Error()}
	}
	defer clear(plain)
	var part encKDCReply
	if parseTagged(plain, tagEncTGSRepPart, &part) != nil { // some KDCs use the one for the other
		part = encKDCReply{}
		if err := parseTagged(plain, tagEncASRepPart, &part); err != nil {
			return nil, fmt.Errorf("the sealed part of its answer is malformed: %w", err)
		}
	}
	var head ticketHead
	if err := parseTagged(r.Ticket.Bytes, tagTicket, &head); err != nil {
		return nil, fmt.Errorf("its ticket is malformed: %w", err)
	}
	switch {
	case part.Nonce != body.Nonce:
		return nil, errors.New("its answer is to another request")
	case !isAES(part.Key.KeyType):
		return nil, &Error{Code: NoEnctype, Text: "the session key is of " +
			enctypeName(part.Key.KeyType) + "; only AES is accepted"}
	case !answers(part.SName.NameString, body.SName.NameString):
		return nil, fmt.Errorf("its ticket is for %q", part.SName.PrincipalNameString())
	}
	return &Ticket{
		ticket: r.Ticket.Bytes, key: part.Key, server: name{part.SName, part.SRealm},
		issued: part.AuthTime, End: part.EndTime, Enctype: enctypeName(head.EncPart.EType),
	}, nil
}

// answers reports whether a ticket for one service may be the answer to a
// request for another: a KDC may refer to another realm, and may know the host
// by another name (RFC 6806 6, 8).
func answers(got, asked []string) bool {
	return len(got) > 0 && (got[0] == "krbtgt" || strings.EqualFold(got[0], asked[0]))
}
