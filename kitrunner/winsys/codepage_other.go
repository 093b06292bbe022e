//go:build !windows

package winsys

import "bytes"

// decodeCodePage takes output as UTF-8 and replaces what is not valid. Output
// in code page 932, 936, 949 or 950 can still be parsed: what the parsers look
// for is ASCII below 40 hex, and no byte of a two-byte character is.
func decodeCodePage(b []byte) string {
	return string(bytes.ToValidUTF8(b, []byte("\uFFFD")))
}
