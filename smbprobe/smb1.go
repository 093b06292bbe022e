package smbprobe

import (
	"io"
	"net"
)

// speaksSMB1 asks, on a connection of its own, whether the server answers the
// negotiate of SMB1 (MS-CIFS 2.2.4.52). A server without SMB2 just closes on
// an SMB2 client, which looks like a dying one; this tells them apart. The
// caller owns conn and its deadline.
func speaksSMB1(conn net.Conn) bool {
	const dialect = "\x02NT LM 0.12\x00"
	m := make([]byte, 35, 35+len(dialect))
	copy(m, "\xffSMB\x72")
	m[9] = 0x18                  // flags: canonical paths, case-insensitive
	le.PutUint16(m[10:], 0xc853) // flags2: Unicode, NT status, extended security, long names
	le.PutUint16(m[33:], uint16(len(dialect)))
	m = append(m, dialect...)
	frame := be.AppendUint32(nil, uint32(len(m)))
	if _, err := conn.Write(append(frame, m...)); err != nil {
		return false
	}
	var head [9]byte // prefix, protocol, command
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return false
	}
	return head[0] == 0 && string(head[4:]) == "\xffSMB\x72"
}
