// Command demo shows the watches at work: a private Samba and a private NFS
// server are watched, frozen, and judged failed. It takes the directory of the
// built commands and leaves nothing behind.
package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
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

	"fsmon/nfsprobe/nfstest"
	"fsmon/smbprobe/smbtest"
)

// A parent-death signal comes when the thread that started the process ends, so
// everything is started from the main one.
func init() { runtime.LockOSThread() }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "demo: error: one argument is needed (the directory of the built commands)")
		os.Exit(2)
	}
	if err := demo(ctx, os.Args[1]); err != nil {
		fmt.Fprintf(os.Stderr, "demo: error: %v\n", err)
		os.Exit(1)
	}
	say("Everything is cleaned up.")
}

const (
	patience = 20 * time.Second // bound of any single thing that is shown here
	endTime  = 2 * time.Second  // bound of the end of a process that was asked to end
)

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
	fmt.Println("    The watches, demo-samba and demo-nfs, also report to this machine's journal or syslog and CLUSTERPRO alert view, where it has them.")
	dir := samba.Dir // what the watches write lies with the server, so that it goes with it
	w := watch{command: filepath.Join(bin, "clp_sambamon"), dir: dir, id: "demo-samba"}
	target := []string{"-s", "share", "--port", strconv.Itoa(samba.Port), "-i", "1", "-c", "2", "-r", "1"}
	if err := w.verdict(ctx, target, freezer{"smbd", samba.Freeze}); err != nil {
		return err
	}

	say("A private NFS server (rpcbind and NFS-Ganesha) is started in a network namespace of its own.")
	lab, err := nfstest.StartLab(ctx, nfstest.Config{})
	if err != nil {
		return orInterrupted(ctx, err)
	}
	defer func() { err = errors.Join(err, lab.Close()) }()
	w = watch{command: filepath.Join(bin, "clp_nfsmon"), dir: dir, id: "demo-nfs", exec: lab.Command}
	target = []string{"-d", lab.Path("export"), "-i", "1", "-c", "2", "-r", "1"}
	if err := w.verdict(ctx, target, freezer{"Ganesha", func() error { return lab.Freeze(nfstest.Ganesha) }}); err != nil {
		return err
	}

	say("The kit runner for Windows, asked what it would do:")
	kit := watch{command: filepath.Join(bin, "kitrunner"), dir: dir}
	return kit.run(ctx, "lanman", "quickCheck", "--tag", "lanman-FILES", "--id", "FILES", "--node", "NODE1", "--plan")
}

var errInterrupted = errors.New("interrupted")

// orInterrupted is err, or says that somebody has ended the demo if that is why.
// What was being started when ^C was pressed may have ended of it a moment earlier.
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
	if err := w.start(ctx, append(args, "--log-file", filepath.Join(w.dir, "watch.log"), "--evidence-dir", evidence)...); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.end()) }()
	if err := w.until(ctx, "INFO 2 "); err != nil {
		return err
	}
	say("What the watch says of itself:")
	if err := w.run(ctx, w.id, "-disp"); err != nil {
		return err
	}

	say("%s is frozen with SIGSTOP: TCP still connects, nothing answers, no process has died.", server.name)
	if err := server.freeze(); err != nil {
		return err
	}
	frozen := time.Now()
	if err := w.until(ctx, "ERROR 6 "); err != nil {
		return err
	}
	judged := time.Now()
	code, err := w.wait(ctx)
	if err != nil {
		return err
	}
	say("The verdict came %.1f s after the freeze, and the watch ended with exit code %d; the PID monitor of a cluster would now start the failover.",
		judged.Sub(frozen).Seconds(), code)
	fmt.Println("    At these settings the verdict takes (c+1)·r = 3 s from the first stalled probe, which starts within i = 1 s.")
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
	command, dir, id string
	exec             func(name string, args ...string) *exec.Cmd // nil: here
	cmd              *exec.Cmd
	lines            chan string
	ended            chan struct{} // closed when the process has been waited for, before lines is
}

// process ends with this one, however this one ends, and not by itself when
// somebody at a terminal presses ^C. Killed, it writes nothing into a directory
// that is being removed.
func (w *watch) process(ctx context.Context, args ...string) *exec.Cmd {
	fmt.Printf("    $ %s %s\n", filepath.Base(w.command), strings.Join(args, " "))
	line := append([]string{w.command}, args...)
	if w.exec != nil {
		line = w.exec(w.command, args...).Args
	}
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = endTime
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	cmd.Env = append(os.Environ(), "FSMON_REGISTRY="+filepath.Join(w.dir, "registry"))
	return cmd
}

func (w *watch) start(ctx context.Context, args ...string) error {
	w.cmd = w.process(ctx, args...)
	r, stderr := io.Pipe()
	w.cmd.Stderr = stderr
	if err := w.cmd.Start(); err != nil {
		return err
	}
	w.lines, w.ended = make(chan string, 64), make(chan struct{})
	go func() {
		w.cmd.Wait() // its exit code tells all
		close(w.ended)
		stderr.Close()
	}()
	go func() {
		defer close(w.lines)
		for s := bufio.NewScanner(r); s.Scan(); {
			w.lines <- s.Text()
		}
		io.Copy(io.Discard, r)
	}()
	return nil
}

// until shows the watch's messages up to the one that contains part.
func (w *watch) until(ctx context.Context, part string) error {
	timeout := time.After(patience)
	for {
		select {
		case line, ok := <-w.lines:
			if !ok {
				return orInterrupted(ctx, fmt.Errorf("the watch ended before it said %q", part))
			}
			fmt.Println("    " + line)
			if strings.Contains(line, part) {
				return nil
			}
		case <-ctx.Done():
			return errInterrupted
		case <-timeout:
			return fmt.Errorf("the watch did not say %q within %s", part, patience)
		}
	}
}

// wait shows the rest of the watch's messages and returns its exit code.
func (w *watch) wait(ctx context.Context) (int, error) {
	timeout := time.After(patience)
	for {
		select {
		case line, ok := <-w.lines:
			if !ok {
				return w.cmd.ProcessState.ExitCode(), nil
			}
			fmt.Println("    " + line)
		case <-ctx.Done():
			return 0, errInterrupted
		case <-timeout:
			return 0, fmt.Errorf("the watch did not end within %s", patience)
		}
	}
}

// run runs a verb and shows what it prints.
func (w *watch) run(ctx context.Context, args ...string) error {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	out, err := w.process(limited, args...).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		fmt.Print("      " + line)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w (it said: %s)", filepath.Base(w.command), cmp.Or(limited.Err(), err), strings.TrimSpace(string(out)))
		return orInterrupted(ctx, err)
	}
	return nil
}

// end ends a watch as a service manager would, and one that does not end by force.
func (w *watch) end() error {
	select {
	case <-w.ended:
		return nil
	default:
	}
	if err := w.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-w.ended:
		return nil
	case <-time.After(endTime):
	}
	err := fmt.Errorf("the watch did not end within %s and was killed", endTime)
	if kill := w.cmd.Process.Kill(); kill != nil && !errors.Is(kill, os.ErrProcessDone) {
		err = errors.Join(err, kill)
	}
	<-w.ended
	return err
}
