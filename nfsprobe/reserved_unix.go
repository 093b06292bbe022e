//go:build unix

package nfsprobe

import "syscall"

// mayBind: there are privileged ports, if not for every process.
const mayBind = true

// shared lets a source port be bound again while a former connection from it is
// in TIME_WAIT: by the next probe (Linux then refuses only what would be the same
// connection, and with TCP timestamps not even that), and by a daemon that is to
// listen there and must be able to start.
func shared(_, _ string, c syscall.RawConn) error {
	var err error
	if cerr := c.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	}); cerr != nil {
		return cerr
	}
	return err
}
