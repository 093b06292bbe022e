// Command demo shows the watches at work: a private Samba and a private NFS
// server are watched, frozen, and judged failed. It takes the directory of the
// built commands and leaves nothing behind.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"fsmon/nfsprobe/nfstest"
	"fsmon/smbprobe/smbtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "demo: error: one argument is needed (the directory of the built commands)")
		os.Exit(2)
	}
	if err := demo(ctx, os.Args[1]); err != nil {
		fmt.Fprintf(os.Stderr, "demo: error: %v\n", err)
		os.Exit(1)
	}
}

// patience is how long any single thing may take that is shown here.
const patience = 20 * time.Second

// freezer is a file server that can be made to hang.
type freezer struct {
	name   string
	freeze func() error
}

func demo(ctx context.Context, bin string) (err error) {
	if bin, err = filepath.Abs(bin); err != nil {
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
	w := watch{command: filepath.Join(bin, "clp_sambamon"), dir: dir, id: "sambawatch"}
	target := []string{"-s", "share", "--port", strconv.Itoa(samba.Port), "-i", "1", "-c", "2", "-r", "1"}
	if err := w.verdict(ctx, target, freezer{"smbd", samba.Freeze}); err != nil {
		return err
	}

	say("A private NFS server (rpcbind and NFS-Ganesha) is started in a network namespace of its own.")
	lab, err := nfstest.StartLab(ctx, nfstest.Config{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lab.Close()) }()
	w = watch{command: filepath.Join(bin, "clp_nfsmon"), dir: dir, id: "nfswatch", exec: lab.Command}
	target = []string{"-d", lab.Path("export"), "-i", "1", "-c", "2", "-r", "1"}
	if err := w.verdict(ctx, target, freezer{"Ganesha", func() error { return lab.Freeze(nfstest.Ganesha) }}); err != nil {
		return err
	}

	say("The kit runner for Windows, asked what it would do:")
	kit := watch{command: filepath.Join(bin, "kitrunner"), dir: dir}
	if err := kit.run("lanman", "quickCheck", "--tag", "lanman-FILES", "--id", "FILES", "--node", "NODE1", "--plan"); err != nil {
		return err
	}
	say("Everything is cleaned up.")
	return nil
}

// verdict shows one watch from its first probe to the verdict.
func (w *watch) verdict(ctx context.Context, target []string, server freezer) error {
	say("One probe, step by step:")
	if err := w.run(append([]string{"-check"}, target...)...); err != nil {
		return err
	}
	say("A watch is started: a probe every second, one second to answer, two retries.")
	evidence := filepath.Join(w.dir, "evidence")
	args := append([]string{w.id}, target...)
	if err := w.start(append(args, "--log-file", filepath.Join(w.dir, "watch.log"), "--evidence-dir", evidence)...); err != nil {
		return err
	}
	defer w.end()
	if err := w.until(ctx, "INFO 2 "); err != nil {
		return err
	}
	say("What the watch says of itself:")
	if err := w.run(w.id, "-disp"); err != nil {
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
		return fmt.Errorf("exit code %d, where 1 was due", code)
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
}

func (w *watch) process(args ...string) *exec.Cmd {
	command := exec.Command
	if w.exec != nil {
		command = w.exec
	}
	cmd := command(w.command, args...)
	cmd.Env = append(os.Environ(), "FSMON_REGISTRY="+filepath.Join(w.dir, "registry"))
	fmt.Printf("    $ %s %s\n", filepath.Base(w.command), strings.Join(args, " "))
	return cmd
}

func (w *watch) start(args ...string) error {
	w.cmd = w.process(args...)
	if w.cmd.SysProcAttr == nil {
		w.cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	w.cmd.SysProcAttr.Pdeathsig = syscall.SIGTERM
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
