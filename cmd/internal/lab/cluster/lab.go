package main

import (
	"bytes"
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"fsmon/cmd/internal/lab/proc"
)

//go:embed lab
var labFiles embed.FS

// lab is two cluster nodes and a client in namespaces below one process. All of
// it ends with this program.
type lab struct {
	dir    string
	remove func() error // removes dir
	outer  *proc.Process
	init   int // process 1 of the lab, as this process sees it
}

// startLab boots both nodes. bin holds the built commands, agent is the OCF
// agent's file. With a configuration of keepalived the nodes run that, and
// Pacemaker otherwise.
func startLab(bin, agent, keepalived string) (_ *lab, err error) {
	dir, remove, err := proc.TempDir("fsmon-cluster-")
	if err != nil {
		return nil, err
	}
	l := &lab{dir: dir, remove: remove}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	if err := os.Mkdir(l.path("run"), 0o755); err != nil {
		return nil, err
	}
	entries, err := fs.ReadDir(labFiles, "lab")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		text, err := labFiles.ReadFile("lab/" + e.Name())
		if err != nil {
			return nil, err
		}
		text = bytes.ReplaceAll(text, []byte("@RUN@"), []byte(l.path("run")))
		if err := os.WriteFile(l.path(e.Name()), text, 0o755); err != nil {
			return nil, err
		}
	}
	for _, file := range []string{filepath.Join(bin, "clp_sambamon"),
		filepath.Join(bin, "clp_nfsmon"), agent} {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(l.path(filepath.Base(file)), text, 0o755); err != nil {
			return nil, err
		}
	}
	if keepalived != "" {
		if _, err := l.write("keepalived.conf", keepalived); err != nil {
			return nil, err
		}
	}
	log, err := os.Create(l.path("run/lab.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	unshare := exec.Command("unshare", "-m", "-n", "-i", "-p", "--fork", "--kill-child",
		"--mount-proc", "bash", l.path("lab-init.sh"), dir)
	unshare.Stdout, unshare.Stderr = log, log
	if l.outer, err = proc.Start(unshare); err != nil {
		return nil, err
	}
	err = until("the lab's first process", func() bool {
		children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", l.outer.PID))
		l.init, _ = strconv.Atoi(strings.TrimSpace(string(children)))
		return l.init != 0
	})
	if err != nil {
		return nil, err
	}
	return l, until("both nodes", func() bool { return l.up("n1") && l.up("n2") })
}

// close ends everything in the lab. When process 1 of a namespace ends, the
// kernel kills all others.
func (l *lab) close() {
	if l.outer != nil {
		l.outer.Kill()
		if l.init != 0 {
			until("the lab's end", func() bool { return syscall.Kill(l.init, 0) != nil })
		}
	}
	l.remove() // an error: files are left in the directory for temporary ones
}

func (l *lab) path(name string) string { return filepath.Join(l.dir, name) }

func (l *lab) up(node string) bool {
	b, err := os.ReadFile(l.path("run/" + node + ".init"))
	return err == nil && len(bytes.TrimSpace(b)) > 0
}

// command is a command inside of the lab; where is "n1", "n2", "client", or ""
// for the switch between them.
func (l *lab) command(ctx context.Context, where string, args ...string) *exec.Cmd {
	enter := []string{"-t", strconv.Itoa(l.init), "-m", "-n", "-p", "-i", "--"}
	switch where {
	case "":
	case "client":
		enter = append(enter, "ip", "netns", "exec", "client")
	default:
		b, err := os.ReadFile(l.path("run/" + where + ".init"))
		if err != nil {
			return exec.CommandContext(ctx, "false") // the node is off
		}
		enter = append(enter, "nsenter", "-t", strings.TrimSpace(string(b)), "-m", "-u", "-i", "-n",
			"-p", "--")
	}
	cmd := exec.CommandContext(ctx, "nsenter", append(enter, args...)...)
	cmd.WaitDelay = time.Second // what it started may keep the pipe open
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// on runs a command to its end, which must be a success.
func (l *lab) on(where string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*proc.Patience)
	defer cancel()
	cmd := l.command(ctx, where, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil
	}
	if err != nil {
		err = fmt.Errorf("%s: %s: %w: %s", cmp.Or(where, "the switch"), strings.Join(args, " "),
			err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.String(), err
}

// sh runs a line of shell to its end.
func (l *lab) sh(where, line string) error {
	_, err := l.on(where, "bash", "-c", line)
	return err
}

// write puts a file into the lab's directory, which all nodes see.
func (l *lab) write(name, text string) (path string, err error) {
	path = l.path(name)
	return path, os.WriteFile(path, []byte(text), 0o644)
}

// freeze stops every process of a node, as if the machine hangs.
func (l *lab) freeze(node string) error {
	pids, err := l.on("", "bash", "-c", `w=$(readlink /proc/$(cat `+l.path("run/"+node+".init")+`)/ns/pid)
for p in /proc/[0-9]*; do [ "$(readlink "$p/ns/pid" 2>/dev/null)" = "$w" ] && echo "${p#/proc/}"; done; true`)
	if err != nil {
		return err
	}
	_, err = l.on("", append([]string{"kill", "-STOP"}, strings.Fields(pids)...)...)
	return err
}

// boot turns a node on that is off.
func (l *lab) boot(node string) error {
	if err := l.sh("", "echo boot "+node+" >"+l.path("run/switch")); err != nil {
		return err
	}
	return until("the boot of "+node, func() bool { return l.up(node) })
}

// until polls for a state of the lab.
func until(what string, done func() bool) error { return within(proc.Patience, what, done) }

func within(wait time.Duration, what string, done func() bool) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(wait); !done(); <-tick.C {
		if time.Now().After(end) {
			return fmt.Errorf("waited %v for %s", wait, what)
		}
	}
	return nil
}
