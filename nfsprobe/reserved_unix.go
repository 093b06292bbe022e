//go:build unix

package nfsprobe

import "syscall"

// mayBind: there are privileged ports, though not every process may bind them.
const mayBind = true

// shared lets a source port be bound again while an earlier connection from it
// is in TIME_WAIT: by the next probe (Linux still refuses what would be the
// same connection, but not even that with TCP timestamps), and by a daemon that
// wants to listen there when it starts.
func shared(_, _ string, c syscall.RawConn) error {
	var err error
	if cerr := c.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	}); cerr != nil {
		return cerr
	}
	return err
}
