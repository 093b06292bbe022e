// Command demo shows a watch at work: a private Samba on loopback is watched,
// frozen, and judged failed. It takes the path of clp_sambamon and leaves
// nothing behind.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"fsmon/smbprobe/smbtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "demo: error: one argument is needed (the path of clp_sambamon)")
		os.Exit(2)
	}
	if err := demo(ctx, os.Args[1]); err != nil {
		fmt.Fprintf(os.Stderr, "demo: error: %v\n", err)
		os.Exit(1)
	}
}

// patience is how long any single thing may take that is shown here.
const patience = 20 * time.Second

func demo(ctx context.Context, command string) (err error) {
	command, err = filepath.Abs(command)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "fsmon-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	say("A private Samba is started on loopback.")
	samba, err := smbtest.StartSamba(ctx, smbtest.Config{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, samba.Close()) }()
	fmt.Printf("    smbd (PID %d) serves //%s/share\n", samba.PID, samba.Addr())

	say("A watch is started on it: a probe every second, one second to answer, two retries.")
	w := watch{command: command, dir: dir}
	if err := w.start("sambawatch", "-s", "share", "--port", strconv.Itoa(samba.Port), "-i", "1", "-c", "2", "-r", "1",
		"--log-file", filepath.Join(dir, "watch.log")); err != nil {
		return err
	}
	defer w.end()
	if err := w.until(ctx, "INFO 2 "); err != nil {
		return err
	}

	say("What the watch says of itself:")
	if err := w.run("sambawatch", "-disp"); err != nil {
		return err
	}

	say("smbd is frozen with SIGSTOP: TCP still connects, nothing answers, no process has died.")
	if err := samba.Freeze(); err != nil {
		return err
	}
	frozen := time.Now()
	if err := w.until(ctx, "ERROR 6 "); err != nil {
		return err
	}
	code, err := w.wait(ctx)
	if err != nil {
		return err
	}
	say("The watch ended with exit code %d, %.1f s after the freeze; the PID monitor of a cluster would now start the failover.",
		code, time.Since(frozen).Seconds())
	fmt.Println("    At these settings the verdict takes (c+1)·r = 3 s from the first stalled probe, which starts within i = 1 s.")
	if code != 1 {
		return fmt.Errorf("exit code %d, where 1 was due", code)
	}
	say("Everything is cleaned up.")
	return nil
}

func say(format string, args ...any) { fmt.Printf("\n==> "+format+"\n", args...) }

// watch is a running clp_sambamon whose stderr is shown.
type watch struct {
	command, dir string
	cmd          *exec.Cmd
	lines        chan string
}

func (w *watch) process(args ...string) *exec.Cmd {
	cmd := exec.Command(w.command, args...)
	cmd.Env = append(os.Environ(), "FSMON_REGISTRY="+filepath.Join(w.dir, "registry"))
	fmt.Printf("    $ clp_sambamon %s\n", strings.Join(args, " "))
	return cmd
}

func (w *watch) start(args ...string) error {
	w.cmd = w.process(args...)
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	stderr, err := w.cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := w.cmd.Start(); err != nil {
		return err
	}
	w.lines = make(chan string, 64)
	go func() {
		defer close(w.lines)
		for s := bufio.NewScanner(stderr); s.Scan(); {
			w.lines <- s.Text()
		}
		io.Copy(io.Discard, stderr)
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
				return fmt.Errorf("the watch ended before it said %q", part)
			}
			fmt.Println("    " + line)
			if strings.Contains(line, part) {
				return nil
			}
		case <-ctx.Done():
			return errors.New("interrupted")
		case <-timeout:
			return fmt.Errorf("the watch did not say %q within %s", part, patience)
		}
	}
}

func (w *watch) wait(ctx context.Context) (int, error) {
	for line := range w.lines {
		fmt.Println("    " + line)
	}
	err := w.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, err
	}
	return w.cmd.ProcessState.ExitCode(), ctx.Err()
}

// run runs a verb and shows what it prints.
func (w *watch) run(args ...string) error {
	out, err := w.process(args...).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		fmt.Print("      " + line)
	}
	return err
}

// end ends a watch that still runs.
func (w *watch) end() {
	if w.cmd.ProcessState == nil {
		w.cmd.Process.Signal(syscall.SIGTERM)
		for range w.lines {
		}
		w.cmd.Wait()
	}
}
