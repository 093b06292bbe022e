// Package smbtest has servers for tests, demo and benchmark to probe: a private
// real smbd on loopback (StartSamba), impacket's server (Impacket), a hostile
// server that follows a script (Hostile), and a relay in front of a real server,
// which can spoil single replies (Relay). Client is smbclient.
package smbtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	startTime = time.Minute          // limit of one start; the context may have a shorter one
	endTime   = time.Minute          // limit for ending, freezing or thawing a process
	pollTime  = 2 * time.Millisecond // between two looks at a state
)

// Config says how the private Samba server differs from the default one. That
// has these shares:
//
//   - share: guests, writable
//   - priv: users
//   - valid: only the user games
//   - hostsdeny: nobody, by address
//   - missing: its directory does not exist
//   - encrypted: users, SMB3 encryption required
//   - unreadable: guests, the directory is root's
//   - printer: guests, a print queue
//   - IPC$, which is built in
//
// In all lines @DIR@ stands for Server.Dir.
type Config struct {
	Address string   // address to listen on, IPv4 or IPv6; default 127.0.0.1
	Port    int      // 1 to 65535; 0 picks a free one
	Global  []string // further [global] lines of smb.conf; a later line wins
	// Shares are further or replaced share sections. A share without a path
	// line gets a directory of its own.
	Shares map[string][]string
}

// Server is a running private Samba server. Its users are root with the
// password "pw" and games with "pw-games". All others are guests. The methods
// may be called from any goroutine. Do not read a field while a method runs.
type Server struct {
	Address string
	Port    int
	Dir     string // holds smb.conf, log/, private/passdb.tdb, shares/; mode 0755
	// PID is the listening smbd. It leads a session and a process group of its
	// own. Restart changes it.
	PID int

	mu      sync.Mutex
	config  Config
	written time.Time    // modification time of smb.conf after Configure
	port    net.Listener // reserves the port among the users of this package
	reaper  *reaper
	cmd     *exec.Cmd
	ended   chan struct{} // closed when the smbd PID has been waited for
	waitErr error         // why it ended; read it only after ended is closed
	closed  bool
}

// Addr returns "address:port" for net.Dial.
func (s *Server) Addr() string { return net.JoinHostPort(s.Address, strconv.Itoa(s.Port)) }

