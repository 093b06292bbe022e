package cli

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// restartSmall starts this program once more in its own place, with one
// processor for the Go runtime and without huge pages. Both must be set before
// a program starts: the runtime makes room for every processor of the machine
// (1 MB more with 64 of them), and where the kernel always gives huge pages,
// its first touch of memory takes 2 MB at a time. Process ID, arguments and
// descriptors stay. If it fails, the watch is merely larger.
func restartSmall() {
	const once = "GOMAXPROCS"
	if os.Getenv(once) == "1" {
		return
	}
	self, err := os.Executable()
	if err != nil || os.Setenv(once, "1") != nil {
		return
	}
	unix.Prctl(unix.PR_SET_THP_DISABLE, 1, 0, 0, 0)
	syscall.Exec(self, os.Args, os.Environ())
}
