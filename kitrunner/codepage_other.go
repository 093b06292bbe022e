//go:build !windows

package kitrunner

import "bytes"

// decodeCodePage takes output for UTF-8 and replaces what is not. What the parsers look
// for is ASCII, which no byte of a character in code page 932, 936, 949 or 950 reads as: such bytes begin at 40 hex.
func decodeCodePage(b []byte) string {
	return string(bytes.ToValidUTF8(b, []byte("\uFFFD")))
}
