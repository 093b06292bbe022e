package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The floor is a client that asks an NFS server what a probe of ours asks, in as
// few writes, and does nothing else: blocking system calls, no library, no
// deadline, no report, hardly a look at the answers. What a watch takes beyond
// it is the price of checking and reporting. It is a process of its own, this
// program with floorArg, and asks once a second, as the watches do.
const floorArg = "-floor"

// floorMain asks until its reader has gone. args are the version, 3 or 4.1, the
// address and the directory. Each line that it prints is the wall time of a
// probe, and the CPU time between the ends of two of them, in nanoseconds.
func floorMain(args []string) error {
	address, err := netip.ParseAddr(args[1])
	if err != nil {
		return err
	}
	f := &floor{address: address.As4(), source: 665 + os.Getpid()%300}
	ask := f.ask3
	if args[0] != "3" {
		ask = f.ask41
	}
	for used := cpuUsed(); ; {
		time.Sleep(time.Second)
		began := time.Now()
		if err := ask(args[2]); err != nil {
			return err
		}
		took, now := time.Since(began), cpuUsed()
		if _, err := fmt.Println(took.Nanoseconds(), now-used); err != nil {
			return nil
		}
		used = now
	}
}

// cpuUsed is what this process has used so far, in nanoseconds.
func cpuUsed() int64 {
	var t unix.Timespec
	unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t) // an error: none, every process has it
	return t.Nano()
}

// RPC programs, and the port mapper's port.
const (
	portMapper, portMapperPort = 100000, 111
	nfsProgram, mountProgram   = 100003, 100005
)

type floor struct {
	address [4]byte
	source  int // a port below 1024
	fd      int
	xid     uint32
	out     []byte // calls to send
	start   int    // of the last one in out
	in      []byte // what has come and was not looked at
	buffer  [4096]byte
}

// ask3 asks as a probe of version 3 does (RFC 1813).
func (f *floor) ask3(dir string) error {
	if err := f.connect(portMapperPort, false); err != nil {
		return err
	}
	for _, program := range []uint32{mountProgram, nfsProgram} {
		f.call(portMapper, 2, 3)
		f.words(program, 3, unix.IPPROTO_TCP, 0)
	}
	var ports [2]int
	err := f.send(2, func(call int, results []byte) error {
		ports[call] = int(word(results, 0))
		return nil
	})
	f.close()
	if err != nil {
		return err
	}
	if err := f.connect(ports[0], true); err != nil {
		return err
	}
	defer f.close()
	f.call(mountProgram, 3, 1)
	f.opaque([]byte(dir))
	var handle []byte
	if err := f.send(1, func(_ int, results []byte) error {
		handle = append(handle, results[8:8+word(results, 1)]...)
		return ok(0, results)
	}); err != nil {
		return err
	}
	mount := f.fd
	if err := f.connect(ports[1], true); err != nil {
		return err
	}
	f.call(nfsProgram, 3, 0)
	f.call(nfsProgram, 3, 1)
	f.opaque(handle)
	f.call(nfsProgram, 3, 4)
	f.opaque(handle)
	f.words(0x3f)
	err = f.send(3, func(call int, results []byte) error {
		if call == 0 { // NULL
			return nil
		}
		return ok(0, results)
	})
	f.close()
	f.fd = mount
	if err != nil {
		return err
	}
	f.call(mountProgram, 3, 3)
	f.opaque([]byte(dir))
	return f.send(1, func(int, []byte) error { return nil })
}

// ask41 asks as a probe of version 4.1 does (RFC 8881).
func (f *floor) ask41(dir string) error {
	if err := f.connect(2049, true); err != nil {
		return err
	}
	defer f.close()
	f.call(nfsProgram, 4, 0)
	if err := f.send(1, func(int, []byte) error { return nil }); err != nil {
		return err
	}
	var client, session []byte
	var sequence uint32
	f.compound(1)
	f.words(42, f.xid, uint32(os.Getpid())) // EXCHANGE_ID, with a verifier
	f.opaque(fmt.Appendf(nil, "fsmon floor %d %d", os.Getpid(), f.xid))
	f.words(0, 0, 0)
	if err := f.send(1, func(_ int, results []byte) error {
		client, sequence = append(client, results[20:28]...), word(results, 7)
		return ok(0, results)
	}); err != nil {
		return err
	}
	f.compound(1)
	f.words(43) // CREATE_SESSION
	f.out = append(f.out, client...)
	f.words(sequence, 0)
	for range 2 { // both channels
		f.words(0, 8192, 8192, 1024, 32, 1, 0)
	}
	f.words(0x40000000, 1, 0)
	if err := f.send(1, func(_ int, results []byte) error {
		session = append(session, results[20:36]...)
		return ok(0, results)
	}); err != nil {
		return err
	}
	names := strings.Split(strings.Trim(dir, "/"), "/")
	f.compound(5 + len(names))
	f.words(53) // SEQUENCE
	f.out = append(f.out, session...)
	f.words(1, 0, 0, 0, 24) // and PUTROOTFH
	for _, name := range names {
		f.words(15) // LOOKUP
		f.opaque([]byte(name))
	}
	f.words(10, 9, 1, 1<<1|1<<8|1<<20, 3, 0x3f) // GETFH, GETATTR of type, fsid, fileid; ACCESS
	if err := f.send(1, ok); err != nil {
		return err
	}
	f.compound(1)
	f.words(44) // DESTROY_SESSION
	f.out = append(f.out, session...)
	if err := f.send(1, ok); err != nil {
		return err
	}
	f.compound(1)
	f.words(57) // DESTROY_CLIENTID
	f.out = append(f.out, client...)
	return f.send(1, ok)
}

