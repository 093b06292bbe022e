package smbprobe

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"testing"

	"github.com/hirochachacha/go-smb2"
)

// secondOpinion does the same as a probe up to the tree connect, with another
// library. It returns nil, the server's Status, or why it cannot tell.
func secondOpinion(t *testing.T, c Config) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	// This library's goroutines end when the connection is closed. A second
	// Logoff hangs.
	conn := dial(t, net.JoinHostPort(c.Address, strconv.Itoa(c.Port)))
	defer conn.Close()
	login := &smb2.NTLMInitiator{User: c.User, Password: c.Password, Domain: c.Domain}
	d := smb2.Dialer{Initiator: login}
	session, err := d.DialContext(ctx, conn)
	if err != nil {
		return statusOf(err)
	}
	defer session.WithContext(ctx).Logoff()
	share, err := session.WithContext(ctx).Mount(c.Share)
	if err != nil {
		return statusOf(err)
	}
	share.WithContext(ctx).Umount() // refused if a directory cannot be read; the probe warns
	return nil
}

// statusOf returns the status behind an error of the second library, which does
// not show all of them.
func statusOf(err error) error {
	var response *smb2.ResponseError
	switch {
	case errors.As(err, &response):
		return Status(response.Code)
	case errors.Is(err, os.ErrPermission):
		return accessDenied
	}
	return err
}

// Two libraries agree on what real servers answer. The second has no anonymous
// login and does not look at the share type.
func TestSecondOpinion(t *testing.T) {
	logins := []struct{ user, password string }{
		{"root", "pw"}, {"games", "pw-games"}, {"root", "wrong"}, {"nosuch", "x"},
	}
	shares := []string{
		"share", "priv", "valid", "hostsdeny", "missing", "encrypted", "unreadable", "printer",
		"nosuch", "IPC$",
	}
	for _, global := range [][]string{
		nil, {signAll}, {encryptAll},
		{"server max protocol = SMB2_02", signAll}, {"server max protocol = SMB2_10", signAll},
		{"server max protocol = SMB3_00", signAll}, {"server max protocol = SMB3_02", signAll},
	} {
		s := samba(t, global...)
		for _, login := range logins {
			for _, share := range shares {
				c := at(t, s.Addr(), share).as(login.user, login.password)
				second := secondOpinion(t, c)
				_, first := probe(t, c)
				var status Status
				if errors.As(first, &status) {
					first = status
				}
				var kind *ShareTypeError
				if errors.As(first, &kind) {
					first = nil
				}
				if first != second {
					t.Errorf("%q, share %s, user %s, password %s: "+
						"the probe says %v, the second library %v",
						global, share, login.user, login.password, first, second)
				}
			}
		}
	}
}
