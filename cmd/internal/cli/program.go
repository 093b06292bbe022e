package cli

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"fsmon/cmd/internal/watch"
)

// program is where this program's file is mapped: its code, its constants and
// the data it starts with. When memory is short the kernel takes such pages
// away, since it can read them from the disk again. A watch whose system disk
// hangs would then hang in its own code. So they are locked once they have been
// used (mlock2(2)). All watches share them.
type program []mapping

type mapping struct {
	start, end uintptr
	written    bool // or may be
}

// ownProgram reads proc_pid_maps(5).
func ownProgram() (p program, err error) {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return nil, err
	}
	here := reflect.ValueOf(ownProgram).Pointer()
	file := "" // device and inode of the program
	for line := range strings.Lines(string(maps)) {
		// 00400000-005f3000 r-xp 00000000 fe:00 10307169   /usr/sbin/clp_nfsmon
		words := strings.Fields(line)
		if len(words) < 5 {
			continue
		}
		from, to, _ := strings.Cut(words[0], "-")
		start, err1 := strconv.ParseUint(from, 16, 64)
		end, err2 := strconv.ParseUint(to, 16, 64)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		m := mapping{uintptr(start), uintptr(end), strings.Contains(words[1], "w")}
		if m.start <= here && here < m.end {
			file = words[3] + words[4]
		}
		if words[3]+words[4] == file { // the code comes first
			p = append(p, m)
		}
	}
	if p == nil {
		return nil, errors.New("/proc/self/maps does not show it")
	}
	return p, nil
}

// holdProgram locks what this program uses of its file from now on. What it has
// used so far, to start, is let go. Until settle is called, only pages that are
// used get into memory, while the kernel otherwise maps 16 for each one: that
// halves what is resident. The error says why nothing is locked.
func holdProgram() (p program, err error) {
	if p, err = ownProgram(); err != nil {
		return nil, err
	}
	page := uintptr(os.Getpagesize())
	for _, m := range p {
		m.advise(unix.MADV_WILLNEED) // one read of the disk, not one for each page
		// Pages around a used one are mapped only within the same mapping.
		// Neighbours that differ in any advice are different ones.
		for at := m.start; at < m.end; at += 2 * page {
			mapping{start: at, end: at + page}.advise(unix.MADV_RANDOM)
		}
		if !m.written {
			m.advise(unix.MADV_DONTNEED)
		}
	}
	for _, m := range p {
		if _, _, errno := unix.Syscall(unix.SYS_MLOCK2, m.start, m.end-m.start,
			unix.MLOCK_ONFAULT); errno != 0 {
			err = errno
		}
	}
	if err == nil {
		return p, nil
	}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit) == nil && limit.Cur != unix.RLIM_INFINITY {
		err = fmt.Errorf("%w: at most %d kB may be locked, see ulimit -l or LimitMEMLOCK=", err,
			limit.Cur/1024)
	}
	return p, err
}

// settleProgram returns a listener that calls settle when all that a healthy
// watch uses has been used, the return of memory among it.
func settleProgram(p program) func(watch.Event) {
	probes := 0
	return func(e watch.Event) {
		if e.Kind != watch.Healthy {
			return
		}
		if probes++; probes == 2*freeEvery {
			p.settle()
		}
	}
}

// settle makes whole mappings of the pieces again, when the pages in use are in
// memory. It changes nothing about these.
func (p program) settle() {
	for _, m := range p {
		m.advise(unix.MADV_NORMAL)
	}
}

// advise is madvise(2). It cannot fail in a way that matters.
func (m mapping) advise(advice int) {
	unix.Syscall(unix.SYS_MADVISE, m.start, m.end-m.start, uintptr(advice))
}
