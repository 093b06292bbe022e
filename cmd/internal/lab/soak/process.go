package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// watched is a watch that this program has started.
type watched struct {
	id    string
	cmd   *exec.Cmd
	began time.Time
	ended chan struct{} // closed when it has been waited for, and all that it said was read

	mu       sync.Mutex
	counts   map[int]int   // of its messages by number
	watching time.Time     // when its message 1 was read
	last     []string      // its latest lines
	killed   time.Time     // when this program sent SIGKILL
	termed   time.Time     // when it first sent SIGTERM
	gone     time.Time     // when it had ended
	changed  chan struct{} // closed, and replaced, when something above changes
}

var message = regexp.MustCompile(`^\S+ (?:sambamon|nfsmon) (?:INFO|WARN|ERROR) (\d+) (.*)$`)

// command is one of the built commands on a registry. It does not outlive this program.
func command(ctx context.Context, bin, registry, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(bin, name), args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "FSMON_REGISTRY=" + registry}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// startWatch starts a watch; the program ends it with stop or kill.
func startWatch(bin, registry, name, id string, args ...string) (*watched, error) {
	cmd := command(context.Background(), bin, registry, name, append([]string{id}, args...)...)
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = w
	p := &watched{id: id, cmd: cmd, began: time.Now(), ended: make(chan struct{}),
		counts: map[int]int{}, changed: make(chan struct{})}
	err = cmd.Start()
	w.Close()
	if err != nil {
		r.Close()
		return nil, err
	}
	go func() {
		defer close(p.ended)
		defer r.Close()
		for lines := bufio.NewScanner(r); lines.Scan(); {
			p.note(lines.Text())
		}
		cmd.Wait() // how it ended is in ProcessState
		p.change(func() { p.gone = time.Now() })
	}()
	return p, nil
}

func (p *watched) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *watched) note(line string) {
	p.change(func() {
		p.last = append(p.last, line)
		if len(p.last) > 12 {
			p.last = p.last[1:]
		}
		m := message.FindStringSubmatch(line)
		if m == nil || strings.HasPrefix(m[2], "... ") {
			return
		}
		number, _ := strconv.Atoi(m[1])
		p.counts[number]++
		if number == 1 {
			p.watching = time.Now()
		}
	})
}

// count is how many messages of a number it has sent.
func (p *watched) count(number int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts[number]
}

func (p *watched) alive() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// until waits until done, which is called with p.mu held, says so, or the process has ended.
func (p *watched) until(ctx context.Context, done func() bool) bool {
	for {
		p.mu.Lock()
		ok, changed := done(), p.changed
		p.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-p.ended:
			p.mu.Lock()
			defer p.mu.Unlock()
			return done()
		case <-ctx.Done():
			return false
		}
	}
}

// kill sends SIGKILL, to the process that was started and to no number.
func (p *watched) kill() {
	p.change(func() {
		if p.killed.IsZero() && p.gone.IsZero() {
			p.killed = time.Now()
		}
	})
	p.cmd.Process.Kill() // an error: it has ended
}

// term sends SIGTERM, in the same way.
func (p *watched) term() {
	p.change(func() {
		if p.termed.IsZero() && p.gone.IsZero() {
			p.termed = time.Now()
		}
	})
	p.cmd.Process.Signal(syscall.SIGTERM) // an error: it has ended
}

// end asks the watch to end, as a service manager does, and makes sure that it has.
func (p *watched) end() error {
	if !p.alive() {
		return nil
	}
	p.term()
	select {
	case <-p.ended:
		return nil
	case <-time.After(patience):
	}
	p.kill()
	<-p.ended
	return fmt.Errorf("%s did not end on SIGTERM within %v and was killed", p.story(), patience)
}

// story is who it is and what it said last.
func (p *watched) story() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Sprintf("watch %s (process %d)\n    %s", p.id, p.cmd.Process.Pid, strings.Join(p.last, "\n    "))
}
