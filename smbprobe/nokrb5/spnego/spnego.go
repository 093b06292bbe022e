// Package spnego stands in for a package that the SMB library imports.
package spnego

import (
	"github.com/jcmturner/gokrb5/v8/client"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// KRB5Token is a token.
type KRB5Token struct{ APRep messages.APRep }

// Unmarshal fails.
func (*KRB5Token) Unmarshal([]byte) error { return messages.ErrNone }

// Marshal fails.
func (*KRB5Token) Marshal() ([]byte, error) { return nil, messages.ErrNone }

// IsAPRep is false.
func (*KRB5Token) IsAPRep() bool { return false }

// NewKRB5TokenAPREQ fails.
func NewKRB5TokenAPREQ(
	*client.Client, messages.Ticket, types.EncryptionKey, []int, []int,
) (KRB5Token, error) {
	return KRB5Token{}, messages.ErrNone
}
