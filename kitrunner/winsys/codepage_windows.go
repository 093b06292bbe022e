package winsys

import (
	"bytes"
	"unicode/utf16"

	"golang.org/x/sys/windows"
)

var getOEMCP = windows.NewLazySystemDLL("kernel32.dll").NewProc("GetOEMCP")

// decodeCodePage decodes output in the system's OEM code page, which console
// programs use: 932 on a Japanese Windows.
func decodeCodePage(b []byte) string {
	page, _, _ := getOEMCP.Call() // never fails
	return fromCodePage(uint32(page), b)
}

// fromCodePage decodes b. Bytes without a meaning become the replacement
// character of the code page or of Unicode. The length is at most maxOutput, so
// it fits an int32.
func fromCodePage(page uint32, b []byte) string {
	if len(b) == 0 {
		return ""
	}
	units := make([]uint16, len(b)) // no code page needs more units than bytes
	n, err := windows.MultiByteToWideChar(page, 0, &b[0], int32(len(b)), &units[0],
		int32(len(units)))
	if err != nil { // a code page that is not installed
		return string(bytes.ToValidUTF8(b, []byte("\uFFFD")))
	}
	return string(utf16.Decode(units[:n]))
}
