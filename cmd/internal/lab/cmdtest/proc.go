package cmdtest

import (
	"slices"
	"testing"

	"github.com/prometheus/procfs"
)

// Held is what a process holds.
type Held struct {
	Descriptors, Threads int
	Open                 []string // what the descriptors are open on, sorted
}

// Settled is what a watch holds between two probes: the least of many looks.
func Settled(t testing.TB, pid int) Held {
	t.Helper()
	one := process(t, pid)
	var least Held
	looks := 0
	Eventually(t, "a look at the process", func() bool {
		open, err := one.FileDescriptorTargets()
		if err != nil {
			t.Fatal(err)
		}
		open = slices.DeleteFunc(open, func(name string) bool { return name == "" }) // just closed
		stat, err := one.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if looks == 0 || len(open) < least.Descriptors {
			least = Held{len(open), stat.NumThreads, open}
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
	status, err := process(t, pid).NewStatus()
	if err != nil {
		t.Fatal(err)
	}
	return int(status.VmHWM / 1024)
}

func process(t testing.TB, pid int) procfs.Proc {
	t.Helper()
	one, err := procfs.NewProc(pid)
	if err != nil {
		t.Fatal(err)
	}
	return one
}
