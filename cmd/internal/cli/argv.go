package cli

import "unsafe"

// wipe overwrites the memory of a part of an argument. On Linux os.Args aliases
// the memory that /proc/PID/cmdline shows, so afterwards the secret is gone
// from there; whoever needs it must hold a copy.
func wipe(arg string) {
	clear(unsafe.Slice(unsafe.StringData(arg), len(arg)))
}
