package nfsprobe

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fsmon/nfsprobe/nfstest"
)

const linkServer, linkClient, linkProbes = "203.0.113.1", "203.0.113.2", 30

func init() {
	childRoles["over a link"] = overLink
	childRoles["many over a link"] = manyOverLink
}

// linkUp brings up this end of a link, once a line has come, and returns the
// ports of the mount service and of NFS at the other end.
func linkUp() (mountPort, port int, ok bool) {
	bufio.NewReader(os.Stdin).ReadString('\n')
	for _, args := range []string{"link set lo up", "addr add " + linkClient + "/24 dev link1",
		"link set link1 up"} {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			fmt.Printf("ip %s: %v %s\n", args, err, out)
			return 0, 0, false
		}
	}
	mountPort, _ = strconv.Atoi(os.Args[1])
	port, _ = strconv.Atoi(os.Args[2])
	return mountPort, port, true
}

// overLink probes a server over a link, again and again in several ways, and
// prints what that leaves behind of source ports.
func overLink() {
	mountPort, port, ok := linkUp()
	if !ok {
		return
	}
	before := 0
	for i, version := range []string{"3", "4.1", "auto"} {
		p := New(Config{Address: linkServer, Dir: "/export", MountPort: mountPort, Port: port,
			Version: version})
		p.ports.port = [2]int{700 + 10*i, 705 + 10*i} // not another's by chance
		failed, privileged := 0, 0
		for range linkProbes {
			p.pinned = "" // so that auto tries both versions again
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			r, err := p.Probe(ctx)
			cancel()
			if err != nil || len(r.Warnings) > 0 {
				failed++
				fmt.Println(err, r.Warnings)
			}
			if !r.ordinaryPort() {
				privileged++
			}
			reserved()
		}
		now, err := reserved()
		more := len(now) - before
		before = len(now)
		fmt.Printf("%s: failed %d, privileged %d, one or two more in TIME_WAIT %t, %v\n", version,
			failed, privileged, more == 1 || more == 2, err)
	}
}

// reserved returns the privileged local ports of this network that connections
// in TIME_WAIT keep, once there are no others: the server may close a moment
// after the prober.
func reserved() (waiting map[string]bool, err error) {
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		table, err := os.ReadFile("/proc/net/tcp")
		waiting, open := map[string]bool{}, false
		for _, line := range strings.Split(string(table), "\n") {
			// sl, local address:port in hexadecimal, remote one, state: 06 is
			// TIME_WAIT.
			f := strings.Fields(line)
			if len(f) < 4 {
				continue
			}
			_, port, _ := strings.Cut(f[1], ":")
			if n, err := strconv.ParseUint(port, 16, 16); err != nil || n > 1023 {
				continue
			}
			if waiting[port] = true; f[3] != "06" {
				open = true
			}
		}
		if !open || err != nil || time.Now().After(end) {
			return waiting, err
		}
	}
}

// manyOverLink probes a server without TCP timestamps as more watches do than
// there are privileged source ports, and then when other programs have taken all
// that are left, and prints how that went.
func manyOverLink() {
	mountPort, port, ok := linkUp()
	if !ok {
		return
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/tcp_timestamps", []byte("0"), 0); err != nil {
		fmt.Println(err)
		return
	}
	probe := func(p *Prober) (r Report, err error) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		return p.Probe(ctx)
	}
	var all []*Prober
	for range ports {
		all = append(all, New(Config{Address: linkServer, Dir: "/export", MountPort: mountPort,
			Port: port, Version: "3"}))
	}
	failed, warned := 0, 0
	for range 3 {
		for _, p := range all {
			r, err := probe(p)
			if err != nil {
				failed++
				fmt.Println(err)
			}
			warned += len(r.Warnings)
		}
	}
	waiting, err := reserved()
	fmt.Printf("failed %d, warned %d, a third of the ports in TIME_WAIT %t, half %t, %v\n", failed,
		warned, len(waiting) > ports/3, len(waiting) > ports/2, err)

	// Again until nothing is free: on a busy machine a late ACK may make the
	// server answer RST, which ends a TIME_WAIT.
	for free := true; free; {
		free = false
		for source := firstPort; source < firstPort+ports; source++ {
			for _, to := range []int{mountPort, port} {
				d := net.Dialer{LocalAddr: &net.TCPAddr{Port: source}, Control: shared}
				c, err := d.Dial("tcp", net.JoinHostPort(linkServer, strconv.Itoa(to)))
				if err == nil {
					free = true
					c.Close()
				}
			}
		}
		waiting, _ = reserved()
	}
	r, err := probe(all[0])
	fmt.Printf("all in TIME_WAIT %t, warned %q, ordinary port %t, %v\n", len(waiting) >= ports,
		r.Warnings, r.ordinaryPort(), err)
}

// Over a link that is not the loopback interface, a connection that was closed
// keeps its source port for a minute. However often it probes, a prober keeps
// two at most.
func TestSourcePortsOverLink(t *testing.T) {
	want := ""
	for _, version := range []string{"3", "4.1", "auto"} {
		want += fmt.Sprintf("%s: failed 0, privileged %d, one or two more in TIME_WAIT true, <nil>\n",
			version, linkProbes)
	}
	if got := fromLink(t, "over a link"); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

// More watches than privileged source ports do not exhaust them, also without
// TCP timestamps. Only if others have taken all is an ordinary one used.
func TestManyOverLink(t *testing.T) {
	const want = "failed 0, warned 0, a third of the ports in TIME_WAIT true, half false, <nil>\n" +
		`all in TIME_WAIT true, warned ["all privileged source ports are in use, so an ordinary ` +
		`one is used"], ordinary port true, <nil>` + "\n"
	if got := fromLink(t, "many over a link"); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

// fromLink runs a child role at the far end of a link from a hostile server, and
// returns what it prints.
func fromLink(t *testing.T, role string) string {
	asRoot(t)
	cmd := childCommand(t.Context(), t, role, "0", "0")
	in, err := cmd.StdinPipe()
	must(t, err)
	out := new(strings.Builder)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	ip := func(args string) {
		t.Helper()
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v %s", args, err, out)
		}
	}
	h := linkHostile(t, ip)
	cmd.Args = append(cmd.Args[:1], strconv.Itoa(h.MountPort), strconv.Itoa(h.NFSPort))
	must(t, cmd.Start())
	ip("link set link1 netns " + strconv.Itoa(cmd.Process.Pid))
	fmt.Fprintln(in)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	return out.String()
}

// linkHostile is a hostile server at one end of a link, whose other end goes to
// the prober.
func linkHostile(t *testing.T, ip func(string)) *nfstest.Hostile {
	t.Helper()
	ip("link add link0 type veth peer name link1")
	t.Cleanup(func() { exec.Command("ip", "link", "del", "link0").Run() })
	ip("addr add " + linkServer + "/24 dev link0")
	ip("link set link0 up")
	return nfstest.NewHostile(t, nfstest.HostileConfig{Address: linkServer,
		Listen: func(network, address string) (net.Listener, error) {
			return net.Listen(network, address)
		}})
}
