package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"fsmon/cmd/internal/lab/proc"
)

// storm lets actors start, stop, pause, continue, list, delete and kill watches
// of a few identifiers at random. Every act runs one of the built commands. A
// watch is killed through its os.Process, never by a number read somewhere.
type storm struct {
	duration time.Duration
	seed     uint64
	actors   int
	ids      int
}

// fray is a storm that is running.
type fray struct {
	storm
	bin, dir, registry string
	names              []string // the identifiers
	end                time.Time

	mu      sync.Mutex
	watches []*proc.Watch     // all that were ever started
	stops   map[string][]span // when -stop ran, by identifier
	acts    map[string]int    // by what was done and how it ended
	longest map[string]time.Duration
	faults  []string

	reads, without int // looks at a status; those of a live watch that had not written one yet
}

func (f *fray) fault(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, fmt.Sprintf(format, args...))
}

func (f *fray) did(what string, took time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.acts[what]++
	f.longest[what] = max(f.longest[what], took)
}

func (s storm) run(ctx context.Context, bin, dir string) (err error) {
	if s.actors < 1 || s.actors > 200 || s.ids < 1 || s.ids > 100 || s.duration <= 0 ||
		s.duration > time.Hour {
		return errors.New("a number is out of range")
	}
	f := &fray{storm: s, bin: bin, dir: dir, registry: proc.Registry(dir),
		stops: map[string][]span{}, acts: map[string]int{}, longest: map[string]time.Duration{}}
	for n := range s.ids {
		f.names = append(f.names, fmt.Sprintf("id%d", n))
	}
	defer func() { err = errors.Join(err, f.clear()) }()
	bystanders, err := f.plant(ctx)
	defer func() {
		for _, b := range bystanders {
			b.Kill()
		}
	}()
	if err != nil {
		return err
	}
	claiming, err := f.startClaimers(filepath.Join(dir, "guard"))
	defer func() {
		for _, p := range claiming {
			p.Kill()
		}
	}()
	if err != nil {
		return err
	}
	f.end = time.Now().Add(s.duration)
	fighting, stop := context.WithDeadline(ctx, f.end)
	var actors, onlookers sync.WaitGroup
	for n := range s.actors {
		actors.Go(func() { f.act(ctx, rand.New(rand.NewPCG(s.seed, uint64(n)))) })
	}
	onlookers.Go(func() { f.watchStatus(fighting) })
	onlookers.Go(func() { f.watchHolders(fighting) })
	actors.Wait()
	stop()
	onlookers.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, p := range claiming {
		if err := p.Wait(ctx); err != nil || p.Code() != 0 {
			f.fault("a process that only claims an identifier: %v, %v: %s", err, p.Cmd.ProcessState,
				p.Errors())
		}
	}
	f.removed(contested)
	f.aftermath(ctx)
	f.judge()
	for _, b := range bystanders {
		if !b.Alive() {
			f.fault("process %d, which a status named and nobody should touch, has ended: %v",
				b.PID, b.Cmd.ProcessState)
		}
	}
	return f.print()
}

// plant leaves a dead watch under every identifier. Its status names a living
// process that has nothing to do with it, as when a process ID was used again.
// Neither the verbs now nor the storm may send that process a signal.
func (f *fray) plant(ctx context.Context) (bystanders []*proc.Process, err error) {
	for n, id := range f.names {
		b, err := proc.Start(exec.Command("sleep", fmt.Sprint(int(f.duration.Seconds())+600)))
		if err != nil {
			return bystanders, err
		}
		bystanders = append(bystanders, b)
		w, err := f.start(id, commands[0])
		if err != nil {
			return bystanders, err
		}
		status := filepath.Join(f.registry, id, "status")
		data, err := os.ReadFile(status)
		for end := time.Now().Add(patience); err != nil && time.Now().Before(end) &&
			wait(ctx, 10*time.Millisecond); {
			data, err = os.ReadFile(status)
		}
		// An errand that it was just starting may hold the lock for a moment.
		if err = errors.Join(err, w.Kill(), proc.Left(w.Process)); err != nil {
			return bystanders, fmt.Errorf("%s: %w", w.Story(), err)
		}
		pid := func(p *proc.Process) string { return fmt.Sprintf(`"pid":%d,`, p.PID) }
		data = []byte(strings.Replace(string(data), pid(w.Process), pid(b), 1))
		if err := os.WriteFile(status, data, 0o644); err != nil {
			return bystanders, err
		}
		for _, verb := range []string{"-stop", "-pause", "-continue", "-disp"} {
			if code := f.verb(ctx, commands[n%len(commands)], id, verb); code != 1 {
				f.fault("%s of the dead %s: exit %d", verb, id, code)
			}
		}
	}
	return bystanders, nil
}

// start starts a watch of a port that refuses. Its retries last longer than the
// storm.
func (f *fray) start(id, name string) (*proc.Watch, error) {
	args := []string{"-a", "127.0.0.1", "-i", "1", "-c", "10000", "-r", "1", "--no-evidence"}
	if name == "clp_nfsmon" {
		args = append(args, "-d", "/export", "-n", "9", "--mount-port", "9", "--nfs-version", "3")
	} else {
		args = append(args, "-s", "share", "--port", "9")
	}
	w, err := proc.StartWatch(f.dir, filepath.Join(f.bin, name), id, args...)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watches = append(f.watches, w)
	return w, nil
}

