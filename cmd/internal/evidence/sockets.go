package evidence

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	maxRows  = 2000    // sockets listed
	tableCap = 4 << 20 // bytes of one socket table
)

// socket is one row of /proc/net/tcp (proc_pid_net(5)).
type socket struct {
	local, remote netip.AddrPort
	state         string
	send, recv    uint64 // bytes not acknowledged, bytes not read (or connections not accepted)
	timer         string
	retransmits   uint64
	uid, inode    string
}

// tcpStates are numbered from 1 (the kernel's include/net/tcp_states.h).
var tcpStates = []string{"", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2",
	"TIME_WAIT", "CLOSE", "CLOSE_WAIT",
	"LAST_ACK", "LISTEN", "CLOSING", "NEW_SYN_RECV"}

// allSockets decodes the tables of both IP versions.
func allSockets(proc string) (all []socket, _ error) {
	for _, name := range []string{"net/tcp", "net/tcp6"} {
		f, err := os.Open(filepath.Join(proc, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return all, err
		}
		b, err := io.ReadAll(io.LimitReader(f, tableCap))
		f.Close()
		if err != nil {
			return all, err
		}
		for line := range strings.Lines(string(b)) {
			if s, ok := parseSocket(line); ok {
				all = append(all, s)
			}
		}
		if len(b) == tableCap {
			return all, fmt.Errorf("/proc/%s is longer than %d bytes", name, tableCap)
		}
	}
	return all, nil
}

// parseSocket reads one row; false for the heading.
func parseSocket(line string) (s socket, ok bool) {
	f := strings.Fields(line)
	if len(f) < 10 {
		return s, false
	}
	var local, remote bool
	s.local, local = parseEndpoint(f[1])
	s.remote, remote = parseEndpoint(f[2])
	state, err := strconv.ParseUint(f[3], 16, 8)
	if !local || !remote || err != nil {
		return s, false
	}
	if s.state = f[3]; state < uint64(len(tcpStates)) {
		s.state = tcpStates[state]
	}
	send, recv, _ := strings.Cut(f[4], ":")
	s.send, _ = strconv.ParseUint(send, 16, 64)
	s.recv, _ = strconv.ParseUint(recv, 16, 64)
	s.timer = f[5]
	s.retransmits, _ = strconv.ParseUint(f[6], 16, 64)
	s.uid, s.inode = f[7], f[9]
	return s, true
}

// parseEndpoint reads ADDRESS:PORT in hexadecimal. The address consists of
// words of 32 bits, each in this machine's byte order.
func parseEndpoint(text string) (netip.AddrPort, bool) {
	address, port, _ := strings.Cut(text, ":")
	b, err := hex.DecodeString(address)
	p, errPort := strconv.ParseUint(port, 16, 16)
	if err != nil || errPort != nil || len(b)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(b); i += 4 {
		binary.BigEndian.PutUint32(b[i:], binary.NativeEndian.Uint32(b[i:]))
	}
	a, ok := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(a.Unmap(), uint16(p)), ok
}

// sockets lists the connections of the port with their queues.
func sockets(port uint16, tables func() ([]socket, error), out io.Writer) error {
	fmt.Fprintf(out, "%-12s %-40s %-40s %10s %10s  %-11s %7s %7s %s\n",
		"state", "local", "remote", "unacked", "unread", "timer", "resent", "uid", "inode")
	rows := 0
	all, err := tables()
	for _, s := range all {
		if s.local.Port() != port && s.remote.Port() != port {
			continue
		}
		if rows++; rows <= maxRows {
			fmt.Fprintf(out, "%-12s %-40s %-40s %10d %10d  %-11s %7d %7s %s\n",
				s.state, s.local, s.remote, s.send, s.recv, s.timer, s.retransmits, s.uid, s.inode)
		}
	}
	fmt.Fprintf(out, "\n%d sockets of port %d. Of a listening one, "+
		"\"unread\" is the connections that wait to be accepted.\n", rows, port)
	if rows > maxRows {
		err = cmp.Or(err, fmt.Errorf("only %d are listed", maxRows))
	}
	return err
}
