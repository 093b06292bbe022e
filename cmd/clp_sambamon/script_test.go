package main

import (
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/smbprobe/smbtest"
)

func TestServersAreInstalled(t *testing.T) {
	cmdtest.Installed(t, map[string]string{"smbd": "samba"})
}

func TestScripts(t *testing.T) {
	cmdtest.Scripts(t, "clp_sambamon", map[string]cmdtest.Command{"samba VERB WORD...": sambaCommand})
}

// host is the server of a script.
type host struct {
	*smbtest.Server
	*tap
	marked int         // how many probes had begun then
	hangs  atomic.Bool // the disk
}

// sambaCommand is samba VERB WORD... does something to the script's server:
//
//	start [LINE | [SHARE]]...  with these lines of smb.conf
//	silent, malformed          a hostile server
//	mute ADDRESS               nothing is answered there, at the port of the server
//	spoilt HOW                 the server, with some replies spoilt
//	freeze, thaw, kill, restart
//	password USER WORD
//	probes N                   waits until N probes have gone to their end
//	stalls N                   waits until N probes have got no answer
//	complete                   all but the last of the probes have gone to their end
//	disk answers|hangs         on the way of $DISK, when something is written
//	tidy                       waits until no write test has a file in [share] but the kept one
//	mark, unasked              since mark no probe has begun
//
// $SAMBA is the option that leads to the server, $TAP by way of the counter of
// probes. Only those that come through it are counted.
func sambaCommand(s *cmdtest.Story, args []string) {
	t := s.T
	reach := func(name, addr string) {
		_, port, _ := net.SplitHostPort(addr)
		s.Script.Setenv(name, "--port="+port)
	}
	h, _ := s.Server.(*host)
	count := func() int {
		n, err := strconv.Atoi(args[1])
		s.Script.Check(err)
		return n
	}
	var err error
	switch args[0] {
	case "start":
		c := smbtest.Config{Shares: map[string][]string{}}
		for into := ""; len(args) > 1; args = args[1:] {
			if line := args[1]; strings.HasPrefix(line, "[") {
				into = strings.Trim(line, "[]")
			} else if into == "" {
				c.Global = append(c.Global, line)
			} else {
				c.Shares[into] = append(c.Shares[into], line)
			}
		}
		h = &host{Server: smbtest.Samba(t, c)}
		h.tap = newTap(t, h.Addr())
		s.Server = h
		reach("SAMBA", h.Addr())
		reach("DISK", smbtest.Relay(t, h.Addr(), smbtest.OnReply(smbtest.Write,
			func(f *smbtest.Frame) smbtest.Behaviour {
				if h.hangs.Load() {
					return smbtest.Hold(f)
				}
				return nil
			})))
		reach("TAP", h.tap.addr)
		s.Script.Setenv("SHARES", h.Dir+"/shares")
	case "silent":
		reach("SAMBA", smbtest.Hostile(t, smbtest.Silent))
	case "mute":
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("%s:%d", args[1], h.Port)); err == nil {
			t.Cleanup(func() { l.Close() })
		}
	case "malformed":
		reach("SAMBA", smbtest.Hostile(t, malformed))
	case "spoilt":
		reach("SPOILT", smbtest.Relay(t, h.Addr(), spoil[args[1]]))
	case "freeze":
		err = h.Freeze()
	case "thaw":
		err = h.Thaw()
	case "kill":
		err = h.Kill()
	case "restart":
		err = h.Restart()
	case "password":
		setPassword(t, h.Server, args[1], args[2])
	case "probes":
		h.finished(count())
	case "stalls":
		cmdtest.Eventually(t, "probes without an answer", func() bool {
			return len(slices.DeleteFunc(h.seen(), func(p sighting) bool {
				return p.answered ||
					p.began.IsZero()
			})) >= count()
		})
	case "tidy":
		cmdtest.Eventually(t, "no file of the write test", func() bool {
			left, err := filepath.Glob(h.Dir + "/shares/share/.fsmon-*-*")
			return err == nil && len(left) == 0
		})
	case "disk":
		h.hangs.Store(args[1] == "hangs")
	case "complete":
		for n, probe := range slices.Backward(h.seen()) {
			if n < len(h.seen())-1 && !probe.finished {
				err = fmt.Errorf("probe %d has not gone to its end", n)
			}
		}
	case "mark":
		h.marked = len(h.seen())
	case "unasked":
		if n := len(h.seen()) - h.marked; n > 0 {
			err = fmt.Errorf("%d probes have begun", n)
		}
	default:
		err = fmt.Errorf("samba cannot %s", args[0])
	}
	s.Script.Check(err)
}

// readBack is the first byte of data in a read answer without padding: MS-SMB2
// 2.2.20.
const readBack = 4 + 64 + 16

// spoil is how a server's replies are spoilt.
var spoil = map[string]smbtest.Filter{
	"tree connect reset":   smbtest.OnReply(smbtest.TreeConnect, smbtest.Midway(smbtest.Reset)),
	"tree connect closed":  smbtest.OnReply(smbtest.TreeConnect, smbtest.Midway(smbtest.Close)),
	"negotiate closed":     smbtest.OnReply(smbtest.Negotiate, smbtest.Midway(smbtest.Close)),
	"full":                 smbtest.OnReply(smbtest.TreeConnect, smbtest.SetStatus(0xC000009A)),
	"no memory":            smbtest.OnReply(smbtest.TreeConnect, smbtest.SetStatus(0xC0000017)),
	"unavailable":          smbtest.OnReply(smbtest.TreeConnect, smbtest.SetStatus(0xC0000480)),
	"account locked":       smbtest.OnReply(smbtest.SessionSetup, smbtest.SetStatus(0xC0000234)),
	"read hangs":           smbtest.OnReply(smbtest.Read, smbtest.Hold),
	"flush hangs":          smbtest.OnReply(smbtest.Flush, smbtest.Hold),
	"disk full":            smbtest.OnReply(smbtest.Write, smbtest.SetStatus(0xC000007F)),
	"lock hangs":           smbtest.OnReply(smbtest.Lock, smbtest.Hold),
	"no locks":             smbtest.OnReply(smbtest.Lock, smbtest.SetStatus(0xC00000BB)),
	"locked by others":     smbtest.OnReply(smbtest.Lock, smbtest.SetStatus(0xC0000055)),
	"disk broken":          smbtest.OnReply(smbtest.Read, smbtest.SetStatus(0xC0000185)),
	"disk write-protected": smbtest.OnReply(smbtest.Create, smbtest.SetStatus(0xC00000A2)),
	"data altered": smbtest.OnReply(smbtest.Read, func(f *smbtest.Frame) smbtest.Behaviour {
		f.Bytes[readBack]++
		return nil
	}),
}

func malformed(c net.Conn) {
	smbtest.Script(smbtest.Close, smbtest.Malformed()["header cut short"])(c)
}
