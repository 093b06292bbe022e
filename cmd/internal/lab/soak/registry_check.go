package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"fsmon/cmd/internal/lab/proc"
	"fsmon/watchreg"
)

// watchStatus reads all entries again and again: what a live watch says about
// itself must be readable at every moment.
func (f *fray) watchStatus(ctx context.Context) {
	reads, without := 0, 0
	// by identifier: the last process with a status, and whether a live watch
	// had none since
	shown, missing := map[string]int{}, map[string]bool{}
	for ctx.Err() == nil {
		registry, err := watchreg.OpenExisting(f.registry)
		if err != nil {
			f.fault("open the registry: %v", err)
			return
		}
		for _, id := range f.names {
			e, err := registry.Read(id)
			if err != nil && !errors.Is(err, watchreg.ErrUnknown) {
				f.fault("read %s: %v", id, err)
			}
			reads++
			switch {
			case e.Status != nil:
				if missing[id] && e.Status.PID == shown[id] {
					f.fault("the status of process %d was away for a moment", e.Status.PID)
				}
				shown[id], missing[id] = e.Status.PID, false
			case e.Live:
				without++
				missing[id] = true
			}
		}
		if _, err := registry.List(); err != nil {
			f.fault("list: %v", err)
		}
		wait(ctx, 2*time.Millisecond)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads, f.without = f.reads+reads, f.without+without
}

// watchHolders looks for two watches of one identifier: two processes that hold
// its lock, or that both watch for seconds.
func (f *fray) watchHolders(ctx context.Context) {
	const long = 3 * time.Second
	together := map[[2]*proc.Watch]time.Time{} // since when two have been seen watching side by side
	for wait(ctx, 10*time.Millisecond) {
		f.mu.Lock()
		alive := slices.DeleteFunc(slices.Clone(f.watches),
			func(w *proc.Watch) bool { return !w.Alive() })
		f.mu.Unlock()
		by := map[string][]*proc.Watch{}
		for _, w := range alive {
			by[w.ID] = append(by[w.ID], w)
		}
		seen := map[[2]*proc.Watch]bool{}
		for id, all := range by {
			if first := f.holders(id, all); len(first) > 1 {
				if still := f.holders(id, first); len(still) > 1 {
					f.fault("%d processes hold the lock of %s: %s", len(still), id,
						still[0].Story()+still[1].Story())
				}
			}
			watching := slices.DeleteFunc(all,
				func(w *proc.Watch) bool { return w.Count(1) == 0 || w.Count(3) > 0 })
			for i, a := range watching {
				for _, b := range watching[i+1:] {
					pair := [2]*proc.Watch{a, b}
					seen[pair] = true
					if together[pair].IsZero() {
						together[pair] = time.Now()
					} else if time.Since(together[pair]) > long {
						f.fault("two watches of %s for %v: %s%s", id, long, a.Story(), b.Story())
					}
				}
			}
		}
		for pair := range together {
			if !seen[pair] {
				delete(together, pair)
			}
		}
	}
}

// holders are those of the watches that hold the lock of id. The kernel says so
// (proc_pid_fdinfo(5)); procfs does not read that line. A lock file that was
// replaced does not count.
func (f *fray) holders(id string, all []*proc.Watch) (holding []*proc.Watch) {
	lock := filepath.Join(f.registry, id, "lock")
	for _, w := range all {
		dir := fmt.Sprintf("/proc/%d/", w.PID)
		entries, err := os.ReadDir(dir + "fd")
		if err != nil {
			continue // it has just ended
		}
		for _, e := range entries {
			// The name of a lock file that was removed ends with " (deleted)".
			if name, err := os.Readlink(dir + "fd/" + e.Name()); err != nil || name != lock {
				continue
			}
			info, err := os.ReadFile(dir + "fdinfo/" + e.Name())
			if err == nil && strings.Contains(string(info), "FLOCK  ADVISORY  WRITE") {
				holding = append(holding, w)
				break
			}
		}
	}
	return holding
}

// aftermath ends the watches that are left, some by -stop and some by force.
// Then it starts and ends a watch under every identifier.
func (f *fray) aftermath(ctx context.Context) {
	bound, cancel := context.WithTimeout(ctx, 4*patience)
	defer cancel()
	for n, id := range f.names {
		if n%2 == 0 {
			f.stop(bound, commands[0], id)
		}
		f.mu.Lock()
		watches := slices.Clone(f.watches)
		f.mu.Unlock()
		for _, w := range watches {
			if w.ID == id {
				w.Kill()
			}
		}
		f.life(bound, id, commands[n%len(commands)])
	}
}

// life starts watches under an identifier, uses every verb on them, and ends
// one with SIGKILL and one with -stop.
func (f *fray) life(ctx context.Context, id, name string) {
	for _, last := range []bool{false, true} {
		w, err := f.start(id, name)
		if err != nil {
			f.fault("start %s: %v", id, err)
			return
		}
		if _, err := w.Message(ctx, 1, 0); err != nil {
			f.fault("after the storm %s cannot be started: %s", id, w.Story())
			return
		}
		for _, verb := range []string{"-pause", "-disp", "-continue"} {
			if code := f.verb(ctx, name, id, verb); code != 0 {
				f.fault("after the storm %s of %s: exit %d", verb, id, code)
			}
		}
		if code := f.verb(ctx, name, id, "-del"); code != 1 {
			f.fault("-del of the live %s: exit %d", id, code)
		}
		if !last {
			w.Kill() // the next one takes it over
			continue
		}
		if code := f.stop(ctx, name, id); code != 0 {
			f.fault("after the storm -stop of %s: exit %d", id, code)
			w.Kill() // or it would be waited for in vain
		}
		w.Wait(ctx)
	}
	f.removed(id)
}

// removed notes a fault unless nothing is left of the identifier in the
// registry.
func (f *fray) removed(id string) {
	if _, err := os.Lstat(filepath.Join(f.registry, id)); !errors.Is(err, os.ErrNotExist) {
		f.fault("%s was left in the registry: %v", id, err)
	}
}

// judge checks how every watch ended, and that no other one of its identifier
// watched meanwhile.
func (f *fray) judge() {
	f.mu.Lock()
	watches := slices.Clone(f.watches)
	f.mu.Unlock()
	watching := map[*proc.Watch]time.Time{} // since when
	for _, w := range watches {
		w.Wait(context.Background()) // aftermath has ended it
		if first, err := w.Message(context.Background(), 1, 0); err == nil {
			watching[w] = first.At
		}
	}
	for _, w := range watches {
		asked := f.firstAsked(w)
		status := w.Cmd.ProcessState.Sys().(syscall.WaitStatus)
		switch {
		case status.Signaled() && status.Signal() == syscall.SIGKILL &&
			!w.Sent(syscall.SIGKILL).IsZero():
		// it came before the watch could catch signals
		case status.Signaled() && status.Signal() == syscall.SIGTERM && asked.Before(w.Ended()):
		case status.ExitStatus() == 0 && asked.Before(w.Ended()):
		case status.ExitStatus() == 3 && f.heldByAnother(w, watches):
		default:
			f.fault("ended by itself, with %v: %s", w.Cmd.ProcessState, w.Story())
		}
		// From its message 1 until somebody asked for its end it was alone.
		for _, other := range watches {
			first, own := watching[other], watching[w]
			// On a busy machine message 1 may be read after the end was asked
			// for.
			if other != w && other.ID == w.ID && !own.IsZero() && first.After(own) &&
				first.Before(asked) && own.Before(f.firstAsked(other)) {
				f.fault("two watches of %s: the second began %v after the first and %v before the first was to end: %s%s",
					w.ID, first.Sub(own), asked.Sub(first), w.Story(), other.Story())
			}
		}
	}
}

// firstAsked is the first moment from which a watch may have ended.
func (f *fray) firstAsked(w *proc.Watch) time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	first := w.Ended()
	for _, at := range []time.Time{w.Sent(syscall.SIGKILL), w.Sent(syscall.SIGTERM)} {
		if !at.IsZero() && at.Before(first) {
			first = at
		}
	}
	for _, s := range f.stops[w.ID] {
		if s.to.After(w.Began()) && s.from.Before(first) {
			first = s.from // which may be before the watch began: the verb was on its way
		}
	}
	return first
}

// heldByAnother reports whether another process of the identifier lived at the
// same time.
func (f *fray) heldByAnother(w *proc.Watch, all []*proc.Watch) bool {
	return slices.ContainsFunc(all, func(other *proc.Watch) bool {
		return other != w && other.ID == w.ID && other.Began().Before(w.Ended()) &&
			other.Ended().After(w.Began())
	})
}
