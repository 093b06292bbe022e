// Command exporter shows fsmon_exporter between real file servers and Debian's
// prometheus, alertmanager and node exporter: as a story for a person (demo),
// which its test holds, and what 500 targets cost (bench). It takes the
// directory of the built commands, and must run as root, since all this runs in
// a network namespace of its own. It leaves nothing behind.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"fsmon/nfsprobe/nfstest"
)

// The kernel kills our processes when the thread that started them ends. So all
// are started from the main thread.
func init() { runtime.LockOSThread() }

func main() {
	const usage = "usage: exporter demo DIRECTORY-OF-COMMANDS DIRECTORY-OF-TEMPLATES\n" +
		"       exporter bench DIRECTORY-OF-COMMANDS [DURATION]"
	nfstest.Isolate()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM,
		syscall.SIGHUP)
	defer stop()
	var err error
	switch args := os.Args[1:]; {
	case len(args) == 3 && args[0] == "demo":
		err = demo(ctx, args[1], args[2])
	case len(args) == 2 && args[0] == "bench":
		err = crowd{500, 2 * time.Minute}.run(ctx, args[1])
	case len(args) == 3 && args[0] == "bench":
		c := crowd{targets: 500}
		if c.duration, err = time.ParseDuration(args[2]); err == nil {
			err = c.run(ctx, args[1])
		}
	default:
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
	if ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "exporter: error: %v\n", err)
		os.Exit(1)
	}
}

// demo plays the scene for a person.
func demo(ctx context.Context, bin, templates string) (err error) {
	if bin, err = filepath.Abs(bin); err != nil {
		return err
	}
	s, err := newScene(ctx, bin, templates,
		func(format string, args ...any) { fmt.Printf(format+"\n", args...) })
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, s.close()); err == nil {
			fmt.Println("\n==> Everything is cleaned up.")
		}
	}()
	return s.play(ctx)
}
