//go:build linux

package winetest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// startWine makes the prefix, Wine's C: drive, and starts its server, which
// stays until endAtEnd ends it: every program starts faster then. Wine 8 now
// and then fails to make a prefix ("could not open working directory"), so it
// gets three tries.
func startWine() (err error) {
	for range 3 {
		if err = os.Mkdir(prefix, 0o700); err != nil {
			return err
		}
		err = bootWine(wineserver, "-p")
		if err == nil {
			err = bootWine(wine, "wineboot.exe", "-i")
		}
		if err == nil {
			return os.WriteFile(filepath.Join(prefix, "drive_c/windows/system32/bcryptprimitives.dll"),
				forwarder(), 0o644)
		}
		bootWine(wineserver, "-k", "-w")
		if rerr := os.RemoveAll(prefix); rerr != nil {
			return errors.Join(err, rerr)
		}
	}
	return err
}

func bootWine(argv ...string) error {
	// Wine's services would hold a pipe open.
	out, err := os.Create(filepath.Join(root, "wineboot.log"))
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env, cmd.Dir = wineEnv("C"), root
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		said, _ := os.ReadFile(out.Name())
		return fmt.Errorf("%q: %w\n%s", argv, err, said)
	}
	return nil
}

// wineEnv is the environment of a program for Windows, whose code pages Wine
// chooses by the locale.
func wineEnv(locale string, more ...string) []string {
	var env []string
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if name != "DISPLAY" && name != "LANG" && name != "TMPDIR" &&
			!strings.HasPrefix(name, "LC_") {
			env = append(env, v)
		}
	}
	// winemenubuilder and Wine's own .NET and browser are of no use here. The
	// server keeps a directory in TMPDIR, which would be left there.
	return append(append(env, "WINEPREFIX="+prefix, "TMPDIR="+root, "WINEDEBUG=-all",
		"LC_ALL="+locale,
		"WINEDLLOVERRIDES=winemenubuilder.exe,mscoree,mshtml="), more...)
}

// windows is a path as Wine shows it.
func windows(path string) string { return "Z:" + strings.ReplaceAll(path, "/", `\`) }

// forwarder returns a bcryptprimitives.dll. Every Go program takes its random
// numbers from ProcessPrng in that library, which Wine has only from version 9
// on. ADVAPI32.SystemFunction036 takes the same arguments and is there. So the
// library needs no code, only one export that is a forwarder (PE format,
// "Export Address Table").
func forwarder() []byte {
	const (
		address   = 0x1000 // of the only section when it is loaded
		alignment = 0x200  // of sections in the file; the headers and the section fill one each
	)
	le := binary.LittleEndian
	// The export directory, then its three tables of one entry each, then the
	// names.
	const directory, addresses, names, ordinals, texts = 0, 40, 44, 48, 50
	section := make([]byte, alignment)
	end := uint32(texts)
	text := func(s string) (at uint32) {
		at = address + end
		end += uint32(copy(section[end:], s+"\x00"))
		return at
	}
	put := func(at int, v uint32) { le.PutUint32(section[at:], v) }
	put(directory+12, text("bcryptprimitives.dll"))
	put(names, text("ProcessPrng"))
	// an address inside the export data means a forwarder
	put(addresses, text("ADVAPI32.SystemFunction036"))
	put(directory+16, 1) // the first ordinal
	put(directory+20, 1) // one address,
	put(directory+24, 1) // one name
	put(directory+28, address+addresses)
	put(directory+32, address+names)
	put(directory+36, address+ordinals)

	var b bytes.Buffer
	write := func(vs ...any) {
		for _, v := range vs {
			binary.Write(&b, le, v) // neither a Buffer nor a fixed-size value makes it fail
		}
	}
	dos := make([]byte, 0x40)
	copy(dos, "MZ")
	le.PutUint32(dos[0x3c:], uint32(len(dos))) // where the PE header is
	write(dos, []byte("PE\x00\x00"))
	// COFF: AMD64, one section; executable, large addresses, DLL.
	write(uint16(0x8664), uint16(1), uint32(0), uint32(0), uint32(0), uint16(112+16*8),
		uint16(0x2022))
	// Optional header, PE32+: no code, no entry point; image base; alignments;
	// versions; sizes of image and headers; console; relocatable; stack and
	// heap; 16 data directories, of which the first is the export directory.
	write(uint16(0x20b), uint8(0), uint8(0), uint32(0), uint32(alignment), uint32(0),
		uint32(0), uint32(0))
	write(uint64(0x6ffc0000), uint32(0x1000), uint32(alignment))
	write([6]uint16{6, 0, 0, 0, 6, 0}, uint32(0), uint32(2*address), uint32(alignment), uint32(0),
		uint16(3), uint16(0x0140))
	write([4]uint64{1 << 20, 1 << 12, 1 << 20, 1 << 12}, uint32(0), uint32(16))
	write([32]uint32{0: address, 1: end})
	// Section header: initialised data, readable.
	write([]byte(".edata\x00\x00"), end, uint32(address), uint32(alignment), uint32(alignment))
	write([3]uint32{}, uint32(0x40000040))
	write(make([]byte, alignment-b.Len()))
	return append(b.Bytes(), section...)
}
