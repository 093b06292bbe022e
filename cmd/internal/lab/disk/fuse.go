package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// Fuse is a file system in user space that stops answering when it is told to:
// whoever touches it then waits in state D, and not even SIGKILL ends the wait.
// It is mounted nowhere, and goes with its descriptors however the test ends,
// which ends every wait. It holds one program, or nothing.
type Fuse struct {
	Dir     string
	Touched <-chan struct{} // closed when somebody waits

	mu      sync.Mutex
	hangs   bool
	touched chan struct{}
	program []byte
	mirror  *mirror // what Dir shows instead
	device  *os.File
}

// ProgramName is the name of the program in Fuse.Dir.
const ProgramName = "program"

// NewFuse mounts a Fuse that answers. program is the path of the one it holds a
// copy of; empty: none. It needs root and the kernel's FUSE; in CI it fails the
// test without, elsewhere it skips it.
func NewFuse(t *testing.T, program string) *Fuse {
	t.Helper()
	f := &Fuse{touched: make(chan struct{})}
	f.Touched = f.touched
	if program != "" {
		var err error
		if f.program, err = os.ReadFile(program); err != nil {
			t.Fatal(err)
		}
	}
	dev := openFuse(t, unix.O_NONBLOCK)
	fsys, err := unix.Fsopen("fuse", unix.FSOPEN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fsys)
	for _, option := range [][2]string{{"fd", fmt.Sprint(dev)}, {"rootmode", "40000"},
		{"user_id", "0"}, {"group_id", "0"}} {
		if err := unix.FsconfigSetString(fsys, option[0], option[1]); err != nil {
			t.Fatal(option, err)
		}
	}
	if err := unix.FsconfigCreate(fsys); err != nil {
		t.Fatal(err)
	}
	root, err := unix.Fsmount(fsys, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	device := os.NewFile(uintptr(dev), "/dev/fuse") // only now does it tell a poller of requests
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f.serve(device)
	}()
	t.Cleanup(func() {
		device.Close() // ends every request
		<-ended
		unix.Close(root)
	})
	f.Dir = fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), root)
	return f
}

// openFuse opens the kernel's FUSE for the descriptor of one mount.
func openFuse(t *testing.T, flags int) int {
	t.Helper()
	flags |= unix.O_RDWR | unix.O_CLOEXEC
	dev, err := unix.Open("/dev/fuse", flags, 0)
	if errors.Is(err, fs.ErrNotExist) { // a sparse /dev, not a kernel without it
		node := filepath.Join(t.TempDir(), "fuse")
		if err = unix.Mknod(node, unix.S_IFCHR|0o600, int(unix.Mkdev(10, 229))); err == nil {
			dev, err = unix.Open(node, flags, 0)
		}
	}
	if err != nil || os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatalf("a FUSE needs root and the kernel's: %v", err)
		}
		t.Skipf("a FUSE needs root and the kernel's: %v", err)
	}
	return dev
}

// Hang ends all answers.
func (f *Fuse) Hang() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hangs = true
}

// The requests and answers of include/uapi/linux/fuse.h, version 7.31.
const (
	fuseLookup, fuseForget, fuseGetattr, fuseOpen, fuseRead = 1, 2, 3, 14, 15
	fuseInit, fuseBatchForget                               = 26, 42

	inHeader, outHeader = 40, 16
	programNode         = 2
	forGood             = 1 << 30 // seconds that attributes hold
)

var native = binary.NativeEndian

// serve answers until the device is closed.
func (f *Fuse) serve(device *os.File) {
	request := make([]byte, 1<<18)
	for {
		n, err := device.Read(request)
		if err != nil {
			return
		}
		f.mu.Lock()
		f.take(device, request[:n])
		f.mu.Unlock()
	}
}

// take answers a request, unless the disk hangs. f.mu is held.
func (f *Fuse) take(device io.Writer, request []byte) {
	op := native.Uint32(request[4:])
	switch {
	case op == fuseForget || op == fuseBatchForget: // not answered
	case op != fuseInit && f.hangs:
		if f.mirror != nil {
			f.mirror.held = append(f.mirror.held, slices.Clone(request))
		}
		select {
		case <-f.touched:
		default:
			close(f.touched)
		}
	default:
		body, errno := f.answer(op, native.Uint64(request[16:]), request[inHeader:])
		reply := make([]byte, outHeader, outHeader+len(body))
		native.PutUint32(reply, uint32(outHeader+len(body)))
		native.PutUint32(reply[4:], uint32(-int32(errno)))
		copy(reply[8:16], request[8:16]) // unique
		device.Write(append(reply, body...))
	}
}

func (f *Fuse) answer(op uint32, node uint64, in []byte) (body []byte, errno unix.Errno) {
	switch op {
	case fuseInit:
		body = make([]byte, 64)
		native.PutUint32(body, 7)
		native.PutUint32(body[4:], 31)
		native.PutUint32(body[8:], 128<<10) // max_readahead
		native.PutUint32(body[20:], 4096)   // max_write
		return body, 0
	}
	if f.mirror != nil {
		return f.mirror.answer(op, node, in)
	}
	switch op {
	case fuseLookup:
		if f.program == nil || string(in) != ProgramName+"\x00" {
			return nil, unix.ENOENT
		}
		body = make([]byte, 40)
		native.PutUint64(body, programNode)
		native.PutUint64(body[16:], forGood)
		native.PutUint64(body[24:], forGood)
		return append(body, f.attributes(programNode)...), 0
	case fuseGetattr:
		body = make([]byte, 16)
		native.PutUint64(body, forGood)
		return append(body, f.attributes(node)...), 0
	case fuseRead:
		from := min(int(native.Uint64(in[8:])), len(f.program))
		return f.program[from:min(from+int(native.Uint32(in[16:])), len(f.program))], 0
	}
	// The kernel then opens files, and reads no attributes of a program, without
	// asking again, as it does on a disk.
	return nil, unix.ENOSYS
}

func (f *Fuse) attributes(node uint64) []byte {
	mode, size := uint32(unix.S_IFDIR|0o755), 0
	if node == programNode {
		mode, size = unix.S_IFREG|0o755, len(f.program)
	}
	attr := make([]byte, 88)
	native.PutUint64(attr, node)
	native.PutUint64(attr[8:], uint64(size))
	native.PutUint32(attr[60:], mode)
	native.PutUint32(attr[64:], 1)
	native.PutUint32(attr[80:], 4096)
	return attr
}
