package smbtest

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what must come.
const patience = time.Minute

// orphanEnv makes the test binary a process that starts a server and never
// closes it.
const orphanEnv = "SMBTEST_ORPHAN"

func TestMain(m *testing.M) {
	if how := os.Getenv(orphanEnv); how != "" {
		orphan(how)
	}
	os.Exit(m.Run())
}

func answersSoon(addr string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return answers(ctx, addr)
}

func TestShares(t *testing.T) {
	s := Samba(t, Config{Shares: map[string][]string{"extra": {"guest ok = yes"}}})
	for _, c := range []struct{ share, user, want string }{
		{"share", "", ""},
		{"share", "root%pw", ""},
		{"share", "games%pw-games", ""},
		{"share", "nosuch%user", ""}, // a guest
		{"share", "root%wrong", "NT_STATUS_LOGON_FAILURE"},
		{"extra", "", ""},
		{"priv", "root%pw", ""},
		{"priv", "", "NT_STATUS_ACCESS_DENIED"},
		{"valid", "games%pw-games", ""},
		{"valid", "root%pw", "NT_STATUS_ACCESS_DENIED"},
		{"hostsdeny", "root%pw", "NT_STATUS_ACCESS_DENIED"},
		{"missing", "root%pw", "NT_STATUS_BAD_NETWORK_NAME"},
		{"nosuch", "root%pw", "NT_STATUS_BAD_NETWORK_NAME"},
		{"encrypted", "root%pw", ""},
		{"encrypted", "", "NT_STATUS_ACCESS_DENIED"},
		{"unreadable", "", ""},
		{"printer", "", ""},
		{"IPC$", "", ""},
	} {
		t.Run(c.share+" "+c.user, func(t *testing.T) {
			out, err := Client(t, s.Addr(), c.share, c.user)
			if c.want == "" && err != nil || !strings.Contains(out, c.want) {
				t.Errorf("want %q, got %v\n%s", c.want, err, out)
			}
		})
	}
}

func TestShareTypes(t *testing.T) {
	s := Samba(t, Config{})
	for share, want := range map[string]byte{"share": 1, "IPC$": 2, "printer": 3} {
		var got byte
		addr := Relay(t, s.Addr(), OnReply(TreeConnect, func(f *Frame) Behaviour {
			got = f.Bytes[4+64+2]
			return nil
		}))
		if out, err := Client(t, addr, share, ""); err != nil || got != want {
			t.Errorf("%s: share type %d, want %d (%v)\n%s", share, got, want, err, out)
		}
	}
}

func TestSettings(t *testing.T) {
	for name, c := range map[string]struct {
		Config
		frame   string // answer to an SMB2 negotiate, "" for a close
		dialect uint16
		user    string
		client  []string
	}{
		"SMB2_02": {Config: Config{Global: []string{"server max protocol = SMB2_02"}},
			frame: "\xfeSMB", dialect: 0x0202},
		"SMB2_10": {Config: Config{Global: []string{"server max protocol = SMB2_10"}},
			frame: "\xfeSMB", dialect: 0x0210},
		"SMB3_00": {Config: Config{Global: []string{"server max protocol = SMB3_00"}},
			frame: "\xfeSMB", dialect: 0x0300},
		"SMB3_02": {Config: Config{Global: []string{"server max protocol = SMB3_02"}},
			frame: "\xfeSMB", dialect: 0x0302},
		"SMB3_11": {Config: Config{Global: []string{"server min protocol = SMB3_11"}},
			frame: "\xfeSMB", dialect: 0x0311},
		"signing": {Config: Config{Global: []string{"server signing = mandatory"}},
			frame: "\xfeSMB", user: "root%pw"},
		"smb encrypt": {Config: Config{Global: []string{"smb encrypt = required"}},
			frame: "\xfeSMB", user: "root%pw"},
		"server smb encrypt": {Config: Config{Global: []string{"server smb encrypt = required"}},
			frame: "\xfeSMB", user: "root%pw"},
		"SMB1 only": {Config: Config{Global: []string{"server min protocol = NT1",
			"server max protocol = NT1"}},
			client: []string{"--option=client min protocol=NT1"}},
		"::1":       {Config: Config{Address: "::1"}, frame: "\xfeSMB"},
		"127.0.0.2": {Config: Config{Address: "127.0.0.2"}, frame: "\xfeSMB"},
	} {
		t.Run(name, func(t *testing.T) {
			s := Samba(t, c.Config)
			got, err := ask(t.Context(), s.Addr(), smb2Negotiate())
			if string(got) != cmp.Or(c.frame, "\x00\x00\x00\x00") || err != nil {
				t.Errorf("answer to a negotiate: %q, %v", got, err)
			}
			var dialect uint16
			var encrypted bool
			addr := s.Addr()
			if c.Address == "" {
				addr = Relay(t, addr, func(f *Frame) Behaviour {
					if f.Answers(Negotiate) {
						dialect = le.Uint16(f.Bytes[4+64+4:])
					}
					encrypted = encrypted || strings.HasPrefix(string(f.Bytes[4:]), "\xfdSMB")
					return nil
				})
			}
			if out, err := Client(t, addr, "share", c.user, c.client...); err != nil {
				t.Errorf("smbclient: %v\n%s", err, out)
			}
			if c.dialect != 0 && dialect != c.dialect {
				t.Errorf("dialect %#x, want %#x", dialect, c.dialect)
			}
			if want := strings.Contains(name, "encrypt"); encrypted != want {
				t.Errorf("encrypted: %t, want %t", encrypted, want)
			}
		})
	}
}

