package smb2

import "unicode/utf16"

// Share types (MS-SMB2 2.2.10).
const (
	ShareTypeDisk    = 1
	ShareTypePipe    = 2
	ShareTypePrinter = 3
)

const shareEncrypt = 0x8000 // SMB2_SHAREFLAG_ENCRYPT_DATA

// Tree is a share in use.
type Tree struct {
	Type      byte // MS-SMB2 2.2.10: 1 disk, 2 pipe, 3 printer
	Encrypted bool // what is sent and received about it is encrypted

	conn *Conn
	id   uint32
}

// TreeConnect connects to a share by its path, \\host\share (MS-SMB2 3.2.4.2.4).
func (c *Conn) TreeConnect(path string) (*Tree, error) {
	m := c.request(cmdTreeConnect, 0)
	body := len(m)
	m = appendUTF16(append(m, make([]byte, 8)...), path)
	le.PutUint16(m[body:], 9)
	le.PutUint16(m[body+4:], headerLen+8)
	le.PutUint16(m[body+6:], uint16(len(m)-body-8))
	a, err := c.call(m, c.session.Encrypted)
	if err != nil {
		return nil, err
	}
	b := a.body()
	t := &Tree{conn: c, id: a.treeID, Type: b[2], Encrypted: c.session.Encrypted}
	if le.Uint32(b[4:])&shareEncrypt != 0 && c.session.Signed {
		t.Encrypted = true
	}
	if t.Encrypted && c.sealer == nil {
		return nil, errNoCipher
	}
	return t, nil
}

// Disconnect ends the use of the share (MS-SMB2 3.2.4.22).
func (t *Tree) Disconnect() error {
	_, err := t.call(append(t.request(cmdTreeDisconnect), 4, 0, 0, 0))
	return err
}

func (t *Tree) request(command uint16) []byte     { return t.conn.request(command, t.id) }
func (t *Tree) call(frame []byte) (answer, error) { return t.conn.call(frame, t.Encrypted) }

// appendUTF16 appends a string as UTF-16LE, as all names are sent.
func appendUTF16(m []byte, s string) []byte {
	return appendUint16s(m, utf16.Encode([]rune(s))...)
}

// decodeUTF16 reads a string of UTF-16LE up to its end or a zero.
func decodeUTF16(b []byte) string {
	var units []uint16
	for ; len(b) >= 2 && le.Uint16(b) != 0; b = b[2:] {
		units = append(units, le.Uint16(b))
	}
	return string(utf16.Decode(units))
}
