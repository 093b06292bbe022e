package smbprobe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"fsmon/smbprobe/smb2"
)

// netbiosPort is SMB over NetBIOS over TCP (RFC 1002 4.3.1). A server there may
// demand a session request before SMB. On every other port there is none
// (MS-SMB2 2.1).
const netbiosPort = 139

func (p *attempt) onNetBIOS() bool { return p.Port == netbiosPort || p.netbios }

// anyServer is the name that a server takes for its own, whatever it is called.
const anyServer = "*SMBSERVER"

// netbiosSession asks for a NetBIOS session on a new connection. If the server
// does not know the name that stands for any server, it is asked once more by
// its host's name, on a second connection, since it closes the first. Of an IP
// address no name is known. It closes conn if it returns an error, which is of
// the step Negotiate: TCP was answered already, and SMB was not.
func (p *attempt) netbiosSession(
	ctx context.Context, conn net.Conn, r *Report,
) (net.Conn, error) {
	began := time.Now()
	err := p.requestSession(ctx, conn, anyServer)
	var refused *NetBIOSError
	name := netbiosName(p.Address)
	if _, perr := netip.ParseAddr(p.Address); perr != nil && errors.As(err, &refused) &&
		refused.NameUnknown() {
		conn.Close()
		d := net.Dialer{KeepAlive: -1}
		if conn, err = d.DialContext(ctx, "tcp", r.Address); err == nil {
			err = p.requestSession(ctx, conn, name)
		}
	}
	if err == nil {
		return conn, nil
	}
	if conn != nil {
		conn.Close()
	}
	r.Rungs = append(r.Rungs, Rung{Step: Negotiate, Took: time.Since(began)})
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		err = ctx.Err()
	case ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded):
		err = errNoAnswer
	}
	return nil, &Error{Step: Negotiate, Err: err}
}

// requestSession sends a session request (RFC 1002 4.3.2) and reads its answer.
// A negative one is a *NetBIOSError.
func (p *attempt) requestSession(ctx context.Context, conn net.Conn, called string) error {
	const positive, negative, retarget = 0x82, 0x83, 0x84
	defer endWith(ctx, conn)()
	c := recorded{conn, &p.wire}
	host, _ := os.Hostname() // any name will do: nobody calls back
	request := []byte{0x81, 0, 0, 0}
	request = appendName(request, called, 0x20)            // the file server service
	request = appendName(request, netbiosName(host), 0x00) // a workstation
	request[3] = byte(len(request) - 4)
	if _, err := c.Write(request); err != nil {
		return err
	}
	var head [4]byte
	if _, err := smb2.ReadFull(c, head[:]); err != nil {
		return err
	}
	length := be.Uint32(head[:]) & 0x1ffff // the lowest flag is its highest bit
	switch {
	case head[0] == positive && length == 0:
		return nil
	case head[0] == negative && length == 1:
		var code [1]byte
		if _, err := smb2.ReadFull(c, code[:]); err != nil {
			return err
		}
		return &NetBIOSError{Code: code[0]}
	case head[0] == retarget:
		// It names another address. Not followed: what is watched is the
		// server at the address that was given, and an answer that anybody can
		// send must not decide where the password's proof goes.
		return malformed("session retarget: the server sends its clients to another address")
	}
	return malformed("type 0x%02X with %d bytes, not a session response", head[0], length)
}

// netbiosName is the NetBIOS name of a host, as servers make it if nobody has
// set another: the first label, at most 15 characters, in upper case.
func netbiosName(host string) string {
	label, _, _ := strings.Cut(host, ".")
	return strings.ToUpper(label[:min(len(label), 15)])
}

// appendName appends a name of at most 15 bytes and its service, in first-level
// encoding (RFC 1001 14.1) and without a scope.
func appendName(b []byte, name string, service byte) []byte {
	full := append([]byte(name+strings.Repeat(" ", 15-len(name))), service)
	b = append(b, byte(2*len(full)))
	for _, c := range full {
		b = append(b, 'A'+c>>4, 'A'+c&0xf)
	}
	return append(b, 0)
}
