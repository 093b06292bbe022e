package smbprobe

import "encoding/binary"

// SMB2 commands of a probe (MS-SMB2 2.2.1.2).
const (
	cmdNegotiate      = 0
	cmdSessionSetup   = 1
	cmdLogoff         = 2
	cmdTreeConnect    = 3
	cmdTreeDisconnect = 4
	cmdCreate         = 5
	cmdClose          = 6
	cmdFlush          = 7
	cmdRead           = 8
	cmdWrite          = 9
	cmdQueryInfo      = 16
	cmdSetInfo        = 17
)

// stepOf is the step that a command belongs to. The commands of files are not
// in it: they belong to the current step.
var stepOf = map[uint16]Step{
	cmdNegotiate: Negotiate, cmdSessionSetup: SessionSetup, cmdTreeConnect: TreeConnect,
	cmdTreeDisconnect: TreeDisconnect, cmdLogoff: Logoff,
}

// Wire constants (MS-SMB2 2.2).
const (
	headerLen    = 64
	transformLen = 52

	flagResponse = 0x1 // SMB2_FLAGS_SERVER_TO_REDIR

	securityRequired = 0x2 // SMB2_NEGOTIATE_SIGNING_REQUIRED

	sessionGuest   = 0x1
	sessionNull    = 0x2
	sessionEncrypt = 0x4

	shareEncrypt = 0x8000 // SMB2_SHAREFLAG_ENCRYPT_DATA

	shareTypeDisk = 1
	shareTypePipe = 2

	contextEncryption = 2 // SMB2_ENCRYPTION_CAPABILITIES
	contextSigning    = 8 // SMB2_SIGNING_CAPABILITIES

	cipherCCM = 1
	cipherGCM = 2

	signingHMAC = 0
	signingGMAC = 2

	unsolicited = 1<<64 - 1 // MessageId of a message that answers nothing
)

var (
	le = binary.LittleEndian
	be = binary.BigEndian
)

// header holds the fields of an SMB2 header that the probe reads (MS-SMB2
// 2.2.1).
type header struct {
	command   uint16
	status    Status
	flags     uint32
	messageID uint64
	sessionID uint64
}

// parseReply checks the header of a whole plain SMB2 answer.
func parseReply(f []byte) (header, error) {
	if len(f) < headerLen+2 { // the shortest one, to SET_INFO, has only a StructureSize
		return header{}, malformed("frame of %d bytes, too short for SMB2", len(f))
	}
	h := header{
		status:    Status(le.Uint32(f[8:])),
		command:   le.Uint16(f[12:]),
		flags:     le.Uint32(f[16:]),
		messageID: le.Uint64(f[24:]),
		sessionID: le.Uint64(f[40:]),
	}
	switch {
	case le.Uint16(f[4:]) != headerLen:
		return h, malformed("SMB2 header with structure size %d", le.Uint16(f[4:]))
	case h.flags&flagResponse == 0:
		return h, malformed("a request where an answer was due")
	case le.Uint32(f[20:]) != 0:
		return h, malformed("a chain of answers to a single request")
	}
	return h, nil
}

// negotiated is what a negotiate answer says (MS-SMB2 2.2.4).
type negotiated struct {
	dialect         uint16
	signingRequired bool
	cipher          uint16 // SMB 3.1.1 only; 0: none agreed
	signing         uint16 // SMB 3.1.1 only, if signingAgreed
	signingAgreed   bool
}

func parseNegotiate(f []byte) (negotiated, error) {
	body := f[headerLen:]
	if len(body) < 64 || le.Uint16(body) != 65 {
		return negotiated{}, malformed("negotiate answer of the wrong size")
	}
	n := negotiated{
		dialect:         le.Uint16(body[4:]),
		signingRequired: le.Uint16(body[2:])&securityRequired != 0,
	}
	if !inside(f, le.Uint16(body[56:]), le.Uint16(body[58:])) {
		return n, malformed("negotiate answer with its security buffer outside the frame")
	}
	switch n.dialect {
	case 0x0202, 0x0210, 0x0300, 0x0302:
	case 0x0311:
		var err error
		if err = n.parseContexts(f, le.Uint32(body[60:]), le.Uint16(body[6:])); err != nil {
			return n, err
		}
	default:
		return n, malformed("negotiate answer with unknown dialect 0x%04X", n.dialect)
	}
	return n, nil
}

