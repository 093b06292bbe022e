package winsys

import (
	"bytes"
	"encoding/binary"
	"unicode/utf16"
)

// decode turns a command's output into UTF-8. Most commands write in the
// system's code page. Some of Windows' own write UTF-16 or UTF-8, and then
// begin with a byte order mark.
func decode(b []byte) string {
	switch {
	case bytes.HasPrefix(b, []byte("\xff\xfe")):
		return decodeUTF16(b[2:], binary.LittleEndian)
	case bytes.HasPrefix(b, []byte("\xfe\xff")):
		return decodeUTF16(b[2:], binary.BigEndian)
	case bytes.HasPrefix(b, []byte("\xef\xbb\xbf")):
		return string(bytes.ToValidUTF8(b[3:], []byte("\uFFFD")))
	}
	return decodeCodePage(b)
}

func decodeUTF16(b []byte, order binary.ByteOrder) string {
	units := make([]uint16, 0, len(b)/2)
	for ; len(b) >= 2; b = b[2:] {
		units = append(units, order.Uint16(b))
	}
	return string(utf16.Decode(units))
}