// act does random things, one after the other, until the time is up.
func (f *fray) act(ctx context.Context, dice *rand.Rand) {
	for time.Now().Before(f.end) && ctx.Err() == nil {
		id := f.names[dice.IntN(len(f.names))]
		name := commands[dice.IntN(len(commands))]
		switch n := dice.IntN(100); {
		case n < 40:
			f.tryStart(ctx, id, name)
		case n < 52:
			f.stop(ctx, name, id)
		case n < 60:
			if w := f.any(dice, id); w != nil {
				w.Signal(syscall.SIGTERM)
				f.did("SIGTERM", 0)
			}
		case n < 68:
			f.verb(ctx, name, id, "-pause")
		case n < 73:
			f.verb(ctx, name, id, "-pause", fmt.Sprint(1+dice.IntN(3)))
		case n < 80:
			f.verb(ctx, name, id, "-continue")
		case n < 85:
			f.verb(ctx, name, id, "-disp", "--json")
		case n < 89:
			f.verb(ctx, name, "-list", "--json")
		case n < 94:
			f.verb(ctx, name, id, "-del")
		default:
			if w := f.any(dice, id); w != nil {
				w.Signal(syscall.SIGKILL)
				f.did("SIGKILL", 0)
			}
		}
	}
}

// span is the life of a process.
type span struct{ from, to time.Time }

// stop runs -stop. It may end any watch of the identifier that lived meanwhile.
func (f *fray) stop(ctx context.Context, name, id string) int {
	from := time.Now()
	code := f.verb(ctx, name, id, "-stop", "20")
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stops[id] = append(f.stops[id], span{from, time.Now()})
	return code
}

// any is a process of a watch of this identifier, if there is one.
func (f *fray) any(dice *rand.Rand, id string) *proc.Watch {
	f.mu.Lock()
	defer f.mu.Unlock()
	var alive []*proc.Watch
	for _, w := range f.watches {
		if w.ID == id && w.Alive() {
			alive = append(alive, w)
		}
	}
	if len(alive) == 0 {
		return nil
	}
	return alive[dice.IntN(len(alive))]
}

// tryStart starts a watch and waits until it watches or has ended.
func (f *fray) tryStart(ctx context.Context, id, name string) {
	w, err := f.start(id, name)
	if err != nil {
		f.fault("start %s: %v", id, err)
		return
	}
	bound, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err = w.Message(bound, 1, 0)
	took := time.Since(w.Began())
	switch {
	case err == nil:
		f.did("start, watching", took)
	case bound.Err() != nil && ctx.Err() == nil:
		f.fault("neither watching nor ended %v after its start: %s", patience, w.Story())
	case !w.Alive():
		f.did(fmt.Sprintf("start, exit %d", w.Code()), took)
	}
}

// verb runs a verb to its end. It may fail only as documented.
func (f *fray) verb(ctx context.Context, name string, args ...string) int {
	bound, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	began := time.Now()
	p, err := proc.Start(proc.Command(f.dir, filepath.Join(f.bin, name), args...))
	if err == nil {
		err = p.Wait(bound)
	}
	took := time.Since(began)
	if ctx.Err() != nil {
		return -1
	}
	if err != nil {
		f.fault("%s %q: %v after %v", name, args, err, took)
		return -1
	}
	code, out, said := p.Code(), p.Output(), p.Errors()
	word := args[0]
	if len(args) > 1 && args[0] != "-list" {
		word = args[1]
	}
	f.did(fmt.Sprintf("%s, exit %d", word, code), took)
	if code != 0 && code != 1 || strings.Contains(said, "damaged") ||
		strings.Contains(said, "removed or replaced") {
		f.fault("%s %q: exit %d: %s", name, args, code, said)
	}
	if out != "" && args[len(args)-1] == "--json" && !json.Valid([]byte(out)) {
		f.fault("%s %q printed no JSON: %q", name, args, out)
	}
	return code
}

// clear ends what is left, and waits for it.
func (f *fray) clear() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var err error
	var all []*proc.Process
	for _, w := range f.watches {
		err = errors.Join(err, w.Kill())
		all = append(all, w.Process)
	}
	return errors.Join(err, proc.Left(all...))
}

func (f *fray) print() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	fmt.Printf("%s; %d actors, %d identifiers, %v, seed %d\n\n%-28s %8s %12s\n", proc.Machine(),
		f.actors, f.ids, f.duration, f.seed, "act", "times", "longest")
	for _, what := range slices.Sorted(maps.Keys(f.acts)) {
		fmt.Printf("%-28s %8d %12v\n", what, f.acts[what], f.longest[what].Round(time.Millisecond))
	}
	fmt.Printf("\n%d looks at a status, all readable; %d times a live watch had not written one yet\n",
		f.reads, f.without)
	for _, fault := range f.faults {
		fmt.Printf("FAULT: %s\n", fault)
	}
	if len(f.faults) > 0 {
		return fmt.Errorf("%d faults", len(f.faults))
	}
	fmt.Println("never two live watches of one identifier, none that could not be started, " +
		"no wrong process signalled")
	return nil
}
