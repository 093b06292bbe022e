package kerberos

import (
	"errors"
	"fmt"
	"time"
)

// Error says why there is no ticket, or why a server refused one. Without a
// Code the cause is Err: an error of the network, context.DeadlineExceeded,
// context.Canceled, ErrNoKDC, ErrExpired, ErrSecret, or what a KDC answered that
// it should not have.
type Error struct {
	Code int32         // of a KRB-ERROR (RFC 4120 7.5.9); 0: there was none
	Text string        // what the KDC added, for people
	KDC  string        // HOST:PORT that answered or was asked last; empty: none was asked
	Skew time.Duration // with SkewTooGreat: how far this machine's clock is ahead
	Err  error
}

// Codes of KRB-ERROR (RFC 4120 7.5.9) that callers tell apart.
const (
	ClientExpired   = 1  // KDC_ERR_NAME_EXP
	ClientUnknown   = 6  // KDC_ERR_C_PRINCIPAL_UNKNOWN
	ServerUnknown   = 7  // KDC_ERR_S_PRINCIPAL_UNKNOWN
	Policy          = 12 // KDC_ERR_POLICY
	NoEnctype       = 14 // KDC_ERR_ETYPE_NOSUPP
	ClientRevoked   = 18 // KDC_ERR_CLIENT_REVOKED
	KeyExpired      = 23 // KDC_ERR_KEY_EXPIRED
	PreauthFailed   = 24 // KDC_ERR_PREAUTH_FAILED
	preauthRequired = 25 // KDC_ERR_PREAUTH_REQUIRED
	unavailable     = 29 // KDC_ERR_SVC_UNAVAILABLE
	BadIntegrity    = 31 // KRB_AP_ERR_BAD_INTEGRITY
	TicketExpired   = 32 // KRB_AP_ERR_TKT_EXPIRED
	Replay          = 34 // KRB_AP_ERR_REPEAT
	SkewTooGreat    = 37 // KRB_AP_ERR_SKEW
	Modified        = 41 // KRB_AP_ERR_MODIFIED
	wrongRealm      = 68 // KDC_ERR_WRONG_REALM
)

// Name is the code as RFC 4120 7.5.9 spells it; empty: no code, or a rare one.
func (e *Error) Name() string {
	switch e.Code {
	case ClientExpired:
		return "KDC_ERR_NAME_EXP"
	case 2:
		return "KDC_ERR_SERVICE_EXP"
	case ClientUnknown:
		return "KDC_ERR_C_PRINCIPAL_UNKNOWN"
	case ServerUnknown:
		return "KDC_ERR_S_PRINCIPAL_UNKNOWN"
	case Policy:
		return "KDC_ERR_POLICY"
	case 13:
		return "KDC_ERR_BADOPTION"
	case NoEnctype:
		return "KDC_ERR_ETYPE_NOSUPP"
	case ClientRevoked:
		return "KDC_ERR_CLIENT_REVOKED"
	case KeyExpired:
		return "KDC_ERR_KEY_EXPIRED"
	case PreauthFailed:
		return "KDC_ERR_PREAUTH_FAILED"
	case unavailable:
		return "KDC_ERR_SVC_UNAVAILABLE"
	case BadIntegrity:
		return "KRB_AP_ERR_BAD_INTEGRITY"
	case TicketExpired:
		return "KRB_AP_ERR_TKT_EXPIRED"
	case 33:
		return "KRB_AP_ERR_TKT_NYV"
	case Replay:
		return "KRB_AP_ERR_REPEAT"
	case SkewTooGreat:
		return "KRB_AP_ERR_SKEW"
	case Modified:
		return "KRB_AP_ERR_MODIFIED"
	case 44:
		return "KRB_AP_ERR_BADKEYVER"
	case 45:
		return "KRB_AP_ERR_NOKEY"
	case 60:
		return "KRB_ERR_GENERIC"
	case wrongRealm:
		return "KDC_ERR_WRONG_REALM"
	}
	return ""
}

func (e *Error) Error() string {
	text := e.Name()
	switch {
	case e.Code != 0 && text == "":
		text = fmt.Sprintf("KRB-ERROR %d", e.Code)
	case e.Code == 0:
		text = e.Err.Error()
	}
	if e.Text != "" {
		text += " (" + e.Text + ")"
	}
	if e.Skew != 0 {
		text += ", this machine's clock is " + inWords(e.Skew)
	}
	if e.KDC != "" {
		return "KDC " + e.KDC + ": " + text
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// inWords says how far one clock is from another.
func inWords(skew time.Duration) string {
	if skew < 0 {
		return (-skew).Round(time.Minute).String() + " behind"
	}
	return skew.Round(time.Minute).String() + " ahead"
}

var (
	// ErrNoKDC: no KDC of a realm is known.
	ErrNoKDC = errors.New("no KDC is known")
	// ErrExpired: what the credentials cache holds is no longer valid.
	ErrExpired = errors.New("expired")
	// ErrSecret: the keytab or the credentials cache cannot be used.
	ErrSecret = errors.New("no key")
)

// asError is the KRB-ERROR of a KDC, or of a server if kdc is empty.
func (e *krbError) asError(kdc string) *Error {
	err := &Error{Code: e.ErrorCode, Text: e.EText, KDC: kdc}
	if e.ErrorCode == SkewTooGreat {
		err.Skew = time.Since(e.STime)
	}
	return err
}
