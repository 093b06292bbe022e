// Command bench prints what it costs to ask a file server whether it is well,
// and how long it takes to notice that it is not: the watches and their -check
// next to the tools of today, on the same private servers. Then come the times
// that the commands promise. It takes the directory of the built commands,
// asserts nothing, and leaves nothing behind but the chart that -svg names. It
// must run as root, since the servers are in a network of its own.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"fsmon/cmd/internal/lab/proc"
	"fsmon/nfsprobe/nfstest"
	"fsmon/smbprobe/smbtest"
)

// The kernel kills our processes when the thread that started them ends. So all
// are started from the main thread.
func init() { runtime.LockOSThread() }

func main() {
	if len(os.Args) > 1 && os.Args[1] == floorArg {
		if err := floorMain(os.Args[2:]); err != nil {
			fmt.Fprintf(os.Stderr, "bench: error: the hand-written client: %v\n", err)
			os.Exit(1)
		}
		return
	}
	chart := flag.String("svg", "", "also draw a chart into this `file`")
	parts := strings.Join(allParts, ",")
	only := flag.String("parts", parts, "measure these `parts` alone")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: bench [-svg FILE] [-parts PART,...] DIRECTORY "+
			"(the one of clp_sambamon and clp_nfsmon)")
	}
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	nfstest.Isolate()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM,
		syscall.SIGHUP)
	defer stop()
	if err := bench(ctx, flag.Arg(0), *chart, strings.Split(*only, ",")); err != nil {
		if ctx.Err() != nil {
			err = errors.New("interrupted")
		}
		fmt.Fprintf(os.Stderr, "bench: error: %v\n", err)
		os.Exit(1)
	}
}

// The parts of the benchmark.
const (
	partTools    = "tools"
	partSettled  = "settled"
	partFaults   = "faults"
	partPromises = "promises"
	partVerdicts = "verdicts"
)

var allParts = []string{partTools, partSettled, partFaults, partPromises, partVerdicts}

// step is a step of a part.
type step struct {
	part, what string
	do         func() error
}

func bench(ctx context.Context, bin, chart string, parts []string) (err error) {
	if bin, err = filepath.Abs(bin); err != nil {
		return err
	}
	// For peakOf.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become the parent of orphans: %w", err)
	}
	samba, err := smbtest.StartSamba(ctx, smbtest.Config{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, samba.Close()) }()
	lab, err := nfstest.StartLab(ctx, nfstest.Config{InPlace: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lab.Close()) }()
	s := servers{samba, lab}

	b := benchmark{
		machine: proc.Machine(),
		rows:    newRows(allWays(bin, s)),
	}
	// The watches write below the server's directory, which is removed with it.
	for _, step := range []step{
		{partTools, "the tools, asking a healthy server",
			func() error { return measure(ctx, &b) }},
		{partTools, "the tools' memory", func() error { return measurePeaks(ctx, b.rows) }},
		{partSettled, "settled watches", func() error { return settle(ctx, samba.Dir, b.rows) }},
		{partFaults, "frozen servers", func() error {
			return s.fault(ctx, frozen, b.rows, samba.Freeze,
				func() error { return lab.Freeze(nfstest.Ganesha) })
		}},
		{partFaults, "their recovery", func() error {
			return errors.Join(samba.Thaw(), lab.Thaw(nfstest.Ganesha), recovered(ctx, b.rows))
		}},
		{partPromises, "promises", func() error { return s.keep(ctx, &b, partPromises) }},
		{partVerdicts, "verdicts", func() error { return s.keep(ctx, &b, partVerdicts) }},
		{partFaults, "blackholed ports", func() error {
			return s.fault(ctx, blackholed, b.rows, func() error { return lab.Drop(samba.Port) },
				func() error {
					return errors.Join(lab.Drop(int(lab.AddrPort().Port())),
						lab.Drop(mountPort))
				})
		}},
	} {
		if !slices.Contains(parts, step.part) {
			continue
		}
		fmt.Fprintf(os.Stderr, "bench: %s\n", step.what)
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	fmt.Print(b.text())
	if chart == "" {
		return nil
	}
	svg, err := b.chart()
	if err != nil {
		return err
	}
	return os.WriteFile(chart, svg, 0o644)
}

// servers is the file servers that are asked.
type servers struct {
	samba *smbtest.Server
	nfs   *nfstest.Lab
}

// mountPort is that of a lab's mount service.
const mountPort = 20048

// benchmark is all that was measured.
type benchmark struct {
	machine string // proc.Machine
	calm    calm
	rows    []row
	kept    []kept
}

// row is what was measured of one way.
type row struct {
	way
	cost    cost
	memory  proc.Memory // of a tool only the peak, of a watch the medians of many looks
	notices [2]notice   // of a frozen server, and of blackholed ports
}

// The faults.
const (
	frozen = iota
	blackholed
)

func newRows(ways []way) []row {
	var rows []row
	for _, w := range ways {
		rows = append(rows, row{way: w})
	}
	return rows
}
