// Package gssapi stands in for a package that the SMB library imports.
package gssapi

import (
	"encoding/asn1"

	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// Context flags (RFC 2743).
const (
	ContextFlagMutual = 2
	ContextFlagConf   = 16
)

// OIDKRB5 is the name of the mechanism.
const OIDKRB5 OIDName = "KRB5"

// OIDName names a mechanism.
type OIDName string

// OID is that of Kerberos 5 (RFC 4121).
func (OIDName) OID() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 2, 840, 113554, 1, 2, 2}
}

// MICToken is a token.
type MICToken struct{}

// Marshal fails.
func (*MICToken) Marshal() ([]byte, error) { return nil, messages.ErrNone }

// NewInitiatorMICToken fails.
func NewInitiatorMICToken([]byte, types.EncryptionKey) (*MICToken, error) {
	return nil, messages.ErrNone
}
