// Command demo shows the watches at work: a private Samba and a private NFS
// server are watched, frozen, and judged failed. It takes the directory of the
// built commands and leaves nothing behind.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"fsmon/cmd/internal/lab/proc"
	"fsmon/nfsprobe/nfstest"
	"fsmon/smbprobe/smbtest"
)

// The kernel kills our processes when the thread that started them ends. So all
// are started from the main thread.
func init() { runtime.LockOSThread() }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM,
		syscall.SIGHUP)
	defer stop()
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr,
			"demo: error: one argument is needed (the directory of the built commands)")
		os.Exit(2)
	}
	if err := demo(ctx, os.Args[1]); err != nil {
		fmt.Fprintf(os.Stderr, "demo: error: %v\n", err)
		os.Exit(1)
	}
	say("Everything is cleaned up.")
}

// freezer is a file server that can be made to hang.
type freezer struct {
	name   string
	freeze func() error
}

func demo(ctx context.Context, bin string) (err error) {
	if bin, err = filepath.Abs(bin); err != nil {
		return err
	}
	say("A private Samba is started on loopback.")
	samba, err := smbtest.StartSamba(ctx, smbtest.Config{})
	if err != nil {
		return orInterrupted(ctx, err)
	}
	defer func() { err = errors.Join(err, samba.Close()) }()
	fmt.Printf("    smbd (PID %d) serves //%s/share\n", samba.PID, samba.Addr())
	fmt.Println("    The watches, demo-samba and demo-nfs, also report to this machine's journal or " +
		"syslog and CLUSTERPRO alert view, where it has them.")
	dir := samba.Dir // what the watches write lies with the server, so that it goes with it
	w := watch{command: filepath.Join(bin, "clp_sambamon"), dir: dir, id: "demo-samba",
		exec: exec.Command}
	target := []string{"-s", "share", "--port", strconv.Itoa(samba.Port), "-i", "1", "-c", "2",
		"-r", "1"}
	if err := w.verdict(ctx, target, freezer{"smbd", samba.Freeze}); err != nil {
		return err
	}

	say("A private NFS server (rpcbind and NFS-Ganesha) is started in a network namespace of its own.")
	lab, err := nfstest.StartLab(ctx, nfstest.Config{})
	if err != nil {
		return orInterrupted(ctx, err)
	}
	defer func() { err = errors.Join(err, lab.Close()) }()
	w = watch{command: filepath.Join(bin, "clp_nfsmon"), dir: dir, id: "demo-nfs",
		exec: lab.Command}
	target = []string{"-d", lab.Path("export"), "-i", "1", "-c", "2", "-r", "1"}
	if err := w.verdict(ctx, target,
		freezer{"Ganesha", func() error { return lab.Freeze(nfstest.Ganesha) }}); err != nil {
		return err
	}

	say("The kit runner for Windows, asked what it would do:")
	kit := watch{command: filepath.Join(bin, "kitrunner"), dir: dir, exec: exec.Command}
	return kit.run(ctx, "lanman", "quickCheck", "--tag", "lanman-FILES", "--id", "FILES", "--node",
		"NODE1", "--plan")
}

var errInterrupted = errors.New("interrupted")

// orInterrupted returns errInterrupted if somebody has pressed ^C, and err
// otherwise. ^C may have ended what was being started a moment earlier.
func orInterrupted(ctx context.Context, err error) error {
	select {
	case <-ctx.Done():
		return errInterrupted
	case <-time.After(100 * time.Millisecond):
		return err
	}
}

