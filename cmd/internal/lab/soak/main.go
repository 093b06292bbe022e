// Command soak treats the probes, the registry and the watches as a bad year
// would, for minutes at a time, against real servers of its own:
//
//	soak mutate    probes through proxies that spoil what the servers say
//	soak registry  many processes fight over a few identifiers
//	soak starve    watches on an overloaded machine judge nobody
//	soak many      hundreds of watches on one machine
//
// Each prints what it did and ends with 1 when something happened that must
// not. Short versions of them are the tests of this package. It needs root and
// the packages of the tests, and leaves nothing behind.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"fsmon/cmd/internal/lab/proc"
	"fsmon/nfsprobe/nfstest"
)

// soaks are the programs by name. Each declares its flags and returns what to
// run.
var soaks = []struct {
	name    string
	declare func(*flag.FlagSet) func(context.Context) error
}{
	{"mutate", func(f *flag.FlagSet) func(context.Context) error {
		var m mutation
		against := f.String("against", "samba,nfs", "servers: samba, nfs, or both")
		f.IntVar(&m.probes, "probes", 10000, "probes of each server, 1 to 10000000")
		f.Uint64Var(&m.seed, "seed", 1, "seed of all decisions; the same one decides the same")
		f.Uint64Var(&m.first, "first", 0,
			"number of the first probe, to repeat a probe that was reported")
		f.IntVar(&m.workers, "workers", 8, "probes at a time, 1 to 250")
		f.DurationVar(&m.deadline, "deadline", 250*time.Millisecond, "of each probe")
		return func(ctx context.Context) error {
			return mutateAll(ctx, m, strings.Split(*against, ","))
		}
	}},
	{"registry", func(f *flag.FlagSet) func(context.Context) error {
		var s storm
		f.DurationVar(&s.duration, "duration", 2*time.Minute, "how long, at most an hour")
		f.Uint64Var(&s.seed, "seed", 1, "seed of the actors' choices")
		f.IntVar(&s.actors, "actors", 20, "processes at a time that are not watches")
		f.IntVar(&s.ids, "ids", 5, "identifiers they fight over")
		return func(ctx context.Context) error { return withCommands(ctx, s.run) }
	}},
	{"starve", func(f *flag.FlagSet) func(context.Context) error {
		var s starvation
		f.DurationVar(&s.duration, "duration", 10*time.Minute, "how long, at most an hour")
		f.IntVar(&s.load, "load", 50, "busy, reading and writing processes, 1 to 200")
		f.IntVar(&s.leave, "leave", 512,
			"MB of memory that are left available, 64 or more; all others are filled")
		return func(ctx context.Context) error { return withCommands(ctx, s.run) }
	}},
	{"many", func(f *flag.FlagSet) func(context.Context) error {
		var m crowd
		f.IntVar(&m.watches, "watches", 1000,
			"watches, 10 % of Samba, 45 % each of NFS 3 and 4.1; 2 to 2000")
		f.DurationVar(&m.duration, "duration", 2*time.Minute,
			"how long they are measured, at most an hour; memory goes back after every fourth probe")
		f.IntVar(&m.interval, "interval", 30, "-i of the watches")
		return func(ctx context.Context) error { return withCommands(ctx, m.run) }
	}},
}

func main() {
	helper()
	nfstest.Isolate() // well-known ports of our own
	// The kernel kills our processes when the thread that started them ends.
	// The main thread lives as long as the program.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM,
		syscall.SIGHUP)
	defer stop()
	os.Exit(run(ctx, os.Args[1:]))
}

// helper does not return if this process is one of the soaks' helpers.
func helper() {
	if len(os.Args) > 2 && os.Args[1] == loadArg {
		os.Exit(loadMain(os.Args[2:]))
	}
	if len(os.Args) > 2 && os.Args[1] == claimArg {
		os.Exit(claimMain(os.Args[2:]))
	}
}

func run(ctx context.Context, args []string) int {
	for _, s := range soaks {
		if len(args) == 0 || args[0] != s.name {
			continue
		}
		flags := flag.NewFlagSet("soak "+s.name, flag.ContinueOnError)
		soak := s.declare(flags)
		if flags.Parse(args[1:]) != nil {
			return 2
		}
		if flags.NArg() > 0 {
			fmt.Fprintf(os.Stderr, "soak: error: %q is one argument too many\n", flags.Arg(0))
			return 2
		}
		err := soak(ctx)
		if ctx.Err() != nil {
			err = errors.New("interrupted")
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "soak: error: %v\n", err)
			return 1
		}
		return 0
	}
	var names []string
	for _, s := range soaks {
		names = append(names, s.name)
	}
	fmt.Fprintf(os.Stderr, "soak: error: what to do is missing or unknown (%s; each takes -h)\n",
		strings.Join(names, ", "))
	return 2
}

// withCommands builds both commands into a temporary directory for f.
func withCommands(ctx context.Context,
	f func(ctx context.Context, bin, dir string) error) (err error) {
	dir, remove, err := proc.TempDir("fsmon-soak-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	os.Setenv("TMPDIR", dir) // the servers' directories too
	for _, name := range commands {
		if err := proc.Build(ctx, dir, name, "fsmon/cmd/"+name); err != nil {
			return err
		}
	}
	return f(ctx, dir, dir)
}

var commands = []string{"clp_sambamon", "clp_nfsmon"}

// wait waits for d. It returns false if ctx ends before.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
