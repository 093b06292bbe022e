// Package errand has a child process do work on a disk.
//
// A thread that waits for a hung disk cannot be killed, and a process does not
// end before all its threads have ended: its parent goes on waiting for it, and
// a PID monitor notices nothing. A file server often hangs because its disk
// does, and the watch's log may be on the same disk. So a watch never writes to
// a disk itself: it starts its own program once more, as an errand. That takes
// 2 ms. If the errand hangs, the watch ends without it.
package errand

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"reflect"
	"strconv"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	processName = "fsmon-errand"   // argv[0] of the child
	thisProgram = "/proc/self/exe" // this version, even if it was upgraded since

	// smallestPipe is how many bytes any pipe takes without a reader (pipe(7)).
	smallestPipe = 4096
)

var (
	handlers = map[string]func(request []byte){} // by the errand's name, in the child
	program  = thisProgram                       // what runs as an errand; only tests have another
)

// Enabled is true if this program calls Main, so that it can be its own errand.
// If it is false, this process does all work. Only tests change it.
var Enabled bool

// HasStderr is true if the stderr of this process is a file, whose disk may
// hang, and errands have the same. With any other stderr theirs is /dev/null: an
// errand that lingers must not keep a pipe open.
var HasStderr bool

// Errand is one kind of work for a child process. Request and Answer are made
// of strings, numbers, bools, times, addresses, and slices and structs of them.
type Errand[Request, Answer any] struct {
	name string
	do   func(Request, func(Answer, error))
}

// reply comes back from the child.
type reply[Answer any] struct {
	Answer Answer
	Err    string // the text of err; empty: none
	err    error
}

// Handle declares an errand. do does the work: it calls its second argument
// once with the result, and may go on afterwards. Call Handle when packages are
// initialised, since Main looks the errand up by its name.
func Handle[Request, Answer any](name string,
	do func(Request, func(Answer, error))) Errand[Request, Answer] {
	handlers[name] = func(text []byte) {
		var request Request
		if _, err := unpack(text, reflect.ValueOf(&request).Elem()); err != nil {
			return // the watch gets no reply, which is an error there
		}
		do(request, func(answer Answer, err error) {
			r := reply[Answer]{Answer: answer}
			if err != nil {
				r.Err = err.Error()
			}
			if errors.Is(err, unix.EROFS) {
				r.Err += " (a unit of systemd may write there with ReadWritePaths=)"
			}
			os.Stdout.Write(pack(nil, reflect.ValueOf(r)))
			os.Stdout.Close()
		})
	}
	return Errand[Request, Answer]{name, do}
}

// init gives an errand its name, which the kernel took from /proc/self/exe. It
// runs in the first thread, whose name is that of the process.
func init() {
	if isErrand() {
		name, _ := unix.BytePtrFromString(processName) // has no NUL
		unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(name)), 0, 0, 0)
	}
}

func isErrand() bool { return len(os.Args) == 1 && os.Args[0] == processName }

// Main returns true if this process is an errand, after it has done its work. A
// program whose watch sends errands calls it first. A program that does not
// call it does all work itself.
func Main() bool {
	if !isErrand() {
		Enabled = true
		info, err := os.Stderr.Stat()
		HasStderr = err == nil && info.Mode().IsRegular()
		return false
	}
	signal.Ignore(unix.SIGPIPE) // the watch may not have waited
	ResetOOMScore(os.Getpid())
	text, err := io.ReadAll(os.Stdin)
	if err == nil {
		var name []byte
		if name, text, err = take(text, 0); err == nil && handlers[string(name)] != nil {
			handlers[string(name)](text)
		}
	}
	return true
}

// keepDescriptors keeps what this process was started with from its errands.
// Its parent may read a pipe until nobody holds it, and an errand may hang. A
// start that replaces this process keeps them: --credentials may be /dev/fd/3.
func keepDescriptors() {
	all, _ := os.ReadDir("/proc/self/fd") // an error: no errand can be started
	for _, entry := range all {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd > unix.Stderr {
			unix.CloseOnExec(fd)
		}
	}
}

var keepDescriptorsOnce = sync.OnceFunc(keepDescriptors)

// Run has the work done and waits for the answer. If ctx ends before, the error
// is its cause. The child goes on with its work then, even after the end of
// this process.
//
// Where no program may be started at all, there is no /proc, or this process has
// no descriptors to spare, it does the work itself. Where the machine has no
// room for a process just now, nobody does it: often a disk that hangs has left
// so many behind.
func (e Errand[Request, Answer]) Run(ctx context.Context, request Request) (Answer, error) {
	replies, here := make(chan reply[Answer], 1), !Enabled
	go func() {
		err := fs.ErrPermission
		if !here {
			err = e.send(request, replies)
		}
		switch {
		case err == nil:
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission),
			errors.Is(err, unix.EMFILE):
			e.do(request, func(answer Answer, err error) {
				replies <- reply[Answer]{Answer: answer, err: err}
			})
		default:
			replies <- reply[Answer]{err: fmt.Errorf("no process could be started for it: %w", err)}
		}
	}()
	select {
	case r := <-replies:
		return r.Answer, r.err
	case <-ctx.Done():
		var none Answer
		return none, context.Cause(ctx)
	}
}

// send starts a child and passes its reply on. It returns an error if no child
// could be started. Starting may hang on a bad disk, but never keeps this
// process from exiting.
func (e Errand[Request, Answer]) send(request Request, replies chan<- reply[Answer]) error {
	text := pack(pack(nil, reflect.ValueOf(e.name)), reflect.ValueOf(request))
	theirs, in, err := os.Pipe()
	if err != nil {
		return err
	}
	out, answer, err := os.Pipe()
	if err != nil {
		return errors.Join(err, theirs.Close(), in.Close())
	}
	write := func() {
		in.Write(text) // the child may have ended: then it does not reply, either
		in.Close()
	}
	if len(text) <= smallestPipe { // the child gets it even if this process ends now
		write()
	} else {
		go write()
	}
	cmd := exec.Command(program)
	cmd.Args = []string{processName}
	cmd.Env = []string{"GOMAXPROCS=1"}
	cmd.Dir = "/"
	cmd.Stdin, cmd.Stdout = theirs, answer
	if HasStderr {
		cmd.Stderr = os.Stderr
	}
	// An interrupt from the terminal is for the watch, not for the child.
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	keepDescriptorsOnce()
	err = cmd.Start()
	theirs.Close()
	answer.Close()
	if err != nil {
		out.Close()
		return err
	}
	var r reply[Answer]
	back, err := io.ReadAll(out)
	if err == nil && len(back) == 0 {
		err = io.EOF
	}
	if err == nil {
		_, err = unpack(back, reflect.ValueOf(&r).Elem())
	}
	if err != nil {
		r.err = fmt.Errorf("the process that was to write it ended without a word: %w", err)
	} else if r.Err != "" {
		r.err = errors.New(r.Err)
	}
	out.Close()
	replies <- r
	cmd.Wait() // reaps it; nobody waits for what it does after its reply
	return nil
}
