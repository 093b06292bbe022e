package smb2

// Sizes and flags of headers (MS-SMB2 2.2.1.2, 2.2.41).
const (
	prefixLen    = 4 // MS-SMB2 2.1: a zero byte and a length of three
	headerLen    = 64
	transformLen = 52

	flagResponse = 0x1 // SMB2_FLAGS_SERVER_TO_REDIR
	flagSigned   = 0x8

	unsolicited = 1<<64 - 1 // MessageId of a message that answers nothing
)

// header holds the fields of an answer's header that a client reads (MS-SMB2
// 2.2.1).
type header struct {
	command   uint16
	status    Status
	flags     uint32
	messageID uint64
	treeID    uint32
	sessionID uint64
}

// answer is one whole SMB2 message from the server. Its memory is that of the
// connection: the next request uses it again.
type answer struct {
	header
	message []byte
}

func (a *answer) body() []byte { return a.message[headerLen:] }

// buffer returns the part of the message that a body's offset and length name.
// The offset counts from the header. An empty buffer may have any offset.
func (a *answer) buffer(off, n uint32) ([]byte, error) {
	end := uint64(off) + uint64(n)
	switch {
	case n == 0:
		return nil, nil
	case off < headerLen || end > uint64(len(a.message)):
		return nil, malformed("answer to command %d with its buffer outside the frame", a.command)
	}
	return a.message[off:end], nil
}

// parseAnswer checks the header of a whole plain SMB2 answer.
func parseAnswer(m []byte) (answer, error) {
	if len(m) < headerLen+2 { // the shortest one, to SET_INFO, has only a StructureSize
		return answer{}, malformed("frame of %d bytes, too short for SMB2", len(m))
	}
	a := answer{message: m, header: header{
		status:    Status(le.Uint32(m[8:])),
		command:   le.Uint16(m[12:]),
		flags:     le.Uint32(m[16:]),
		messageID: le.Uint64(m[24:]),
		treeID:    le.Uint32(m[36:]),
		sessionID: le.Uint64(m[40:]),
	}}
	switch {
	case le.Uint16(m[4:]) != headerLen:
		return a, malformed("SMB2 header with structure size %d", le.Uint16(m[4:]))
	case a.flags&flagResponse == 0:
		return a, malformed("a request where an answer was due")
	case le.Uint32(m[20:]) != 0:
		return a, malformed("a chain of answers to a single request")
	}
	return a, nil
}

// bodies are the sizes of the bodies of successful answers: their
// StructureSize, and the number of bytes before a buffer (MS-SMB2 2.2.4, 6, 8,
// 10, 12, 14, 16, 18, 20, 22, 27, 32, 38, 40).
var bodies = [...]struct{ structure, fixed uint16 }{
	cmdNegotiate: {65, 64}, cmdSessionSetup: {9, 8}, cmdLogoff: {4, 4}, cmdTreeConnect: {16, 16},
	cmdTreeDisconnect: {4, 4}, cmdCreate: {89, 88}, cmdClose: {60, 60}, cmdFlush: {4, 4},
	cmdRead: {17, 16}, cmdWrite: {17, 16}, cmdLock: {4, 4}, cmdIoctl: {49, 48},
	cmdQueryInfo: {9, 8}, cmdSetInfo: {2, 2},
}

// checkBody checks the size of a successful answer's body.
func (a *answer) checkBody() error {
	want := bodies[a.command]
	if body := a.body(); len(body) < int(want.fixed) || le.Uint16(body) != want.structure {
		return malformed("%s answer of the wrong size", commandNames[a.command])
	}
	return nil
}

var commandNames = [...]string{
	cmdNegotiate: "negotiate", cmdSessionSetup: "session setup", cmdLogoff: "logoff",
	cmdTreeConnect: "tree connect", cmdTreeDisconnect: "tree disconnect", cmdCreate: "create",
	cmdClose: "close", cmdFlush: "flush", cmdRead: "read", cmdWrite: "write", cmdLock: "lock",
	cmdIoctl: "ioctl", cmdQueryInfo: "query info", cmdSetInfo: "set info",
}
