// Messages prints what the Event Viewer shows for events whose message file is
// the program in its first argument, whose numbers are the others, and whose
// text is "the text".
package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"
)

func main() {
	module, err := windows.LoadLibraryEx(os.Args[1], 0, windows.LOAD_LIBRARY_AS_DATAFILE)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	text, err := windows.UTF16PtrFromString("the text")
	if err != nil {
		panic(err)
	}
	arguments := [1]*uint16{text}
	for _, arg := range os.Args[2:] {
		n, err := strconv.ParseUint(arg, 10, 32)
		if err != nil {
			panic(err)
		}
		var buf [1024]uint16
		_, err = windows.FormatMessage(
			windows.FORMAT_MESSAGE_FROM_HMODULE|windows.FORMAT_MESSAGE_ARGUMENT_ARRAY,
			uintptr(module), uint32(n), 0, buf[:], (*byte)(unsafe.Pointer(&arguments)))
		fmt.Println(n, strings.TrimSpace(windows.UTF16ToString(buf[:])), err)
	}
}