// verdict shows one watch from its first probe to the verdict.
func (w *watch) verdict(ctx context.Context, target []string, server freezer) (err error) {
	say("One probe, step by step:")
	if err := w.run(ctx, append([]string{"-check"}, target...)...); err != nil {
		return err
	}
	say("A watch is started: a probe every second, one second to answer, two retries.")
	evidence := filepath.Join(w.dir, "evidence")
	args := append([]string{w.id}, target...)
	args = append(args, "--log-file", filepath.Join(w.dir, "watch.log"), "--evidence-dir", evidence)
	if w.Process, err = proc.Start(w.prepare(args...)); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.End()) }()
	if err := w.until(ctx, "INFO 2 "); err != nil {
		return orInterrupted(ctx, fmt.Errorf("the watch did not find its server healthy: %w", err))
	}
	say("What the watch says of itself:")
	if err := w.run(ctx, w.id, "-disp"); err != nil {
		return err
	}

	say("%s is frozen with SIGSTOP: TCP still connects, nothing answers, no process has died.",
		server.name)
	if err := server.freeze(); err != nil {
		return err
	}
	frozen := time.Now()
	if err := w.until(ctx, "ERROR 6 "); err != nil {
		return orInterrupted(ctx, fmt.Errorf("the watch did not judge: %w", err))
	}
	judged := time.Now()
	if err := w.until(ctx, ""); err != proc.ErrEnded {
		return orInterrupted(ctx, fmt.Errorf("the watch did not end after its verdict: %w", err))
	}
	code := w.Code()
	say("The verdict came %.1f s after the freeze, and the watch ended with exit code %d; "+
		"the PID monitor of a cluster would now start the failover.",
		judged.Sub(frozen).Seconds(), code)
	fmt.Println("    At these settings the verdict takes (c+1)·r = 3 s from the first stalled probe, " +
		"which starts within i = 1 s.")
	if code != 1 {
		return orInterrupted(ctx, fmt.Errorf("exit code %d, where 1 was due", code))
	}
	fmt.Println("    What was saved for those who look into it later:")
	return filepath.WalkDir(evidence, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.Contains(path, w.id) {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			fmt.Printf("      %6d bytes  %s\n", info.Size(), strings.TrimPrefix(path, evidence+"/"))
		}
		return err
	})
}

func say(format string, args ...any) { fmt.Printf("\n==> "+format+"\n", args...) }

// watch is a command, and its running watch, whose stderr is shown.
type watch struct {
	*proc.Process
	command, dir, id string
	exec             func(name string, args ...string) *exec.Cmd
	shown            int // bytes of stderr
}

// prepare shows a command line and returns it.
func (w *watch) prepare(args ...string) *exec.Cmd {
	fmt.Printf("    $ %s %s\n", filepath.Base(w.command), strings.Join(args, " "))
	cmd := w.exec(w.command, args...)
	cmd.Env = append(os.Environ(), "FSMON_REGISTRY="+filepath.Join(w.dir, "registry"))
	return cmd
}

// until shows the watch's messages up to the one that contains part, and all of
// them if there is none: then it returns proc.ErrEnded.
func (w *watch) until(ctx context.Context, part string) error {
	limited, cancel := context.WithTimeout(ctx, proc.Patience)
	defer cancel()
	return w.Until(limited, func() bool {
		for {
			line, _, whole := strings.Cut(w.Errors()[w.shown:], "\n")
			if !whole {
				return false
			}
			w.shown += len(line) + 1
			fmt.Println("    " + line)
			if part != "" && strings.Contains(line, part) {
				return true
			}
		}
	})
}

// run runs a verb and shows what it prints.
func (w *watch) run(ctx context.Context, args ...string) error {
	limited, cancel := context.WithTimeout(ctx, proc.Patience)
	defer cancel()
	var out bytes.Buffer
	cmd := w.prepare(args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	verb, err := proc.Start(cmd)
	if err != nil {
		return err
	}
	if err = verb.Wait(limited); err == nil && verb.Code() != 0 {
		err = fmt.Errorf("%v", cmd.ProcessState)
	}
	for line := range strings.Lines(out.String()) {
		fmt.Print("      " + line)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w (it said: %s)", filepath.Base(w.command), err,
			strings.TrimSpace(out.String()))
		return orInterrupted(ctx, err)
	}
	return nil
}
