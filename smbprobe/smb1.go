package smbprobe

import (
	"encoding/binary"
	"io"
	"net"
)

var (
	le = binary.LittleEndian
	be = binary.BigEndian
)

// speaksSMB1 reports whether the server answers an SMB1 negotiate (MS-CIFS
// 2.2.4.52). A server without SMB2 closes the connection of an SMB2 client, as
// a dying server does. conn is a new connection; the caller sets its deadline
// and closes it.
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
	var head [4 + 35]byte // prefix, header, word count, index of the dialect
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return false
	}
	// A server without SMB1 may answer too, with no dialect (MS-CIFS
	// 2.2.4.52.2).
	const none = 0xffff
	return head[0] == 0 && string(head[4:9]) == "\xffSMB\x72" &&
		head[36] > 0 && le.Uint16(head[37:]) != none
}
