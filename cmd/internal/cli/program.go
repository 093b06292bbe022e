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
// the data it starts with.
//
// When memory is short the kernel takes such pages away, since it can read them
// from the disk again. A watch whose system disk hangs would then hang in its
// own code, and no verdict would come. So a watch keeps its whole file in
// memory. All watches share these pages.
type program []mapping

type mapping struct {
	start, end uintptr
	writable   bool
}

// hold keeps the file in memory until this process ends. The error says why that
// is not possible.
//
// Pipes are filled with the pages of the file, which copies nothing (splice(2)):
// what a pipe refers to stays. Locking the mappings does the same, but makes
// all of them resident, 2 MB more than are used. It is the way where this user
// may not have such pipes, or has too many (pipe(7)).
func (p program) hold() error {
	pipes, err := pinFile("/proc/self/exe")
	if err == nil {
		p.trim()
		return nil
	}
	for _, pipe := range pipes {
		unix.Close(pipe)
	}
	return p.lock()
}

// pinFile returns the pipes that hold the pages of a file. It returns those that
// it has made so far also with an error.
func pinFile(path string) (pipes []int, err error) {
	const room = 1 << 20 // bytes of a pipe, for any user (fs.pipe-max-size)
	file, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(file)
	for {
		var ends [2]int
		if err = unix.Pipe2(ends[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
			return pipes, err
		}
		pipes = append(pipes, ends[0])
		n, err := fill(file, ends[1], room)
		unix.Close(ends[1])
		switch {
		case err != nil:
			return pipes, err
		case n == 0: // the end of the file
			unix.Close(ends[0])
			return pipes[:len(pipes)-1], nil
		}
	}
}

// fill moves what follows in the file into a pipe, until it has no room left.
func fill(file, pipe, room int) (total int, err error) {
	if _, err = unix.FcntlInt(uintptr(pipe), unix.F_SETPIPE_SZ, room); err != nil {
		return 0, err
	}
	for total < room {
		n, err := unix.Splice(file, nil, pipe, nil, room-total, unix.SPLICE_F_NONBLOCK)
		switch {
		case err == unix.EAGAIN && total > 0: // each page takes one place, also a short one
			return total, nil
		case err == unix.EINTR:
			continue
		case err != nil:
			return total, err
		case n == 0:
			return total, nil
		}
		total += int(n)
	}
	return total, nil
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

// lock locks the mappings and makes them resident (mlock(2)).
func (p program) lock() error {
	for _, m := range p {
		if _, _, errno := unix.Syscall(unix.SYS_MLOCK, m.start, m.end-m.start, 0); errno != 0 {
			return fmt.Errorf("%w, see LimitMEMLOCK= or ulimit -l", errno)
		}
	}
	return nil
}

// trim lets go what the start has used. From then on only pages that are used
// become resident, until settle is called: the kernel otherwise maps 16 for
// each one, as far as they belong to the same mapping, and neighbours that
// differ in any advice are different mappings. That makes 2 MB less resident.
func (p program) trim() {
	page := uintptr(os.Getpagesize())
	for _, m := range p {
		for at := m.start; at < m.end; at += 2 * page {
			mapping{start: at, end: at + page}.advise(unix.MADV_RANDOM)
		}
		if !m.writable {
			m.advise(unix.MADV_DONTNEED)
		}
	}
}

// settle makes whole mappings of the pieces again. What is resident stays so.
func (p program) settle() {
	for _, m := range p {
		m.advise(unix.MADV_NORMAL)
	}
}

// settled returns a listener that calls settle when all that a healthy watch
// uses has been used, the return of memory among it.
func (p program) settled() func(watch.Event) {
	probes := 0
	return func(e watch.Event) {
		if e.Kind == watch.Healthy {
			if probes++; probes == 8 {
				p.settle()
			}
		}
	}
}

// advise is madvise(2). It cannot fail in a way that matters.
func (m mapping) advise(advice int) {
	unix.Syscall(unix.SYS_MADVISE, m.start, m.end-m.start, uintptr(advice))
}
