// Package messages stands in for a package that the SMB library imports.
package messages

import (
	"errors"
	"time"

	"github.com/jcmturner/gokrb5/v8/types"
)

// ErrNone is the error of all functions here.
var ErrNone = errors.New("this program has no Kerberos")

// Ticket is a service ticket.
type Ticket struct{}

// APRep is an AP-REP.
type APRep struct{ EncPart types.EncryptedData }

// EncAPRepPart is the encrypted part of an AP-REP.
type EncAPRepPart struct {
	CTime  time.Time
	Subkey types.EncryptionKey
}

// Unmarshal fails.
func (*EncAPRepPart) Unmarshal([]byte) error { return ErrNone }
