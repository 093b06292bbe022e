package errand

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// oomScore is how much less likely than others a watch is to be killed when
// memory runs out (proc_pid_oom_score_adj(5)): half of the machine's memory is
// taken off its account. A watchdog that dies of the server's hunger starts a
// failover that nobody needs. It is not -1000, never: should the watch itself
// leak, the kernel must be able to end it rather than the machine.
const oomScore = -500

// LowerOOMScore protects this process, where that is permitted: it takes
// CAP_SYS_RESOURCE, which root has outside of containers. A lower value that
// somebody gave it stays.
func LowerOOMScore() { lowerOOMScore("/proc/self/oom_score_adj") }

func lowerOOMScore(path string) {
	b, err := os.ReadFile(path)
	if err != nil {
		return
	}
	if n, err := strconv.Atoi(string(bytes.TrimSpace(b))); err == nil && n > oomScore {
		_ = os.WriteFile(path, []byte(strconv.Itoa(oomScore)), 0) // not permitted: then not
	}
}

// ResetOOMScore takes the protection off a child, which has inherited it and is
// no watchdog.
func ResetOOMScore(pid int) {
	// it has ended already
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte("0"), 0)
}
