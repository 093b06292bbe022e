package proc

import (
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// Memory is that of one process, in kB of 1024 bytes.
type Memory struct {
	Peak         int // the most that was resident (VmHWM)
	Resident     int // VmRSS
	File         int // of Resident: pages of files, the program's among them
	Dirty        int // private and written to
	Proportional int // pages that several processes share count in parts (Pss)
}

// MemoryOf reads proc_pid_status(5) and proc_pid_smaps(5).
func MemoryOf(pid int) (Memory, error) {
	one, err := procfs.NewProc(pid)
	if err != nil {
		return Memory{}, err
	}
	status, err := one.NewStatus()
	if err != nil {
		return Memory{}, err
	}
	maps, err := one.ProcSMapsRollup()
	kB := func(bytes uint64) int { return int(bytes / 1024) }
	return Memory{kB(status.VmHWM), kB(status.VmRSS), kB(status.RssFile), kB(maps.PrivateDirty),
		kB(maps.Pss)}, err
}

// CPUOf is what all living threads of a process have used so far (schedstat;
// the ticks of proc_pid_stat(5) are longer than a probe).
func CPUOf(pid int) (used time.Duration, err error) {
	threads, err := procfs.AllThreads(pid)
	for _, thread := range threads {
		stat, _ := thread.Schedstat() // an error: it has just ended
		used += time.Duration(stat.RunningNanoseconds)
	}
	return used, err
}

// Stopped reports whether every thread of a process has stopped. After SIGSTOP a
// thread goes on until the first one of the process has had its turn.
func Stopped(pid int) bool {
	threads, err := procfs.AllThreads(pid)
	for _, thread := range threads {
		if stat, serr := thread.Stat(); serr == nil && stat.State != "T" {
			return false
		}
	}
	return err == nil
}

// Machine names this machine by its cores and its kernel, and by nothing that a
// distribution or a host adds to them.
func Machine() string {
	cores := "1 core"
	if n := runtime.NumCPU(); n > 1 {
		cores = fmt.Sprintf("%d cores", n)
	}
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return cores
	}
	release, _, _ := strings.Cut(unix.ByteSliceToString(u.Release[:]), "-")
	return fmt.Sprintf("%s, %s %s", cores, unix.ByteSliceToString(u.Sysname[:]), release)
}
