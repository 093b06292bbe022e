// Package client stands in for a package that the SMB library imports. A probe
// does not use Kerberos.
package client

import (
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// Client gets no tickets.
type Client struct {
	Config struct {
		LibDefaults struct{ Clockskew time.Duration }
	}
}

// GetServiceTicket fails.
func (*Client) GetServiceTicket(string) (messages.Ticket, types.EncryptionKey, error) {
	return messages.Ticket{}, types.EncryptionKey{}, messages.ErrNone
}
