package cli

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"fsmon/watchreg"
)

// claim takes the identifier for this process.
func (s Service) claim(id string) (*watchreg.Claim, error) {
	registry, err := watchreg.Open(watchreg.DefaultDir())
	if err == nil {
		var claim *watchreg.Claim
		if claim, err = registry.Claim(id); err == nil {
			return claim, nil
		}
	}
	if errors.Is(err, watchreg.ErrInUse) {
		by := ""
		if e, err := registry.Read(id); err == nil && e.Status != nil {
			by = fmt.Sprintf(" by process %d", e.Status.PID)
		}
		return nil, &failure{end: endInUse, alert: s.Catalogue.InUse.Alert(), text: fmt.Sprintf(
			"identifier %q is in use%s (choose another, or end that watch: %s %s -stop)",
			id, by, s.Command, id)}
	}
	text := err.Error()
	if unsafe := new(watchreg.UnsafeError); !errors.As(err, &unsafe) { // it has its own advice
		text += " (set FSMON_REGISTRY to use another registry directory)"
	}
	system := s.Catalogue.System.Alert(callOf(err), errnoOf(err))
	return nil, &failure{end: endLocal, alert: system, text: text}
}

// release gives the identifier back. A registry on a hung disk must not keep
// the process: the kernel drops its lock, and the next start takes over.
func release(claim *watchreg.Claim, end time.Time) {
	done := make(chan struct{})
	go func() {
		claim.Release()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(time.Until(end)):
	}
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
