package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"fsmon/cmd/internal/lab/proc"
	"fsmon/nfsprobe/nfstest"
	"fsmon/watchreg"
)

const (
	repeats  = 5  // runs of each promise with each command
	verdicts = 20 // of each kind, with each command
)

// What is promised.
const (
	quick = 200 * time.Millisecond // to end a watch where nothing hangs
	inAll = 2 * time.Second        // whatever hangs
	// A verdict may be late by as much, 500 ms of it for a sink that hangs.
	judged = 700 * time.Millisecond
	// The goal for the median of verdicts where nothing hangs.
	prompt = 30 * time.Millisecond
)

// Messages of both commands (FSM manual 8.1).
const terminate, continued = 6, 8

// promise is a time that a command promises: from one event to another, less
// what is due between them.
type promise struct {
	what     string
	options  []string // of the command, besides those that name its server
	full     bool     // its stderr is a full pipe, which nobody reads
	from, to event
	due      time.Duration
	bound    time.Duration
	goal     time.Duration // of the median; 0: none
}

var (
	soon   = []string{"-i", "1", "-c", "1", "-r", "1"}
	bare   = append([]string{"--no-evidence"}, soon...)
	slow   = []string{"-i", "60", "-r", "60"}
	asking = []string{"-check", "-r", "60"}

	term, interrupt = sent(syscall.SIGTERM), sent(syscall.SIGINT)
)

// phases are promises that need a server in the same state.
var phases = []struct {
	part     string
	killed   bool // the servers; otherwise they are frozen
	alone    bool // milliseconds count: one promise is measured after the other
	promises []promise
}{
	{part: partPromises, alone: true, promises: []promise{
		{"-stop during a stalled probe to exit", slow, false, verb("-stop"), exit(0), 0, quick, 0},
		{"SIGTERM during a stalled probe to exit", slow, false, term, exit(0), 0, quick, 0},
		{"SIGINT during a stalled probe to exit", slow, false, interrupt, exit(0), 0, quick, 0},
		{"SIGINT during a stalled -check to exit", asking, false, interrupt, exit(1), 0, inAll, 0},
	}},
	{part: partPromises, promises: []promise{
		{"-stop, stderr hangs", slow, true, verb("-stop"), exit(0), 0, inAll, 0},
		{"SIGTERM, stderr hangs", slow, true, term, exit(0), 0, inAll, 0},
		{"SIGINT, stderr hangs", slow, true, interrupt, exit(0), 0, inAll, 0},
		{"-pause 2 to message 8, beyond 2 s", slow, false,
			verb("-pause", "2"), message(continued), 2 * time.Second, inAll, 0},
		{"first stalled probe to message 6, beyond (c+1)·r", soon, false,
			failed, message(terminate), 2 * time.Second, judged, 0},
	}},
	{part: partPromises, killed: true, promises: []promise{
		{"first refused probe to message 6, beyond c·i", soon, false,
			failed, message(terminate), time.Second, judged, 0},
		{"to exit, stderr hangs, no evidence", bare, true, failed, exit(1), time.Second, judged, 0},
		{"to exit, stderr hangs, evidence", soon, true, failed, exit(1), time.Second, inAll, 0},
	}},
	{part: partVerdicts, promises: []promise{
		{"first stalled probe to exit, beyond (c+1)·r", soon, false,
			failed, exit(1), 2 * time.Second, judged, prompt},
	}},
	{part: partVerdicts, killed: true, promises: []promise{
		{"first refused probe to exit, beyond c·i", soon, false,
			failed, exit(1), time.Second, judged, prompt},
	}},
}

// kept is how long a promise took, with clp_sambamon and with clp_nfsmon.
type kept struct {
	promise
	took [2][]time.Duration
}

// keep measures all promises. It freezes and kills the servers, and leaves them
// well.
func (s servers) keep(ctx context.Context, b *benchmark, part string) error {
	full, err := fullPipe()
	if err != nil {
		return err
	}
	defer full.Close()
	for _, phase := range phases {
		if phase.part != part {
			continue
		}
		ill, well := s.samba.Freeze, s.samba.Thaw
		illNFS, wellNFS := s.nfs.Freeze, s.nfs.Thaw
		if phase.killed {
			ill, well, illNFS, wellNFS = s.samba.Kill, s.samba.Restart, s.nfs.Kill, s.nfs.Restart
		}
		if err := errors.Join(ill(), illNFS(nfstest.Ganesha)); err != nil {
			return err
		}
		all := make([]kept, len(phase.promises))
		for i, p := range phase.promises {
			all[i].promise = p
		}
		rounds, times := repeats, 1
		if part == partVerdicts {
			rounds, times = 1, verdicts
		}
		for range rounds {
			if err := s.round(ctx, *b, all, full, phase.alone, times); err != nil {
				return err
			}
		}
		b.kept = append(b.kept, all...)
		// A server that answers has worked off what came while it was frozen.
		if err := errors.Join(well(), wellNFS(nfstest.Ganesha), recovered(ctx, b.rows)); err != nil {
			return err
		}
	}
	return nil
}

// round measures each promise so many times with both commands.
func (s servers) round(ctx context.Context, b benchmark, all []kept, full *os.File,
	alone bool, times int) error {
	var (
		running sync.WaitGroup
		mu      sync.Mutex
		errs    []error
	)
	for at := range times * len(all) {
		k := &all[at%len(all)]
		for n, t := range []trial{
			{line: b.row(smbUser, "clp_sambamon, watching").watch, port: s.samba.Port},
			{line: b.row(nfs3, "clp_nfsmon, watching").watch, port: mountPort},
		} {
			t.dir, t.id = s.samba.Dir, fmt.Sprintf("promise%d-%d", at, n)
			if err := t.start(k.promise, full); err != nil {
				return err
			}
			running.Go(func() {
				took, err := t.measure(ctx, k.promise)
				mu.Lock()
				defer mu.Unlock()
				k.took[n], errs = append(k.took[n], took), append(errs, err)
			})
			if alone {
				running.Wait()
			}
			time.Sleep(2 * apart) // no two of them end at once
		}
	}
	running.Wait()
	return errors.Join(errs...)
}