func TestGlobalHostsDeny(t *testing.T) {
	s := Samba(t, Config{Global: []string{"hosts deny = ALL"}})
	c, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	b, err := readFrame(c)
	if want := "\x83\x00\x00\x01\x81"; string(b) != want {
		t.Errorf("got %q, %v, want %q", b, err, want)
	}
}

func TestFreezeKillRestart(t *testing.T) {
	s := Samba(t, Config{})
	if err := s.Freeze(); err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatalf("frozen: TCP: %v", err)
	}
	defer c.Close()
	c.Write(smb2Negotiate())
	c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	if n, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("frozen: read %d, %v", n, err)
	}
	if err := s.Thaw(); err != nil {
		t.Fatal(err)
	}
	c.SetReadDeadline(time.Now().Add(patience))
	if b, err := readFrame(c); err != nil || parse(b).Command != Negotiate {
		t.Errorf("thawed: %x, %v", b, err)
	}

	// The connection that was served has a process of its own, which must end
	// too.
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := net.Dial("tcp", s.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("killed: %v", err)
	}
	if left, err := sessionMembers(s.PID); len(left) > 0 || err != nil {
		t.Errorf("killed: %v left, %v", left, err)
	}
	if err := s.Freeze(); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("Freeze after Kill: %v", err)
	}
	old := s.PID
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	if err := answersSoon(s.Addr()); err != nil || s.PID == old {
		t.Errorf("restarted: PID %d after %d, %v", s.PID, old, err)
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	one, two := Samba(t, Config{}), Samba(t, Config{}) // side by side
	c, err := net.Dial("tcp", one.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := one.Freeze(); err != nil {
		t.Fatal(err)
	}
	reaper := one.reaper.cmd.Process.Pid
	for range 2 {
		if err := one.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := sessionMembers(one.PID); len(left) > 0 || err != nil {
		t.Errorf("processes %v left, %v", left, err)
	}
	if _, err := processState(reaper); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the reaper is left: %v", err)
	}
	if _, err := os.Stat(one.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("directory left: %v", err)
	}
	if err := answersSoon(two.Addr()); err != nil {
		t.Errorf("the other server: %v", err)
	}
	if err := one.Restart(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Restart after Close: %v", err)
	}
}

func TestStartFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	running := Samba(t, Config{})
	for name, c := range map[string]struct {
		Config
		want string
	}{
		"port of another program": {Config{Port: l.Addr().(*net.TCPAddr).Port}, "in use"},
		"port of another server":  {Config{Port: running.Port}, "in use"},
		"no such address":         {Config{Address: "203.0.113.1"}, "assign"},
		"nowhere to listen": {Config{Global: []string{"interfaces = 203.0.113.1"}},
			"ended at once"},
		"listens elsewhere": {Config{Global: []string{"smb ports = 1"}}, "no answer"},
		"no such setting":   {Config{Global: []string{"smb ports ="}}, "smbd"},
	} {
		t.Run(name, func(t *testing.T) {
			tmp := t.TempDir()
			t.Setenv("TMPDIR", tmp)
			// A busy machine may be too slow to reach the wanted error in this
			// time: then try again with twice the time.
			for limit := time.Second / 2; ; limit *= 2 {
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				s, err := StartSamba(ctx, c.Config)
				cancel()
				if err == nil {
					s.Close()
				}
				if err != nil && strings.Contains(err.Error(), c.want) {
					break
				}
				if !errors.Is(err, context.DeadlineExceeded) || limit > patience {
					t.Errorf("got %v, want %q", err, c.want)
					break
				}
			}
			if left, _ := filepath.Glob(tmp + "/*"); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// orphan starts a server, prints where it is, and waits to be killed.
func orphan(how string) {
	s, err := StartSamba(context.Background(), Config{})
	if err == nil && how == "frozen" {
		err = s.Freeze()
	}
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	fmt.Println(s.PID, s.Addr(), s.Dir)
	select {}
}

func TestKilledTestBinaryLeavesNothing(t *testing.T) {
	Samba(t, Config{}) // skips where there is no smbd
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, how := range []string{"running", "frozen"} {
		t.Run(how, func(t *testing.T) {
			cmd := exec.Command(self)
			cmd.Env = append(os.Environ(), orphanEnv+"="+how)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(out).ReadString('\n')
			var pid int
			var addr, dir string
			if _, scanErr := fmt.Sscan(line, &pid, &addr, &dir); err != nil || scanErr != nil {
				t.Errorf("said %q: %v, %v", line, err, scanErr)
			} else if c, err := net.Dial("tcp", addr); err != nil {
				t.Error(err)
			} else {
				defer c.Close()
				if how == "running" { // then smbd has a process for the connection
					c.SetDeadline(time.Now().Add(patience))
					c.Write(smb2Negotiate())
					if _, err := readFrame(c); err != nil {
						t.Error(err)
					}
				}
			}
			cmd.Process.Kill()
			io.Copy(io.Discard, out)
			cmd.Wait()
			err = poll(func() (bool, error) {
				left, err := sessionMembers(pid)
				_, statErr := os.Stat(dir)
				return len(left) == 0 && errors.Is(statErr, os.ErrNotExist), err
			})
			if err != nil {
				left, _ := sessionMembers(pid)
				t.Errorf("left: processes %v, directory %s: %v", left, dir, err)
			}
			if err := nobodyListens(addr); err != nil {
				t.Error(err)
			}
		})
	}
}