// Require ends the test if err is not nil. It skips the test if a program is
// not installed (exec.ErrNotFound), unless the environment says CI=true. In all
// other cases the test fails.
func Require(t testing.TB, err error) {
	t.Helper()
	switch {
	case errors.Is(err, exec.ErrNotFound) && os.Getenv("CI") != "true":
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
}

// Samba is StartSamba for a test. It ends the server in t.Cleanup. Without an
// installed smbd it ends the test, as Require does.
func Samba(t testing.TB, c Config) *Server {
	t.Helper()
	s, err := StartSamba(t.Context(), c)
	Require(t, err)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// StartSamba starts a private smbd and returns when it answers a negotiate. It
// needs root. ctx limits only the start. The error wraps exec.ErrNotFound if
// Samba is not installed. The caller must Close the server. If this process
// dies first, however it dies, smbd ends and Dir is removed.
func StartSamba(ctx context.Context, c Config) (*Server, error) {
	if err := canStart(); err != nil {
		return nil, fmt.Errorf("smbtest: %w", err)
	}
	if c.Address == "" {
		c.Address = "127.0.0.1"
	}
	s := &Server{Address: c.Address, config: c, written: time.Now()}
	if err := s.setUp(ctx, c); err != nil {
		return nil, errors.Join(fmt.Errorf("smbtest: start smbd: %w", err), s.Close())
	}
	return s, nil
}

func (s *Server) setUp(ctx context.Context, c Config) (err error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if _, err = lookPath("smbd", "samba"); err != nil {
		return err
	}
	if s.port, s.Port, err = reserve(c.Address, c.Port); err != nil {
		return err
	}
	if s.Dir, err = os.MkdirTemp("", "smbtest-"); err != nil {
		return err
	}
	if s.reaper, err = startReaper(s.Dir); err != nil {
		return err
	}
	if err = writeTree(s.Dir, s.Port, c); err != nil {
		return err
	}
	if err = addUsers(ctx, s.conf()); err != nil {
		return err
	}
	return s.start(ctx)
}

func (s *Server) conf() string { return filepath.Join(s.Dir, "smb.conf") }

// reserve returns a port that nobody listens on, and a listener on an abstract
// socket, which reserves the port until it is closed. smbd binds with
// SO_REUSEPORT: two servers on one port would not fail, but share its
// connections.
func reserve(address string, port int) (net.Listener, int, error) {
	// Linux's ephemeral ports are higher, so no outgoing connection takes the
	// port while smbd is down.
	const lowest, count = 20000, 12000
	tries := 100
	if port != 0 {
		tries = 1
	}
	var err error
	for range tries {
		n := port
		if n == 0 {
			n = lowest + rand.IntN(count)
		}
		addr := net.JoinHostPort(address, strconv.Itoa(n))
		var held net.Listener
		if held, err = net.Listen("unix", "@fsmon-smbtest-"+addr); err != nil {
			continue
		}
		if err = nobodyListens(addr); err == nil {
			return held, n, nil
		}
		held.Close()
	}
	return nil, 0, fmt.Errorf("no free port: %w", err)
}

func nobodyListens(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return l.Close()
}

// refuses reports whether a server that was there is gone: nil if the port
// refuses connections. Unlike nobodyListens it does not listen for a moment
// itself: a child that this process starts meanwhile would hold a copy of the
// listener, and so the port, until it has become its program.
func refuses(addr string) error {
	c, err := net.DialTimeout("tcp", addr, answerTime)
	switch {
	case err == nil:
		c.Close()
		return fmt.Errorf("somebody listens on %s", addr)
	case errors.Is(err, syscall.ECONNREFUSED):
		return nil
	}
	return err
}

// start runs smbd and waits until it answers.
func (s *Server) start(ctx context.Context) error {
	path, err := lookPath("smbd", "samba")
	if err != nil {
		return err
	}
	if err := refuses(s.Addr()); err != nil {
		return err
	}
	log := filepath.Join(s.Dir, "log")
	out, err := os.OpenFile(filepath.Join(log, "output"),
		os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	// smbd gets a session of its own, since a dying smbd signals its whole
	// process group. The shell tells the reaper its PID before it becomes smbd,
	// so the reaper knows every smbd.
	cmd := exec.Command("/bin/sh", "-c", `echo $$ >&3 && exec 3>&- && exec "$@"`, "sh",
		path, "--foreground", "--no-process-group", "--configfile="+s.conf(),
		"--log-basename="+log)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.ExtraFiles = []*os.File{s.reaper.pipe}
	cmd.SysProcAttr = newSession()
	// smbd looks up this machine's name at every logon. A name server that does
	// not answer must not delay it longer than this.
	cmd.Env = append(os.Environ(), "RES_OPTIONS=timeout:1 attempts:1")
	if err := cmd.Start(); err != nil {
		return err
	}
	s.cmd, s.PID, s.ended = cmd, cmd.Process.Pid, make(chan struct{})
	go func(ended chan struct{}) {
		s.waitErr = cmd.Wait()
		close(ended)
	}(s.ended)

	for {
		err := answers(ctx, s.Addr())
		if err == nil {
			return nil
		}
		select {
		case <-s.ended:
			return fmt.Errorf("smbd ended at once: %v\n%s", s.waitErr, s.logTail())
		case <-ctx.Done():
			return fmt.Errorf("no answer on %s: %w (last: %v)\n%s",
				s.Addr(), ctx.Err(), err, s.logTail())
		case <-time.After(pollTime):
		}
	}
}

// logTail returns the end of smbd's log, for error messages.
func (s *Server) logTail() string {
	var all []byte
	for _, name := range []string{"output", "log.smbd"} {
		b, _ := os.ReadFile(filepath.Join(s.Dir, "log", name)) // no log, nothing to show
		all = append(all, b...)
	}
	return string(bytes.TrimSpace(all[max(0, len(all)-2000):]))
}

// Freeze stops the listening smbd with SIGSTOP. The kernel still accepts
// connections, but nothing is answered. Connections that are already served
// have their own processes, which go on.
func (s *Server) Freeze() error {
	return s.signal("freeze", freeze, func(state byte) bool { return state == 'T' })
}

// Thaw undoes Freeze. smbd then serves the connections that came in the
// meantime.
func (s *Server) Thaw() error {
	return s.signal("thaw", thaw, func(state byte) bool { return state != 'T' })
}

func (s *Server) signal(
	what string, send func(*os.Process) error, reached func(state byte) bool,
) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return fmt.Errorf("smbtest: %s smbd: %w", what, os.ErrProcessDone)
	}
	err := send(s.cmd.Process)
	if err == nil {
		err = poll(func() (bool, error) {
			state, err := processState(s.PID)
			return reached(state), err
		})
	}
	if err != nil {
		return fmt.Errorf("smbtest: %s smbd %d: %w", what, s.PID, err)
	}
	return nil
}

// Kill ends smbd and all its processes for connections with SIGKILL. When it
// returns, they are gone and the port refuses connections. Restart can start
// the server again. A second Kill changes nothing.
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kill()
}

func (s *Server) kill() error {
	if s.cmd == nil {
		return nil
	}
	// SIGKILL ends stopped processes too: a frozen server needs no Thaw first.
	if err := killSession(s.PID); err != nil {
		return fmt.Errorf("smbtest: kill smbd %d: %w", s.PID, err)
	}
	err := poll(func() (bool, error) {
		select {
		case <-s.ended:
		default:
			return false, nil
		}
		left, err := sessionMembers(s.PID)
		return len(left) == 0, err
	})
	if err != nil {
		return fmt.Errorf("smbtest: wait for the end of smbd %d: %w", s.PID, err)
	}
	s.cmd = nil
	if err := s.reaper.forget(); err != nil {
		return fmt.Errorf("smbtest: %w", err)
	}
	if err := refuses(s.Addr()); err != nil {
		return fmt.Errorf("smbtest: after the end of smbd %d: %w", s.PID, err)
	}
	return nil
}

// Restart starts the server again with the same port and directory. It kills a
// server that still runs. The caller may edit smb.conf before.
func (s *Server) Restart() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fmt.Errorf("smbtest: restart smbd: %w", os.ErrClosed)
	}
	if err := s.kill(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	if err := s.start(ctx); err != nil {
		return fmt.Errorf("smbtest: restart smbd: %w", err)
	}
	return nil
}

// Close ends every process of the server, frozen or not, and removes Dir. A
// second Close changes nothing.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	err := s.kill()
	if s.Dir != "" {
		err = errors.Join(err, os.RemoveAll(s.Dir))
	}
	if s.reaper != nil {
		err = errors.Join(err, s.reaper.end())
	}
	if s.port != nil {
		err = errors.Join(err, s.port.Close())
	}
	return err
}

// poll waits until done returns true or an error, for at most endTime.
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
