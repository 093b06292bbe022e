// Package messages has the two messages that the SMB library names.
package messages

import (
	"errors"
	"time"

	"github.com/jcmturner/gokrb5/v8/types"
)

// ErrNone is every error here.
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
