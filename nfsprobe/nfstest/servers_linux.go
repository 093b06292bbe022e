package nfstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Server is one of a lab's two servers.
type Server string

// The servers of a lab.
const (
	Ganesha Server = "ganesha" // NFS and mount service
	Rpcbind Server = "rpcbind" // port mapper
)

// start runs a server and waits until it answers. Ganesha also runs without the
// exports that it could not take, which is an error here.
func (l *Lab) start(ctx context.Context, s Server) error {
	refused := l.said(noExport)
	err := l.run(ctx, s)
	if err == nil && l.said(noExport) > refused && !l.missing() {
		err = fmt.Errorf("ganesha does not take its exports (is there an /etc/mtab, "+
			"and the package nfs-ganesha-vfs?)\n%s", l.logTail(s))
	}
	return err
}

// missing is true if a test has removed the directory of an export.
func (l *Lab) missing() bool {
	return slices.ContainsFunc(l.exports, func(e Export) bool {
		_, err := os.Stat(l.path(e.Name))
		return err != nil
	})
}

func (l *Lab) run(ctx context.Context, s Server) error {
	line := "rpcbind -f"
	starts := l.said(initialized)
	if s == Ganesha {
		if err := l.writeConf(l.exports); err != nil {
			return err
		}
		line = fmt.Sprintf("ganesha.nfsd -F -f %[1]s/ganesha.conf -L %[1]s/log/ganesha.log "+
			"-p /run/ganesha.pid -N NIV_EVENT", l.dir)
	}
	pid, err := l.order(fmt.Sprintf("%s </dev/null >>%s/log/%s 2>&1 &", line, l.dir, s))
	if err != nil {
		return fmt.Errorf("start %s: %w", s, err)
	}
	l.pids[s] = pid
	for {
		once, cancel := context.WithTimeout(ctx, answerTime)
		err := l.answersNow(once, s)
		cancel()
		// Ganesha answers before it has registered with rpcbind.
		if err == nil && (s == Rpcbind || l.said(initialized) > starts) {
			return nil
		}
		if gone, _ := l.gone(s); gone {
			delete(l.pids, s)
			return fmt.Errorf("%s ended at once\n%s", s, l.logTail(s))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no answer from %s: %w (last: %v)\n%s", s, ctx.Err(), err,
				l.logTail(s))
		case <-time.After(pollTime):
		}
	}
}

// answersNow asks a server once.
func (l *Lab) answersNow(ctx context.Context, s Server) error {
	var failed error
	ask := func(port int, program, version uint32) {
		if failed == nil {
			failed = null(ctx, port, program, version)
		}
	}
	err := l.Do(func() {
		if s == Rpcbind {
			ask(111, 100000, 2)
			return
		}
		if !l.config.NoV3 {
			ask(l.config.NFSPort, 100003, 3)
			ask(l.config.MountPort, 100005, 3)
		}
		if !l.config.NoV4 {
			ask(l.config.NFSPort, 100003, 4)
		}
	})
	return errors.Join(err, failed)
}

// logTail returns the end of what a server wrote, for error messages.
func (l *Lab) logTail(s Server) string {
	var all []byte
	for _, name := range []string{string(s), string(s) + ".log"} {
		b, _ := os.ReadFile(l.path("log/" + name)) // no log, nothing to show
		all = append(all, b...)
	}
	return string(bytes.TrimSpace(all[max(0, len(all)-3000):]))
}

// states returns the state letters of a server's threads (proc(5)); none when it has ended.
func (l *Lab) states(s Server) (string, error) {
	// The lab's own /proc, since the process ID is the lab's own.
	stats, err := filepath.Glob(fmt.Sprintf("/proc/%d/root/proc/%s/task/*/stat",
		l.init.Process.Pid, l.pids[s]))
	if err != nil {
		return "", err
	}
	var states strings.Builder
	for _, stat := range stats {
		b, err := os.ReadFile(stat)
		if err != nil {
			continue // a thread that has just ended
		}
		// The name in parentheses may hold anything; after it comes the state.
		if _, rest, ok := strings.Cut(string(b[bytes.LastIndexByte(b, ')')+1:]), " "); ok &&
			rest[0] != 'Z' && rest[0] != 'X' {
			states.WriteByte(rest[0])
		}
	}
	return states.String(), nil
}

func (l *Lab) gone(s Server) (bool, error) {
	states, err := l.states(s)
	return states == "", err
}

// Freeze stops a server (SIGSTOP), the classic hang: TCP still connects, since the kernel does that, but nothing is answered.
func (l *Lab) Freeze(s Server) error {
	return l.signal("freeze", s, "STOP", func() (bool, error) {
		states, err := l.states(s)
		return strings.Trim(states, "T") == "", err
	})
}

