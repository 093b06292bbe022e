// Msgtable writes the message table of kitrunner.exe, as an object file that
// the linker takes in because it lies beside the command's source:
//
//	go generate fsmon/kitrunner/msgtable
//
// The Event Viewer looks a number up in the table of the program that the
// event's source names. Those of Windows' own EventCreate.exe end at 1000 and
// the kits' begin at 6001. The text of each is %1, the event's text as it was
// reported.
package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"unicode/utf16"

	"fsmon/kitrunner"
)

//go:generate go run . ../../cmd/kitrunner/rsrc_windows_amd64.syso

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: msgtable FILE.syso")
		os.Exit(2)
	}
	if err := os.WriteFile(os.Args[1], object(), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "msgtable: error:", err)
		os.Exit(1)
	}
}

// languages are those that the table is in, in order: neutral, which serves
// every system, and English (United States).
var languages = []uint32{0, 0x409}

// object returns a COFF object file with one section, .rsrc (PE format, "The
// .rsrc Section" and "COFF Relocations").
func object() []byte {
	const (
		messageTable = 11 // RT_MESSAGETABLE
		directory    = 16 // size of a directory without entries
		subdirectory = 1 << 31
		header       = 20 + 40 // file header and section header
	)
	le := binary.LittleEndian
	var rsrc []byte
	long := func(vs ...uint32) {
		for _, v := range vs {
			rsrc = le.AppendUint32(rsrc, v)
		}
	}
	// no named entries, so many with IDs
	dir := func(entries int) { long(0, 0, 0, uint32(entries)<<16) }
	dir(1)
	long(messageTable, subdirectory|24)
	dir(1)
	long(1, subdirectory|48)
	dir(len(languages))
	dataEntries := uint32(48 + directory + 8*len(languages))
	for i, lang := range languages {
		long(lang, dataEntries+uint32(16*i))
	}
	data := table(numbers())
	for range languages { // one table serves all
		long(dataEntries+uint32(16*len(languages)), uint32(len(data)), 0, 0)
	}
	rsrc = append(rsrc, data...)

	relocations := uint32(header + len(rsrc))
	symbols := relocations + uint32(10*len(languages))
	name := []byte(".rsrc\x00\x00\x00")
	var b bytes.Buffer
	put := func(vs ...any) {
		for _, v := range vs {
			binary.Write(&b, le, v) // neither a Buffer nor a fixed-size value makes it fail
		}
	}
	// IMAGE_FILE_MACHINE_AMD64, one section, no time, the symbol table and its
	// length.
	put(uint16(0x8664), uint16(1), uint32(0), symbols, uint32(1), uint16(0), uint16(0))
	// No addresses yet; size, offset, relocations; initialised data, readable.
	put(name, uint32(0), uint32(0), uint32(len(rsrc)), uint32(header), relocations, uint32(0),
		uint16(len(languages)), uint16(0), uint32(0x40000040))
	put(rsrc)
	for i := range languages { // a data entry's offset becomes an address: IMAGE_REL_AMD64_ADDR32NB
		put(dataEntries+uint32(16*i), uint32(0), uint16(3))
	}
	put(name, uint32(0), int16(1), uint16(0), uint8(3), uint8(0)) // the section's symbol, static
	put(uint32(4))                                                // no string table
	return b.Bytes()
}

// numbers returns the catalogue's numbers in order, each once.
func numbers() []uint32 {
	var ns []uint32
	for _, e := range kitrunner.Catalogue() {
		ns = append(ns, uint32(e.Number))
	}
	slices.Sort(ns)
	return slices.Compact(ns)
}

// table encodes a MESSAGE_RESOURCE_DATA: the number of blocks; per block its
// first and last number and the offset of its entries; and the entries, each
// with its length in bytes and 1 for UTF-16, padded to four bytes.
func table(ns []uint32) []byte {
	le := binary.LittleEndian
	var entry []byte
	for _, u := range utf16.Encode([]rune("%1\r\n\x00")) {
		entry = le.AppendUint16(entry, u)
	}
	for len(entry)%4 != 0 {
		entry = append(entry, 0)
	}
	entry = append(le.AppendUint16(le.AppendUint16(nil, uint16(4+len(entry))), 1), entry...)

	b := le.AppendUint32(nil, uint32(len(ns)))
	for i, n := range ns {
		b = le.AppendUint32(le.AppendUint32(b, n), n)
		b = le.AppendUint32(b, uint32(4+12*len(ns)+i*len(entry)))
	}
	return append(b, bytes.Repeat(entry, len(ns))...)
}
