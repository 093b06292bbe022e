package smbtest

import (
	"encoding/binary"
	"io"
)

var le = binary.LittleEndian

// SMB2 commands that a probe uses (MS-SMB2 2.2.1.2).
const (
	Negotiate      uint16 = 0
	SessionSetup   uint16 = 1
	Logoff         uint16 = 2
	TreeConnect    uint16 = 3
	TreeDisconnect uint16 = 4
	Create         uint16 = 5
	CloseFile      uint16 = 6
	Flush          uint16 = 7
	Read           uint16 = 8
	Write          uint16 = 9
	Lock           uint16 = 10
	QueryInfo      uint16 = 16
	SetInfo        uint16 = 17

	// Challenge chooses the interim reply to the first session setup, where a
	// reply is chosen by its command.
	Challenge uint16 = 0xfffe
	// NotSMB2 is the Command of a frame without a plain SMB2 header: SMB1,
	// encrypted, or no SMB at all.
	NotSMB2 uint16 = 0xffff
)

const (
	statusPending        = 0x00000103
	statusMoreProcessing = 0xc0000016

	headerSize = 64 // of an SMB2 message
	netbios    = 4  // bytes of type and length before each message on TCP (MS-SMB2 2.1)
	flagReply  = 1  // SMB2_FLAGS_SERVER_TO_REDIR
	flagAsync  = 2  // SMB2_FLAGS_ASYNC_COMMAND
	flagSigned = 8  // SMB2_FLAGS_SIGNED
)

// Frame is one message on the wire. The fields are those of the first message
// if several are compounded.
type Frame struct {
	// Bytes is all of it, with the 4 bytes of type and length before the SMB2
	// header. A Filter may replace it.
	Bytes      []byte
	FromServer bool
	Conn       int    // n-th connection of the relay, from 0
	Index      int    // n-th frame of this direction of the connection, from 0
	Command    uint16 // NotSMB2 if there is no plain SMB2 header
	Status     uint32 // NTSTATUS; 0 if there is no plain SMB2 header
	MessageID  uint64
	SessionID  uint64
}

func parse(b []byte) Frame {
	f := Frame{Bytes: b, Command: NotSMB2}
	if len(b) < netbios+headerSize || string(b[netbios:netbios+4]) != "\xfeSMB" {
		return f
	}
	h := b[netbios:]
	f.Status = le.Uint32(h[8:])
	f.Command = le.Uint16(h[12:])
	f.MessageID = le.Uint64(h[24:])
	f.SessionID = le.Uint64(h[40:])
	return f
}

// Answers reports whether the frame is the server's final reply to a command.
// With Challenge it means the interim reply to a session setup.
func (f Frame) Answers(command uint16) bool {
	switch {
	case !f.FromServer || f.Status == statusPending:
		return false
	case f.Status == statusMoreProcessing && f.Command == SessionSetup:
		return command == Challenge
	}
	return f.Command == command
}

// header returns an SMB2 header (MS-SMB2 2.2.1.2). With flagReply it is a
// reply's.
func header(command uint16, status, flags uint32, messageID uint64) []byte {
	h := make([]byte, headerSize)
	copy(h, "\xfeSMB")
	le.PutUint16(h[4:], headerSize)
	le.PutUint32(h[8:], status)
	le.PutUint16(h[12:], command)
	le.PutUint16(h[14:], 1) // credits
	le.PutUint32(h[16:], flags)
	le.PutUint64(h[24:], messageID)
	return h
}

// errorBody is an SMB2 ERROR response without data (MS-SMB2 2.2.2): 8 bytes,
// and one that is always there.
func errorBody() []byte { return []byte{9, 0, 0, 0, 0, 0, 0, 0, 0} }

// frame puts type and length before a payload.
func frame(payload []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(payload))), payload...)
}

// readFrame reads one frame, of at most 16 MB since its length has 3 bytes.
// With an error it returns what came before.
func readFrame(r io.Reader) ([]byte, error) {
	b := make([]byte, netbios)
	if n, err := io.ReadFull(r, b); err != nil {
		return b[:n], err
	}
	size := int(b[1])<<16 | int(b[2])<<8 | int(b[3])
	b = append(b, make([]byte, size)...)
	n, err := io.ReadFull(r, b[netbios:])
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return b[:netbios+n], err
}
