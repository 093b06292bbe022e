// Package errand has work on a disk done by a child process.
//
// A thread that waits for a hung disk cannot be killed, and a process does not
// end before all its threads have: its parent goes on waiting for it, and a PID
// monitor sees nothing. A file server that hangs has often hung with its disks,
// and a watch's log may lie on one of them. So a watch never writes to a disk
// itself: it starts its own program once more, as an errand. That takes 2 ms,
// and should the errand hang, the watch ends without it.
package errand

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"

	"golang.org/x/sys/unix"
)

const (
	processName = "fsmon-errand"   // argv[0] of the child
	thisProgram = "/proc/self/exe" // the running version, also after an upgrade

	// smallestPipe is how many bytes any pipe takes without a reader (pipe(7)).
	smallestPipe = 4096
)

var (
	handlers = map[string]func(request []byte){} // by the errand's name, in the child
	program  = thisProgram                       // what runs as an errand; only tests have another
)

// Enabled says that this program calls Main, so that it can be its own errand.
// Where it is false, all work is done in this process. Only tests change it.
var Enabled bool

// Errand is one kind of work that can be sent to a child process, with a
// request and an answer that can be encoded as JSON.
type Errand[Request, Answer any] struct {
	name string
	do   func(Request, func(Answer, error))
}

// letter is what goes to the child, and reply what comes back.
type letter[Request any] struct {
	Name    string
	Request Request
}

type reply[Answer any] struct {
	Answer Answer
	Err    string // the text of err; empty: none
	err    error
}

// Handle declares an errand. do does the work; it calls its second argument
// once with the result, and may go on afterwards. To be called when packages
// are initialised, since Main looks the errand up by its name.
func Handle[Request, Answer any](name string,
	do func(Request, func(Answer, error))) Errand[Request, Answer] {
	handlers[name] = func(text []byte) {
		var l letter[Request]
		if json.Unmarshal(text, &l) != nil {
			return // the watch gets no reply, and says so
		}
		do(l.Request, func(answer Answer, err error) {
			r := reply[Answer]{Answer: answer}
			if err != nil {
				r.Err = err.Error()
			}
			json.NewEncoder(os.Stdout).Encode(r)
			os.Stdout.Close()
		})
	}
	return Errand[Request, Answer]{name, do}
}

// Main does the work of this process and returns true, if it is an errand. It
// is to be called first in a program whose watch is to send errands. A program
// that does not call it does all work itself.
func Main() bool {
	if len(os.Args) != 1 || os.Args[0] != processName {
		Enabled = true
		return false
	}
	signal.Ignore(unix.SIGPIPE) // the watch may not have waited
	ResetOOMScore(os.Getpid())
	var l letter[json.RawMessage]
	text, err := io.ReadAll(os.Stdin)
	if err == nil && json.Unmarshal(text, &l) == nil && handlers[l.Name] != nil {
		handlers[l.Name](text)
	}
	return true
}

// Run has the work done and waits for the answer, at most until ctx ends; then
// the error is the cause of ctx. Work that has begun goes on, also after the
// end of this process.
func (e Errand[Request, Answer]) Run(ctx context.Context, request Request) (Answer, error) {
	replies := make(chan reply[Answer], 1)
	go func() {
		if !Enabled || e.send(request, replies) != nil {
			e.do(request, func(answer Answer, err error) {
				replies <- reply[Answer]{Answer: answer, err: err}
			})
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
	text, err := json.Marshal(letter[Request]{e.name, request})
	if err != nil {
		return err
	}
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
	if len(text) <= smallestPipe { // it is delivered even if this process ends now
		write()
	} else {
		go write()
	}
	cmd := exec.Command(program)
	cmd.Args = []string{processName}
	cmd.Env = []string{"GOMAXPROCS=1"}
	cmd.Dir = "/"
	cmd.Stdin, cmd.Stdout = theirs, answer
	// An interrupt from a terminal is not for the child.
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	err = cmd.Start()
	theirs.Close()
	answer.Close()
	if err != nil {
		out.Close()
		return err
	}
	var r reply[Answer]
	if err := json.NewDecoder(out).Decode(&r); err != nil {
		r.err = fmt.Errorf("the process that was to write it ended without a word: %w", err)
	} else if r.Err != "" {
		r.err = errors.New(r.Err)
	}
	out.Close()
	replies <- r
	cmd.Wait() // reap it; nobody waits for what it does after its reply
	return nil
}
