package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"fsmon/cmd/internal/errand"
	"fsmon/watchreg"
)

// claim takes the identifier for this process. watches is how many the registry
// has, with this one.
func (s Service) claim(id string) (claim *watchreg.Claim, watches int, err error) {
	registry, err := watchreg.Open(watchreg.DefaultDir())
	if err == nil {
		if claim, err = registry.Claim(id); err == nil {
			if !claim.InMemory() {
				claim.Through(changed)
			}
			return claim, registry.Count(), nil
		}
	}
	if errors.Is(err, watchreg.ErrInUse) {
		by := ""
		if e, err := registry.Read(id); err == nil && e.Status != nil {
			by = fmt.Sprintf(" by process %d", e.Status.PID)
		}
		return nil, 0, &failure{end: endInUse, alert: s.Catalogue.InUse.Alert(), text: fmt.Sprintf(
			"identifier %q is in use%s (choose another, or end that watch: %s %s -stop)",
			id, by, s.Command, id)}
	}
	text := err.Error()
	if unsafe := new(watchreg.UnsafeError); !errors.As(err, &unsafe) { // it has its own advice
		text += " (set FSMON_REGISTRY to use another registry directory)"
	}
	system := s.Catalogue.System.Alert(callOf(err), errnoOf(err))
	return nil, 0, &failure{end: endLocal, alert: system, text: text}
}

// Many watches that start together would probe together for good: from this
// many on, the first probe waits for up to spreadOver.
const (
	manyWatches = 21
	spreadOver  = 2 * time.Second
)

// firstAfter is how long a watch waits before its first probe, when there are so
// many of them: always as long for the same identifier, and less than an
// interval.
func firstAfter(id string, interval time.Duration, watches int) time.Duration {
	if watches < manyWatches {
		return 0
	}
	hash := fnv.New32a()
	io.WriteString(hash, id)
	return min(interval, spreadOver) * time.Duration(hash.Sum32()>>16) >> 16
}

const (
	// releaseLooks is how often in a row a process that hangs must be seen so.
	releaseLooks = 4
	// clearTries is how often an errand tries to clear what is locked. Each
	// takes half a second (watchreg.Registry.Delete).
	clearTries = 10
)

// release gives the identifier back: free does it. A registry on a hung disk
// must not keep the process after end: the kernel drops its lock, and the next
// start takes over. But on a machine that is merely busy nothing may be left,
// so release goes on for up to 10 s more while any thread wants the processor.
// It reports whether free has returned.
func release(free func() error, end time.Time, busy func() bool) bool {
	done := make(chan struct{})
	go func() {
		free()
		close(done)
	}()
	const pause = releaseBudget / (2 * releaseLooks)
	wait := time.Until(end) - releaseLooks*pause
	for idle := 0; idle <= releaseLooks && time.Now().Before(end.Add(10*time.Second)); idle++ {
		select {
		case <-done:
			return true
		case <-time.After(wait):
		}
		if wait = pause; busy() {
			idle = 0
		}
	}
	return false
}

var changeErrand = errand.Handle("registry",
	func(c watchreg.Change, reply func(struct{}, error)) { reply(struct{}{}, c.Make()) })

func changed(c watchreg.Change) error {
	_, err := changeErrand.Run(context.Background(), c)
	return err
}

// leftover is what a watch could not give back in time.
type leftover struct {
	Registry, ID string
	PID          int
}

// clearErrand clears it when the disk has come back, long after the end of the
// watch: else a watch that has ended would look like one that was killed. It
// replies when it is under way.
var clearErrand = errand.Handle("clear", func(l leftover, reply func(struct{}, error)) {
	reply(struct{}{}, nil)
	l.clear()
})

// clear waits a while for the last thread of the watch, which has hung on that
// disk too and holds the lock. What another watch has there is not touched.
func (l leftover) clear() error {
	for try := 0; ; try++ {
		registry, err := watchreg.OpenExisting(l.Registry)
		if err != nil {
			return err
		}
		e, err := registry.Read(l.ID)
		if err != nil || e.Status != nil && e.Status.PID != l.PID {
			return err
		}
		if err = registry.Delete(l.ID); !errors.Is(err, watchreg.ErrInUse) || try == clearTries {
			return err
		}
	}
}

// threadsBusy reports whether a thread of this process, other than the one that
// asks, or an errand of it runs or waits for a processor (proc_pid_stat(5)).
func threadsBusy() bool {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	own := strconv.Itoa(unix.Gettid())
	threads, _ := os.ReadDir("/proc/self/task")
	for _, t := range threads {
		task := "/proc/self/task/" + t.Name()
		children, _ := os.ReadFile(task + "/children")
		for _, child := range strings.Fields(string(children)) {
			if busy("/proc/" + child) {
				return true
			}
		}
		if t.Name() != own && busy(task) {
			return true
		}
	}
	return false
}

func busy(task string) bool {
	stat, _ := os.ReadFile(task + "/stat")
	name := bytes.LastIndexByte(stat, ')') // it may hold anything
	return name >= 0 && bytes.HasPrefix(stat[name:], []byte(") R"))
}

// callOf and errnoOf are the function name and error number of message 42.
func callOf(err error) string {
	var path *os.PathError
	var call *os.SyscallError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return path.Op
	case errors.As(err, &call):
		return call.Syscall
	case errors.As(err, &link):
		return link.Op
	}
	return "registry"
}

func errnoOf(err error) int {
	var n syscall.Errno
	errors.As(err, &n)
	return int(n)
}
