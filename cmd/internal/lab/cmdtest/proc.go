package cmdtest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Held is what a process holds.
type Held struct {
	Descriptors, Threads int
	Open                 []string // what the descriptors are open on, sorted
}

// Settled is what a watch holds between two probes: the least of many looks.
func Settled(t testing.TB, pid int) Held {
	t.Helper()
	var least Held
	looks := 0
	Eventually(t, "a look at the process", func() bool {
		var h Held
		dir := fmt.Sprintf("/proc/%d/fd", pid)
		fds, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, fd := range fds {
			if name, err := os.Readlink(filepath.Join(dir, fd.Name())); err == nil { // an error: just closed
				h.Open = append(h.Open, name)
			}
		}
		h.Descriptors = len(h.Open)
		h.Threads = field(t, pid, "Threads")
		if looks == 0 || h.Descriptors < least.Descriptors {
			least = h
		}
		looks++
		return looks == 40
	})
	slices.Sort(least.Open)
	return least
}

// Peak is the most memory that a process has had resident, in kB.
func Peak(t testing.TB, pid int) int {
	t.Helper()
	return field(t, pid, "VmHWM")
}

// field is a number in proc_pid_status(5).
func field(t testing.TB, pid int, name string) (n int) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for row := range strings.Lines(string(b)) {
		if got, _ := fmt.Sscanf(row, name+": %d", &n); got == 1 {
			return n
		}
	}
	t.Fatalf("process %d has no %s", pid, name)
	return 0
}