// Thaw undoes Freeze; the server then serves what has connected in the meantime.
func (l *Lab) Thaw(s Server) error {
	return l.signal("thaw", s, "CONT", func() (bool, error) {
		states, err := l.states(s)
		return !strings.Contains(states, "T"), err
	})
}

// Kill ends a server with SIGKILL: it refuses connections, and the port map still lists a killed Ganesha. To Kill twice
// changes nothing.
func (l *Lab) Kill(s Server) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end(s, "KILL")
}

// Stop ends a server with SIGTERM: a stopped Ganesha leaves the port map.
func (l *Lab) Stop(s Server) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end(s, "TERM")
}

func (l *Lab) end(s Server, name string) error {
	if l.pids[s] == "" {
		return nil
	}
	if err := l.send("end", s, name, func() (bool, error) { return l.gone(s) }); err != nil {
		return err
	}
	delete(l.pids, s)
	return nil
}

// Restart starts a server with the exports and the ports it had; one that still runs is killed first. A new rpcbind knows no
// services until Ganesha is restarted too; Ganesha does not start without rpcbind.
func (l *Lab) Restart(s Server) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.control == nil {
		return fmt.Errorf("nfstest: restart %s: %w", s, os.ErrClosed)
	}
	if err := l.end(s, "KILL"); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	if err := l.start(ctx, s); err != nil {
		return fmt.Errorf("nfstest: restart: %w", err)
	}
	return nil
}

func (l *Lab) signal(what string, s Server, name string, reached func() (bool, error)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pids[s] == "" {
		return fmt.Errorf("nfstest: %s %s: %w", what, s, os.ErrProcessDone)
	}
	return l.send(what, s, name, reached)
}

// send sends a signal and waits for its effect.
func (l *Lab) send(what string, s Server, name string, reached func() (bool, error)) error {
	_, err := l.order(fmt.Sprintf("kill -s %s %s", name, l.pids[s]))
	if err == nil {
		err = poll(reached)
	}
	if err != nil {
		return fmt.Errorf("nfstest: %s %s: %w", what, s, err)
	}
	return nil
}

// Reload gives the running Ganesha other exports, exactly these, and returns when it has taken them (SIGHUP).
// An export that is not named is removed, also from under its clients.
func (l *Lab) Reload(exports ...Export) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pids[Ganesha] == "" {
		return fmt.Errorf("nfstest: reload: %w", os.ErrProcessDone)
	}
	before := l.said(reloaded)
	err := l.writeConf(exports)
	if err == nil {
		l.exports = exports
		_, err = l.order("kill -s HUP " + l.pids[Ganesha])
	}
	if err == nil {
		err = poll(func() (bool, error) { return l.said(reloaded) > before, nil })
	}
	if err != nil {
		return fmt.Errorf("nfstest: reload: %w\n%s", err, l.logTail(Ganesha))
	}
	return nil
}

// What Ganesha says when it is ready, when it has taken other exports, and of each that it could not take.
const (
	initialized = "NFS SERVER INITIALIZED"
	reloaded    = "Reread exports complete"
	noExport    = "Could not create export for"
)

// said is how often Ganesha has said something.
func (l *Lab) said(what string) int {
	b, _ := os.ReadFile(l.path("log/ganesha.log")) // none yet: nothing said
	return bytes.Count(b, []byte(what))
}

// Drop makes the lab's network swallow all that is sent to a port over TCP or UDP, as a firewall does that drops: connections hang.
func (l *Lab) Drop(port int) error { return l.firewall("-A", port) }

// Undrop undoes Drop.
func (l *Lab) Undrop(port int) error { return l.firewall("-D", port) }

// flush undoes every Drop.
const flush = "iptables -w -F INPUT && ip6tables -w -F INPUT"

func (l *Lab) firewall(verb string, port int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, protocol := range []string{"tcp", "udp"} {
		rule := fmt.Sprintf("tables -w %s INPUT -p %s --dport %d -j DROP", verb, protocol, port)
		if _, err := l.order("ip" + rule + " && ip6" + rule); err != nil {
			return fmt.Errorf("nfstest: %w", err)
		}
	}
	return nil
}

// Clients returns the names of the clients whose NFS version 4 state Ganesha has on record, from its recovery directory. A client that
// has confirmed its client ID is there until it destroys it or its lease runs out.
func (l *Lab) Clients() ([]string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.init == nil {
		return nil, os.ErrClosed
	}
	dirs, err := filepath.Glob(fmt.Sprintf("/proc/%d/root/var/lib/nfs/ganesha/v4recov/*/*",
		l.init.Process.Pid))
	for i := range dirs {
		dirs[i] = filepath.Base(dirs[i])
	}
	return dirs, err
}

// poll waits until done says so, for endTime at most.
func poll(done func() (bool, error)) error {
	for deadline := time.Now().Add(endTime); ; time.Sleep(pollTime) {
		if ok, err := done(); ok || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return context.DeadlineExceeded
		}
	}
}