// ok looks at the status that results of NFS begin with.
func ok(_ int, results []byte) error {
	if status := word(results, 0); status != 0 {
		return fmt.Errorf("status %d", status)
	}
	return nil
}

// connect connects to a port, from a port below 1024 if reserved: from the same
// one again and again, since TIME_WAIT does not keep it on loopback.
func (f *floor) connect(port int, reserved bool) (err error) {
	f.in = f.buffer[:0]
	for range 300 {
		f.fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		unix.SetsockoptInt(f.fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		if reserved {
			unix.SetsockoptInt(f.fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
			err = unix.Bind(f.fd, &unix.SockaddrInet4{Port: f.source})
		}
		if err == nil {
			err = unix.Connect(f.fd, &unix.SockaddrInet4{Port: port, Addr: f.address})
		}
		if err != unix.EADDRINUSE && err != unix.EADDRNOTAVAIL {
			return err
		}
		f.close() // somebody else has this port
		f.source = 665 + (f.source-665+1)%300
	}
	return err
}

func (f *floor) close() { unix.Close(f.fd) }

// call begins one more call (RFC 5531 9), with AUTH_SYS of root unless it is
// NULL or for the port mapper. What words and opaque add are its arguments.
func (f *floor) call(program, version, procedure uint32) {
	f.finish()
	f.start = len(f.out)
	f.xid++
	f.words(0, f.xid, 0, 2, program, version, procedure)
	if procedure == 0 || program == portMapper {
		f.words(0, 0, 0, 0)
		return
	}
	f.words(1, 28, 0)
	f.opaque([]byte("floor"))
	f.words(0, 0, 0, 0, 0)
}

// compound begins a COMPOUND of version 4.1.
func (f *floor) compound(operations int) {
	f.call(nfsProgram, 4, 1)
	f.words(0, 1, uint32(operations))
}

// finish writes the record mark of the last call (RFC 5531 11).
func (f *floor) finish() {
	if len(f.out) > 0 {
		binary.BigEndian.PutUint32(f.out[f.start:], 1<<31|uint32(len(f.out)-f.start-4))
	}
}

func (f *floor) words(values ...uint32) {
	for _, v := range values {
		f.out = binary.BigEndian.AppendUint32(f.out, v)
	}
}

func (f *floor) opaque(b []byte) {
	f.words(uint32(len(b)))
	f.out = append(f.out, b...)
	f.out = append(f.out, make([]byte, -len(b)&3)...)
}

// send sends the calls in one write, reads their replies, and lets look look at
// the results of each, with the number of the call.
func (f *floor) send(calls int, look func(call int, results []byte) error) error {
	f.finish()
	_, err := unix.Write(f.fd, f.out)
	f.out = f.out[:0]
	for range calls {
		for err == nil && (len(f.in) < 4 || len(f.in) < 4+f.next()) {
			var n int
			rest := f.in[len(f.in):cap(f.in)]
			if n, err = unix.Read(f.fd, rest); n == 0 && err == nil {
				err = io.ErrUnexpectedEOF
			}
			f.in = f.in[:len(f.in)+max(n, 0)]
		}
		if err != nil {
			return err
		}
		reply := f.in[4 : 4+f.next()]
		f.in = f.in[len(reply)+4:]
		// xid, REPLY, MSG_ACCEPTED, an empty verifier, SUCCESS
		if len(reply) < 24 || f.xid-word(reply, 0) >= uint32(calls) || word(reply, 1) != 1 ||
			word(reply, 2) != 0 || word(reply, 4) != 0 || word(reply, 5) != 0 {
			return fmt.Errorf("the reply %x", reply)
		}
		if err := look(calls-1-int(f.xid-word(reply, 0)), reply[24:]); err != nil {
			return err
		}
	}
	return nil
}

// next is the length of the next reply, of which the record mark is there.
func (f *floor) next() int { return int(word(f.in, 0) &^ (1 << 31)) }

func word(b []byte, n int) uint32 { return binary.BigEndian.Uint32(b[4*n:]) }