// parseContexts reads from the negotiate contexts (MS-SMB2 2.2.4.1) which
// cipher and signing algorithm the server chose.
func (n *negotiated) parseContexts(f []byte, off uint32, count uint16) error {
	const maxContexts = 16 // MS-SMB2 defines 8
	if count > maxContexts {
		return malformed("%d negotiate contexts", count)
	}
	for at := uint64(off); count > 0; count-- {
		if at < headerLen+64 || at+8 > uint64(len(f)) {
			return malformed("negotiate context outside the frame")
		}
		size := uint64(le.Uint16(f[at+2:]))
		if at+8+size > uint64(len(f)) {
			return malformed("negotiate context longer than the frame")
		}
		data := f[at+8 : at+8+size]
		one := len(data) >= 4 && le.Uint16(data) == 1
		switch kind := le.Uint16(f[at:]); {
		case kind == contextEncryption && !one:
			return malformed("encryption context without exactly one cipher")
		case kind == contextEncryption:
			n.cipher = le.Uint16(data[2:])
		case kind == contextSigning && one:
			n.signing, n.signingAgreed = le.Uint16(data[2:]), true
		}
		at += (8 + size + 7) &^ 7
	}
	return nil
}

// parseSessionSetup returns the session flags of an answer that was not
// refused (MS-SMB2 2.2.6).
func parseSessionSetup(f []byte) (uint16, error) {
	body := f[headerLen:]
	if len(body) < 8 || le.Uint16(body) != 9 {
		return 0, malformed("session setup answer of the wrong size")
	}
	if !inside(f, le.Uint16(body[4:]), le.Uint16(body[6:])) {
		return 0, malformed("session setup answer with its security buffer outside the frame")
	}
	return le.Uint16(body[2:]), nil
}

// parseTreeConnect returns share type and share flags (MS-SMB2 2.2.10).
func parseTreeConnect(f []byte) (kind byte, flags uint32, err error) {
	body := f[headerLen:]
	if len(body) < 16 || le.Uint16(body) != 16 {
		return 0, 0, malformed("tree connect answer of the wrong size")
	}
	return body[2], le.Uint32(body[4:]), nil
}

// bodies are the sizes of the answers about files: their StructureSize, and the
// number of bytes before a buffer (MS-SMB2 2.2.14, 16, 18, 20, 22, 38, 40).
var bodies = map[uint16]struct {
	structure uint16
	fixed     int
}{
	cmdCreate: {89, 88}, cmdClose: {60, 60}, cmdFlush: {4, 4}, cmdRead: {17, 16},
	cmdWrite: {17, 16}, cmdQueryInfo: {9, 8}, cmdSetInfo: {2, 2},
}

// checkBody checks the body of an answer whose status is 0.
func checkBody(command uint16, f []byte) error {
	body := f[headerLen:]
	want, ok := bodies[command]
	switch {
	case !ok:
		return nil
	case len(body) < want.fixed || le.Uint16(body) != want.structure:
		return malformed("answer to command %d of the wrong size", command)
	case command == cmdRead && int64(body[2])+int64(le.Uint32(body[4:])) > int64(len(f)):
		return malformed("read answer with its data outside the frame")
	case command == cmdWrite && le.Uint32(body[4:]) == 0:
		return malformed("a write of nothing")
	}
	return nil
}

// inside reports whether a buffer lies after the header and within the frame.
// off counts from the start of the header. An empty buffer may have any offset.
func inside(f []byte, off, n uint16) bool {
	return n == 0 || off >= headerLen && int(off)+int(n) <= len(f)
}
