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

// Server is one of a lab's servers.
type Server string

// The servers of a lab.
const (
	Ganesha Server = "ganesha" // NFS and mount service
	Rpcbind Server = "rpcbind" // port mapper
	Statd   Server = "statd"   // status monitor, with Config.Locks
)

const statdPort = 20024

// start runs a server and waits until it answers. Ganesha also runs without
// exports that it could not load; start returns an error for them.
func (l *Lab) start(ctx context.Context, s Server) error {
	refused := l.said(noExport)
	err := l.run(ctx, s)
	if err == nil && l.said(noExport) > refused && !l.missing() {
		err = fmt.Errorf("ganesha does not take its exports (is there an /etc/mtab, "+
			"the package nfs-ganesha-vfs, and no tmpfs at TMPDIR?)\n%s", l.logTail(s))
	}
	return err
}

// missing reports whether a test has removed the directory of an export.
func (l *Lab) missing() bool {
	return slices.ContainsFunc(l.exports, func(e Export) bool {
		_, err := os.Stat(l.path(e.Name))
		return err != nil
	})
}

func (l *Lab) run(ctx context.Context, s Server) error {
	line := "rpcbind -f"
	starts := l.said(initialized)
	switch s {
	case Statd:
		line = fmt.Sprintf("{ mkdir -p /var/lib/nfs/sm /var/lib/nfs/sm.bak; "+
			"exec rpc.statd -F -L -p %d; }", statdPort)
	case Ganesha:
		if err := l.writeConf(l.exports); err != nil {
			return err
		}
		line = fmt.Sprintf("ganesha.nfsd -F -f %[1]s/ganesha.conf -L %[1]s/log/ganesha.log "+
			"-p /run/ganesha.pid -N NIV_EVENT", l.dir)
		if l.krb5Conf != "" {
			line = "KRB5_CONFIG=" + l.krb5Conf + " " + line
		}
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
		if err == nil && (s != Ganesha || l.said(initialized) > starts) {
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
		switch s {
		case Rpcbind:
			ask(111, 100000, 2)
			return
		case Statd:
			ask(statdPort, statusProgram, 1)
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

// logTail returns the last lines that a server wrote, for error messages.
func (l *Lab) logTail(s Server) string {
	var all []byte
	for _, name := range []string{string(s), string(s) + ".log"} {
		b, _ := os.ReadFile(l.path("log/" + name)) // no log, nothing to show
		all = append(all, b...)
	}
	return string(bytes.TrimSpace(all[max(0, len(all)-3000):]))
}

// states returns the state letters of a server's threads (proc(5)); empty if it
// has ended.
func (l *Lab) states(s Server) (string, error) {
	// The process ID is one of the lab's own namespace.
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
		// The name in parentheses may hold any character; the state stands
		// behind it.
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

// Freeze stops a server with SIGSTOP, the classic hang: the kernel still
// accepts TCP connections, but no call is answered.
func (l *Lab) Freeze(s Server) error {
	return l.signal("freeze", s, "STOP", func() (bool, error) {
		states, err := l.states(s)
		return strings.Trim(states, "T") == "", err
	})
}

// Thaw undoes Freeze; the server then answers the calls that came meanwhile.
func (l *Lab) Thaw(s Server) error {
	return l.signal("thaw", s, "CONT", func() (bool, error) {
		states, err := l.states(s)
		return !strings.Contains(states, "T"), err
	})
}

// Kill ends a server with SIGKILL: it refuses connections, but the port map
// still lists a killed Ganesha. A second Kill does nothing.
func (l *Lab) Kill(s Server) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end(s, "KILL")
}

// Stop ends a server with SIGTERM: a stopped Ganesha removes itself from the
// port map.
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

// Restart starts a server with the exports and ports that it had, and kills it
// first if it still runs. A new rpcbind knows no services until Ganesha is
// restarted too. Ganesha does not start without rpcbind.
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

// send sends a signal and waits until reached is true.
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

// Reload gives the running Ganesha exactly these exports and returns when it
// has loaded them (SIGHUP). Exports that are not named are removed, even if
// clients use them.
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

// What Ganesha logs when it is ready, when it has loaded other exports, and for
// each export that it could not load.
const (
	initialized = "NFS SERVER INITIALIZED"
	reloaded    = "Reread exports complete"
	noExport    = "Could not create export for"
)

// said counts how often Ganesha has logged this.
func (l *Lab) said(what string) int {
	b, _ := os.ReadFile(l.path("log/ganesha.log")) // none yet: nothing said
	return bytes.Count(b, []byte(what))
}

// Drop makes the lab's network drop whatever is sent to a port over TCP or UDP,
// as some firewalls do: connections hang.
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

// Clients returns the names of the clients that Ganesha has in its recovery
// directory of version 4. A client that has confirmed its client ID stays there
// until it destroys it or its lease ends.
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

// poll waits until done returns true or an error, for endTime at most.
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

// Forget makes a forgetful Ganesha drop every security context, as it may for
// want of room (RFC 2203 5.3.3.3), while connections live. It cleans up once in
// 1024 events, so now and then it does so again soon after.
func (l *Lab) Forget() error {
	ctx, cancel := context.WithTimeout(context.Background(), endTime)
	defer cancel()
	var err error
	failed := l.Do(func() { err = nulls(ctx, 1100, l.config.NFSPort, 100003, 4) })
	return errors.Join(failed, err)
}
