package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/nfsprobe/nfstest"
	"fsmon/smbprobe/smbtest"
)

// tcp serves every connection to a port of 127.0.0.1 and closes it then.
func tcp(t *testing.T, handle func(c net.Conn)) (port int) {
	t.Helper()
	_, text, _ := net.SplitHostPort(smbtest.Hostile(t, handle))
	fmt.Sscan(text, &port)
	return port
}

// web serves HTTP on a port of 127.0.0.1.
func web(t *testing.T) (port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	server := &http.Server{ReadHeaderTimeout: 200 * time.Millisecond}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Close()
		<-ended
	})
	return l.Addr().(*net.TCPAddr).Port
}

// pull makes the network of these tests swallow everything from and to a port,
// as a pulled cable does.
func pull(t *testing.T, port int) {
	own, err := os.Readlink("/proc/self/ns/net")
	if machine, _ := os.Readlink("/proc/1/ns/net"); err != nil || own == machine {
		t.Error("these tests have no network of their own: the machine's packet filter is left alone")
		return
	}
	for _, way := range []string{"--sport", "--dport"} {
		if out, err := exec.Command("iptables", "-w", "-A", "INPUT", "-p", "tcp", way,
			fmt.Sprint(port), "-j", "DROP").CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}
}

func restore(port int) {
	for _, way := range []string{"--sport", "--dport"} {
		exec.Command("iptables", "-w", "-D", "INPUT", "-p", "tcp", way, fmt.Sprint(port), "-j",
			"DROP").Run()
	}
}

