package nfstest

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strconv"
)

// null calls procedure 0 of a program at 127.0.0.1 over TCP (RFC 5531), in the
// network of the calling thread.
func null(ctx context.Context, port int, program, version uint32) error {
	return nulls(ctx, 1, port, program, version)
}

// nulls is null n times, over one connection.
func nulls(ctx context.Context, n, port int, program, version uint32) error {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1",
		strconv.Itoa(port)))
	if err != nil {
		return err
	}
	defer c.Close()
	deadline, _ := ctx.Deadline() // without one the zero time, which means none here
	c.SetDeadline(deadline)
	for ; n > 0 && err == nil; n-- {
		err = nullOn(c, port, program, version)
	}
	return err
}

func nullOn(c net.Conn, port int, program, version uint32) error {
	const xid = 0x6e667374
	// One fragment: xid, CALL, RPC version 2, program, version, procedure, no
	// credential, no verifier.
	call := []uint32{1<<31 | 40, xid, 0, 2, program, version, 0, 0, 0, 0, 0}
	if err := binary.Write(c, binary.BigEndian, call); err != nil {
		return err
	}
	// One fragment: xid, REPLY, MSG_ACCEPTED, no verifier, SUCCESS.
	want, _ := binary.Append(nil, binary.BigEndian, []uint32{1<<31 | 24, xid, 1, 0, 0, 0, 0})
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("port %d answers program %d version %d with %x", port, program,
			version, got)
	}
	return nil
}
