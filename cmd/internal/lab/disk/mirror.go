package disk

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// NewMirror is a Fuse that shows the directory back of this test, and takes what
// a watch does in its registry. What Mount starts sees it at Dir. NewFuse says
// what it needs.
func NewMirror(t *testing.T) (f *Fuse, back string) {
	t.Helper()
	back = t.TempDir()
	f = &Fuse{Dir: t.TempDir(), touched: make(chan struct{}), mirror: &mirror{paths: []string{back}}}
	f.Touched = f.touched
	f.device = os.NewFile(uintptr(openFuse(t, 0)), "/dev/fuse")
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		request := make([]byte, 1<<18)
		for {
			select {
			case <-stop:
				return
			default:
			}
			// Before it is mounted there is an error to read.
			ready := []unix.PollFd{{Fd: int32(f.device.Fd()), Events: unix.POLLIN}}
			unix.Poll(ready, 20)
			if ready[0].Revents&unix.POLLIN == 0 {
				continue
			}
			if n, err := unix.Read(int(f.device.Fd()), request); err == nil {
				f.mu.Lock()
				f.take(f.device, request[:n])
				f.mu.Unlock()
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-ended
		f.device.Close() // ends every request
	})
	return f, back
}

// Mount is for Lab.Exec: it mounts the mirror for this program alone.
func (f *Fuse) Mount(name string, args ...string) *exec.Cmd {
	cmd := exec.Command("unshare", append([]string{"--mount", "--", "/bin/sh", "-c",
		`mount --make-rprivate / &&
		mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0,dev fuse "$0" &&
		exec "$@" 3<&-`, f.Dir, name}, args...)...)
	cmd.ExtraFiles = []*os.File{f.device}
	return cmd
}

// Inside is for Lab.Exec: it starts programs that see what this process sees.
func Inside(pid int) func(name string, args ...string) *exec.Cmd {
	return func(name string, args ...string) *exec.Cmd {
		return exec.Command("nsenter",
			append([]string{fmt.Sprintf("--mount=/proc/%d/ns/mnt", pid), "--", name}, args...)...)
	}
}

// Resume answers what has waited, and all that comes.
func (f *Fuse) Resume() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hangs = false
	for _, request := range f.mirror.held {
		f.take(f.device, request)
	}
	f.mirror.held = nil
}

// mirror shows a directory through a Fuse.
type mirror struct {
	paths []string // by node, less 1
	held  [][]byte // requests that wait
}

const (
	fuseSetattr, fuseMknod, fuseMkdir, fuseUnlink = 4, 8, 9, 10
	fuseRmdir, fuseRename, fuseWrite, fuseStatfs  = 11, 12, 16, 17
	fuseReaddir                                   = 28
)

func (m *mirror) answer(op uint32, node uint64, in []byte) (body []byte, errno unix.Errno) {
	if node == 0 || node > uint64(len(m.paths)) {
		return make([]byte, 80), 0 // statfs
	}
	at := m.paths[node-1]
	// names are the file names that follow n bytes of numbers.
	names := func(n int) []string { return strings.Split(string(in[n:]), "\x00") }
	var err error
	switch op {
	case fuseLookup:
		return m.entry(filepath.Join(at, names(0)[0]))
	case fuseMknod:
		path := filepath.Join(at, names(16)[0])
		if err = unix.Mknod(path, native.Uint32(in), 0); err == nil {
			return m.entry(path)
		}
	case fuseMkdir:
		path := filepath.Join(at, names(8)[0])
		if err = unix.Mkdir(path, native.Uint32(in)); err == nil {
			return m.entry(path)
		}
	case fuseSetattr:
		const mode, size = 1 << 0, 1 << 3
		valid := native.Uint32(in)
		if valid&mode != 0 {
			err = unix.Chmod(at, native.Uint32(in[68:])&0o7777)
		}
		if valid&size != 0 {
			err = errors.Join(err, os.Truncate(at, int64(native.Uint64(in[16:]))))
		}
		if err == nil {
			return m.attributes(at, node)
		}
	case fuseGetattr:
		return m.attributes(at, node)
	case fuseUnlink:
		err = unix.Unlink(filepath.Join(at, names(0)[0]))
	case fuseRmdir:
		err = unix.Rmdir(filepath.Join(at, names(0)[0]))
	case fuseRename:
		to := m.paths[native.Uint64(in)-1]
		from, to := filepath.Join(at, names(8)[0]), filepath.Join(to, names(8)[1])
		if err = unix.Rename(from, to); err == nil {
			m.paths[m.node(to)-1], m.paths[m.node(from)-1] = "", to
		}
	case fuseRead:
		text, _ := os.ReadFile(at)
		from := min(int(native.Uint64(in[8:])), len(text))
		return text[from:min(from+int(native.Uint32(in[16:])), len(text))], 0
	case fuseWrite:
		body = make([]byte, 8)
		native.PutUint32(body, native.Uint32(in[16:]))
		f, openErr := os.OpenFile(at, os.O_WRONLY, 0)
		if err = openErr; err == nil {
			_, err = f.WriteAt(in[40:], int64(native.Uint64(in[8:])))
			err = errors.Join(err, f.Close())
		}
	case fuseStatfs:
		return make([]byte, 80), 0
	case fuseReaddir:
		return m.list(at, native.Uint64(in[8:]))
	default:
		return nil, unix.ENOSYS
	}
	errors.As(err, &errno)
	return body, errno
}

// node is the number of a path.
func (m *mirror) node(path string) uint64 {
	i := slices.Index(m.paths, path)
	if i < 0 {
		i = len(m.paths)
		m.paths = append(m.paths, path)
	}
	return uint64(i) + 1
}

func (m *mirror) entry(path string) (body []byte, errno unix.Errno) {
	attr, errno := m.attributes(path, m.node(path))
	if errno != 0 {
		return nil, errno
	}
	body = make([]byte, 40)
	native.PutUint64(body, m.node(path))
	return append(body, attr[16:]...), 0
}

func (m *mirror) attributes(path string, node uint64) (body []byte, errno unix.Errno) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		errors.As(err, &errno)
		return nil, errno
	}
	body = make([]byte, 16+88)
	attr := body[16:]
	native.PutUint64(attr, node)
	native.PutUint64(attr[8:], uint64(st.Size))
	native.PutUint64(attr[24:], uint64(st.Atim.Sec))
	native.PutUint64(attr[32:], uint64(st.Mtim.Sec))
	native.PutUint64(attr[40:], uint64(st.Ctim.Sec))
	native.PutUint32(attr[60:], st.Mode)
	native.PutUint32(attr[64:], uint32(st.Nlink))
	native.PutUint32(attr[68:], st.Uid)
	native.PutUint32(attr[72:], st.Gid)
	native.PutUint32(attr[80:], 4096)
	return body, 0
}

func (m *mirror) list(dir string, from uint64) (body []byte, errno unix.Errno) {
	entries, err := os.ReadDir(dir)
	errors.As(err, &errno)
	for i := min(from, uint64(len(entries))); i < uint64(len(entries)); i++ {
		name := entries[i].Name()
		one := make([]byte, 24, 24+len(name)+8)
		native.PutUint64(one, m.node(filepath.Join(dir, name)))
		native.PutUint64(one[8:], i+1)
		native.PutUint32(one[16:], uint32(len(name)))
		one = append(one, name...)
		body = append(body, append(one, make([]byte, -len(one)&7)...)...)
	}
	return body, errno
}
