package errand

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// oomScore makes it less likely that a watch is killed when memory runs out
// (proc_pid_oom_score_adj(5)): it counts as if it used half of the machine's
// memory less. If a watchdog were killed because the server took all memory,
// that would cause a needless failover. The value is not -1000 (never): if the
// watch itself leaks memory, the kernel must be able to end it.
const oomScore = -500

// LowerOOMScore protects this process, if that is permitted: it takes
// CAP_SYS_RESOURCE, which root has outside of containers. A value that is lower
// already stays.
func LowerOOMScore() { lowerOOMScore("/proc/self/oom_score_adj") }

func lowerOOMScore(path string) {
	b, err := os.ReadFile(path)
	if err != nil {
		return
	}
	if n, err := strconv.Atoi(string(bytes.TrimSpace(b))); err == nil && n > oomScore {
		_ = os.WriteFile(path, []byte(strconv.Itoa(oomScore)), 0) // if it is permitted
	}
}

// ResetOOMScore takes the protection off a child, which has inherited it but is
// no watchdog.
func ResetOOMScore(pid int) {
	// It fails if the child has ended already.
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte("0"), 0)
}
