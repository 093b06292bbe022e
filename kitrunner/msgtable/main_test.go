package main

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"fmt"
	"os"
	"testing"
	"unicode/utf16"

	"fsmon/kitrunner"
)

const committed = "../../cmd/kitrunner/rsrc_windows_amd64.syso"

func TestCommittedTableIsUpToDate(t *testing.T) {
	got, err := os.ReadFile(committed)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, object()) {
		t.Errorf("%s is not what the catalogue says: run go generate fsmon/kitrunner/msgtable",
			committed)
	}
}

// The object file is read as the linker and then Windows read it: a section of
// resources, in it a directory by type, name and language, and the table.
func TestEveryNumberIsInTheTable(t *testing.T) {
	b, err := os.ReadFile(committed)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := readTables(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range []uint32{0, 0x409} { // neutral, English (United States)
		texts := tables[lang]
		if len(texts) == 0 {
			t.Errorf("no table in language %#x", lang)
			continue
		}
		for _, e := range kitrunner.Catalogue() {
			if got := texts[uint32(e.Number)]; got != "%1\r\n" {
				t.Errorf("language %#x: the text of %d is %q", lang, e.Number, got)
			}
		}
		if len(texts) != len(numbers()) {
			t.Errorf("language %#x: %d texts, the catalogue has %d numbers", lang, len(texts),
				len(numbers()))
		}
	}
	if len(tables) != 2 {
		t.Errorf("tables in %d languages", len(tables))
	}
}

func readTables(object []byte) (byLanguage map[uint32]map[uint32]string, err error) {
	f, err := pe.NewFile(bytes.NewReader(object))
	if err != nil {
		return nil, err
	}
	if f.Machine != pe.IMAGE_FILE_MACHINE_AMD64 {
		return nil, fmt.Errorf("machine %#x", f.Machine)
	}
	section := f.Section(".rsrc")
	if section == nil {
		return nil, fmt.Errorf("no .rsrc section")
	}
	rsrc, err := section.Data()
	if err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	// entries returns the directory's entries: the ID, and the offset of what
	// it leads to (IMAGE_RESOURCE_DIRECTORY).
	entries := func(at uint32) map[uint32]uint32 {
		m := map[uint32]uint32{}
		n := uint32(le.Uint16(rsrc[at+12:])) + uint32(le.Uint16(rsrc[at+14:]))
		for i := range n {
			e := rsrc[at+16+8*i:]
			m[le.Uint32(e)] = le.Uint32(e[4:]) &^ (1 << 31)
		}
		return m
	}
	names := entries(entries(0)[11])
	byLanguage = map[uint32]map[uint32]string{}
	for lang, entry := range entries(names[1]) {
		start, size := le.Uint32(rsrc[entry:]), le.Uint32(rsrc[entry+4:])
		data := rsrc[start : start+size] // not yet relocated: an offset in the section
		texts := map[uint32]string{}
		for i := range le.Uint32(data) {
			block := data[4+12*i:]
			low, high, at := le.Uint32(block), le.Uint32(block[4:]), le.Uint32(block[8:])
			for n := low; n <= high; n++ {
				length := uint32(le.Uint16(data[at:]))
				if le.Uint16(data[at+2:]) != 1 {
					return nil, fmt.Errorf("the text of %d is not UTF-16", n)
				}
				var units []uint16
				for b := data[at+4 : at+length]; len(b) > 0 && le.Uint16(b) != 0; b = b[2:] {
					units = append(units, le.Uint16(b))
				}
				if _, double := texts[n]; double {
					return nil, fmt.Errorf("%d is there twice", n)
				}
				texts[n] = string(utf16.Decode(units))
				at += length
			}
		}
		byLanguage[lang] = texts
	}
	return byLanguage, nil
}
