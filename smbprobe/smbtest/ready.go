package smbtest

import (
	"context"
	"fmt"
	"net"
	"time"
)

// answerTime is how long one question waits for an answer. The caller asks
// again.
const answerTime = 2 * time.Second

// answers returns nil if a server at addr speaks SMB. It counts every SMB2
// answer to a negotiate, also a refusal; a negative NetBIOS session response
// (hosts deny); and, if SMB2 gets no answer, an SMB1 answer to an SMB1
// negotiate.
func answers(ctx context.Context, addr string) error {
	got, err := ask(ctx, addr, smb2Negotiate())
	if err != nil || string(got) == "\xfeSMB" || got[0] == 0x83 {
		return err
	}
	// A server with SMB1 only closes the connection of an SMB2 client.
	if got, err = ask(ctx, addr, smb1Negotiate()); err == nil && string(got) != "\xffSMB" {
		err = fmt.Errorf("%s does not speak SMB (%x)", addr, got)
	}
	return err
}

// ask sends one frame on a new connection. It returns the first 4 bytes of the
// answer's payload, or of its frame if that is no session message, or 4 zero
// bytes if the server closed without an answer.
func ask(ctx context.Context, addr string, frame []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.SetDeadline(time.Now()) })()
	c.Write(frame) // the read fails too, unless the server has answered before it closed
	b, err := readFrame(c)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return make([]byte, 4), nil
	case b[0] != 0:
		return b[:4], nil
	case len(b) < 8:
		return nil, fmt.Errorf("%s answered a frame of %d bytes", addr, len(b)-4)
	}
	return b[4:8], nil
}

// smb2Negotiate is an SMB2 NEGOTIATE for 2.0.2 to 3.0.2 (MS-SMB2 2.2.3).
func smb2Negotiate() []byte {
	dialects := []uint16{0x0202, 0x0210, 0x0300, 0x0302}
	b := header(Negotiate, 0, 0, 0)
	body := make([]byte, 36)
	le.PutUint16(body, 36)
	le.PutUint16(body[2:], uint16(len(dialects)))
	le.PutUint16(body[4:], 1) // signing enabled
	b = append(b, body...)
	for _, d := range dialects {
		b = le.AppendUint16(b, d)
	}
	return frame(b)
}

// smb1Negotiate is an SMB_COM_NEGOTIATE for NT LM 0.12 (MS-CIFS 2.2.4.52.1).
func smb1Negotiate() []byte {
	const dialect = "\x02NT LM 0.12\x00"
	b := make([]byte, 35, 35+len(dialect))
	copy(b, "\xffSMB\x72")
	b[9] = 0x18                  // canonical, case-insensitive paths
	le.PutUint16(b[10:], 0xc853) // Unicode, NTSTATUS, long names, extended security
	le.PutUint16(b[33:], uint16(len(dialect)))
	return frame(append(b, dialect...))
}