// A server that answers slowly, endlessly, wrongly or not at all fails the
// probe by its deadline, at the right step and with the documented message.
// (The probes' packages test more of this, below the commands.)
func TestSlowServers(t *testing.T) {
	t.Parallel()
	samba := smbtest.Samba(t, smbtest.Config{})
	endless := func(t *testing.T) int { return tcp(t, smbtest.Endless(make([]byte, 4096))) }
	text := func(t *testing.T) int {
		return tcp(t, smbtest.Endless([]byte("the quick brown fox ")))
	}
	closes := func(t *testing.T) int {
		return tcp(t, func(c net.Conn) { c.Read(make([]byte, 1)) })
	}
	secure := func(t *testing.T) int {
		return tcp(t, func(c net.Conn) { tls.Server(c, &tls.Config{}).Handshake() })
	}
	mute := func(t *testing.T) int { return tcp(t, func(c net.Conn) { io.Copy(io.Discard, c) }) }
	for _, c := range []struct {
		name    string
		command string
		server  func(t *testing.T) int
		message string // what the verdict's message matches
		detail  string // what its detail matches
	}{
		{"a byte a second", "clp_sambamon",
			func(t *testing.T) int { return tcp(t, smbtest.Drip(time.Second)) },
			`^The clp_sambamon has detected network error\(select error\[110\]\)\.$`,
			`^negotiate: .*deadline`},
		{"no byte", "clp_sambamon", mute, `\(select error\[110\]\)\.$`, `^negotiate: .*deadline`},
		{"endless zeros", "clp_sambamon", endless, `\[share\] \(negotiate error\[58\]\)\.$`,
			`^negotiate: malformed`},
		{"endless text", "clp_sambamon", text, `\[share\] \(negotiate error\[58\]\)\.$`,
			`^negotiate: malformed`},
		{"accepted and closed", "clp_sambamon", closes, `\(recv error\[104\]\)\.$`, `^negotiate: `},
		{"HTTP", "clp_sambamon", web, `\(recv error\[104\]\)\.$|\(negotiate error\[58\]\)\.$`,
			`^negotiate: `},
		{"TLS", "clp_sambamon", secure, `\(recv error\[104\]\)\.$|\(negotiate error\[58\]\)\.$`,
			`^negotiate: `},
		{"cable pulled", "clp_sambamon", func(t *testing.T) (port int) {
			addr := smbtest.Relay(t, samba.Addr(),
				smbtest.OnReply(smbtest.Challenge, func(*smbtest.Frame) smbtest.Behaviour {
					pull(t, port)
					return nil
				}))
			_, digits, _ := net.SplitHostPort(addr)
			fmt.Sscan(digits, &port)
			t.Cleanup(func() { restore(port) })
			return port
		}, `\((?:select|connect) error\[110\]\)\.$`, `^(?:session setup|connect): .*deadline`},

		{"a byte a second", "clp_nfsmon", func(t *testing.T) int {
			h := nfstest.NewHostile(t, nfstest.HostileConfig{})
			h.On(nfstest.Mnt, nfstest.Drip(time.Second))
			return h.MountPort
		}, `^clp_nfsmon: RPC: Timed out`, `^mount: .*deadline`},
		{"no byte", "clp_nfsmon", mute, `^clp_nfsmon: RPC: Timed out`, `^mount: .*deadline`},
		{"endless zeros", "clp_nfsmon", endless, `^clp_nfsmon: RPC: Can't decode result`,
			`^mount: malformed`},
		{"endless text", "clp_nfsmon", text, `^clp_nfsmon: RPC: Can't decode result`,
			`^mount: malformed`},
		{"accepted and closed", "clp_nfsmon", closes,
			`^clp_nfsmon: RPC: Unable to receive: errno = Connection reset by peer`, `^mount: `},
		{"HTTP", "clp_nfsmon", web,
			`^clp_nfsmon: RPC: (?:Can't decode result|Unable to receive: errno = Connection reset by peer)`,
			`^mount: `},
		{"TLS", "clp_nfsmon", secure,
			`^clp_nfsmon: RPC: (?:Can't decode result|Unable to receive: errno = Connection reset by peer)`,
			`^mount: `},
		{"cable pulled", "clp_nfsmon", func(t *testing.T) int {
			h := nfstest.NewHostile(t, nfstest.HostileConfig{})
			l, err := net.Listen("tcp", "127.0.0.1:0")
			must(t, err)
			port := l.Addr().(*net.TCPAddr).Port
			dial := func() (net.Conn, error) {
				return net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", h.MountPort))
			}
			nfstest.Relay(t, l, dial, func(p *nfstest.Passing) nfstest.End {
				if p.Answers(nfstest.Mnt) {
					pull(t, port)
				}
				return nil
			})
			t.Cleanup(func() { restore(port) })
			return port
		}, `^clp_nfsmon: RPC: Timed out`, `^mount(?: connect)?: .*deadline`},
	} {
		t.Run(c.command+"/"+c.name, func(t *testing.T) {
			t.Parallel()
			l := cmdtest.NewLab(t, c.command)
			port := fmt.Sprint(c.server(t))
			// Time for more than one of the bytes that come one a second, and for Samba to
			// come to the pulled cable on a busy machine.
			args := []string{"-i", "1", "-c", "1", "-r", "4", "-a", "127.0.0.1"}
			if c.command == "clp_sambamon" {
				args = append(args, "-s", "share", "--port", port)
			} else {
				args = append(args, "-d", "/export", "-n", port, "--mount-port", port,
					"--nfs-version", "3")
			}
			w := l.Watch(args...)
			w.Exits(1)
			// The verdict stands between the failed probes and the end.
			said := w.Said()
			end := slices.IndexFunc(said,
				func(line cmdtest.Line) bool { return line.Severity == "ERROR" })
			if end < 0 {
				t.Fatal("no verdict")
			}
			// The first probe breaks in its midst, also when the cable is
			// pulled for good; a watch that goes on without it says no step.
			isFailed := func(line cmdtest.Line) bool { return line.Number == cmdtest.ProbeFailed }
			first := slices.IndexFunc(said, isFailed)
			if n := len(slices.DeleteFunc(slices.Clone(said),
				func(line cmdtest.Line) bool { return !isFailed(line) })); n != 2 {
				t.Errorf("judged after %d failed probes", n)
			}
			midst := ": " + strings.TrimPrefix(strings.NewReplacer("|connect", "", "(?: connect)?",
				"").Replace(c.detail), "^")
			if first < 0 || !regexp.MustCompile(midst).MatchString(said[first].Text) {
				t.Errorf("the first failed probe does not say %s: %+v", midst, said[max(0, first)])
			}
			verdict := said[end]
			if !regexp.MustCompile(c.message).MatchString(verdict.Text) ||
				!regexp.MustCompile(c.detail).MatchString(strings.TrimSpace(verdict.Detail)) {
				t.Errorf("%d %q ... %q\nwant %s ... %s", verdict.Number, verdict.Text,
					verdict.Detail, c.message, c.detail)
			}
			if n := len(said); n == 0 || said[n-1].Number != cmdtest.Terminate {
				t.Errorf("the last message is not the end: %+v", said)
			}
		})
	}
}