// trial is one run of a command whose server is frozen or killed.
type trial struct {
	*proc.Process
	dir, id string
	line    []string // the command, and the options that name its server
	port    int      // where a probe of a frozen server stalls
}

func (t *trial) start(p promise, full *os.File) (err error) {
	args := p.options
	if !slices.Contains(args, "-check") {
		args = slices.Concat([]string{t.id, "--log-file", t.dir + "/log/" + t.id + "/watch.log"},
			args)
		if !slices.Contains(args, "--no-evidence") {
			args = append(args, "--evidence-dir", t.dir+"/evidence")
		}
	}
	cmd := proc.Command(t.dir, t.line[0], slices.Concat(args, t.line[1:])...)
	if p.full {
		cmd.Stderr = full
	}
	t.Process, err = proc.Start(cmd)
	return err
}

// measure measures a promise and ends the trial. It returns patience for what
// does not come in that time.
func (t *trial) measure(ctx context.Context, p promise) (took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	defer func() { err = errors.Join(err, t.End()) }()
	from, err := p.from(ctx, t)
	if err == nil {
		var to time.Time
		to, err = p.to(ctx, t)
		took = to.Sub(from) - p.due
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return patience, nil
	case err != nil:
		return 0, fmt.Errorf("%s: %w\n%s", p.what, err, t.Story())
	}
	return took, nil
}

// An event waits for something to happen to a trial, or makes it happen. It
// returns when that was.
type event func(context.Context, *trial) (time.Time, error)

// failed is the start of the first probe that failed.
func failed(ctx context.Context, t *trial) (began time.Time, err error) {
	// A status stays for a second.
	err = t.poll(ctx, time.Second/5, func() (bool, error) {
		registry, err := watchreg.OpenExisting(proc.Registry(t.dir))
		if err != nil {
			return false, err
		}
		e, err := registry.Read(t.id)
		switch {
		case errors.Is(err, watchreg.ErrUnknown) || err == nil && e.Status == nil:
			return false, nil // it is starting
		case err != nil:
			return false, err
		case e.Status.Failures > 1:
			return false, errors.New("the first failed probe was not seen in the status")
		}
		began = e.Status.LastProbe
		return e.Status.Failures == 1, nil
	})
	return began, err
}

// message is the arrival of a message.
func message(number int) event {
	return func(ctx context.Context, t *trial) (time.Time, error) {
		line, err := t.Message(ctx, number, 0)
		return line.At, err
	}
}

// exit is the end of the command with this exit code.
func exit(code int) event {
	return func(ctx context.Context, t *trial) (time.Time, error) {
		err := t.Until(ctx, func() bool { return !t.Alive() })
		if err == nil && t.Code() != code {
			err = fmt.Errorf("exit code %d, not %d", t.Code(), code)
		}
		return t.Ended(), err
	}
}

// sent is a signal in the middle of a probe.
func sent(sig syscall.Signal) event {
	return func(ctx context.Context, t *trial) (time.Time, error) {
		if err := t.stalls(ctx); err != nil {
			return time.Time{}, err
		}
		return time.Now(), t.Signal(sig)
	}
}

// verb is the start of a verb in the middle of a probe.
func verb(words ...string) event {
	return func(ctx context.Context, t *trial) (time.Time, error) {
		if err := t.stalls(ctx); err != nil {
			return time.Time{}, err
		}
		p, err := proc.Start(proc.Command(t.dir, t.line[0], append([]string{t.id}, words...)...))
		if err != nil {
			return time.Time{}, err
		}
		if err = p.Wait(ctx); err == nil && p.Code() != 0 {
			err = errors.New(p.Story())
		}
		return p.Began(), err
	}
}

// stalls waits for a probe that stalls: it has a connection to the frozen
// server, as /proc/PID/net/tcp shows (proc_pid_net(5)).
func (t *trial) stalls(ctx context.Context) error {
	process, err := procfs.NewProc(t.PID)
	if err != nil {
		return err
	}
	remote := fmt.Sprintf(":%04X", t.port)
	return t.poll(ctx, lookTime, func() (bool, error) {
		open, err := process.FileDescriptorTargets()
		if err != nil {
			return false, err
		}
		table, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp", t.PID))
		for line := range strings.Lines(string(table)) {
			f := strings.Fields(line)
			if strings.HasSuffix(f[2], remote) && slices.Contains(open, "socket:["+f[9]+"]") {
				return true, nil
			}
		}
		return false, err
	})
}

// poll looks again and again, while the command lives, until done says so.
func (t *trial) poll(ctx context.Context, every time.Duration, done func() (bool, error)) error {
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		if !t.Alive() {
			return proc.ErrEnded
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(every): // nothing announces it
		}
	}
}

// fullPipe returns the writer's end of a pipe that takes nothing more. Nobody
// reads it, and its other end stays open.
func fullPipe() (*os.File, error) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return nil, err
	}
	size, err := unix.FcntlInt(uintptr(ends[1]), unix.F_GETPIPE_SZ, 0)
	if err == nil {
		_, err = unix.Write(ends[1], make([]byte, size))
	}
	return os.NewFile(uintptr(ends[1]), "full pipe"), err
}
