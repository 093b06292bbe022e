package observe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"

	"golang.org/x/sys/unix"
)

// A thread that waits for a hung disk cannot be killed, and a process does not
// end before all its threads have: its parent goes on waiting for it, and a PID
// monitor sees nothing. A file server that hangs has often hung with its disks,
// and the log may lie on one of them. So what is written to a disk is not written
// by the watch: it sends this program once more, on an errand. That takes 2 ms,
// and should it hang, the watch ends without it.

// errandName is what the process of an errand is called (argv[0]).
const errandName = "fsmon-errand"

// smallestPipe is how many bytes any pipe takes without a reader (pipe(7)).
const smallestPipe = 4096

// task is what there is to do: exactly one of these.
type task struct {
	Log     *logTask     `json:"log,omitempty"`
	Metrics *metricsTask `json:"metrics,omitempty"`
	Prepare *prepareTask `json:"prepare,omitempty"`
	Save    *saveTask    `json:"save,omitempty"`
}

// done is how a task ended.
type done struct {
	Path string   // Save: the directory
	Lack []string // Save: what is not in it, or not whole
	Err  string   // of an errand: the text of err
	err  error
}

// do does the task here. It calls tell once, and may then go on.
func (t task) do(tell func(done)) {
	switch {
	case t.Log != nil:
		tell(done{err: t.Log.do()})
	case t.Metrics != nil:
		tell(done{err: t.Metrics.do()})
	case t.Prepare != nil:
		tell(done{err: t.Prepare.do()})
	case t.Save != nil:
		t.Save.do(tell)
	}
}

// thisProgram is the running version, also after an upgrade.
const thisProgram = "/proc/self/exe"

// program is what runs an errand; only tests have another.
var program = thisProgram

// errands says that this program answers to errandName.
var errands bool

// Errand does the task of this process and returns true, if it is an errand. It
// is to be called first in a program whose watch is to send errands; any other
// program does everything itself.
func Errand() bool {
	if len(os.Args) != 1 || os.Args[0] != errandName {
		errands = true
		return false
	}
	signal.Ignore(unix.SIGPIPE) // the watch may not have waited
	resetOOMScore(os.Getpid())
	var t task
	if json.NewDecoder(os.Stdin).Decode(&t) != nil {
		return true // whoever sent it hears nothing, and says so
	}
	t.do(func(d done) {
		if d.err != nil {
			d.Err = d.err.Error()
		}
		json.NewEncoder(os.Stdout).Encode(d)
		os.Stdout.Close()
	})
	return true
}

// run has the task done and waits for that, at most until ctx ends. What has
// begun then goes on, also without this process.
func (t task) run(ctx context.Context) done {
	told := make(chan done, 1)
	go func() {
		if !errands || t.send(told) != nil {
			t.do(func(d done) { told <- d })
		}
	}()
	select {
	case d := <-told:
		return d
	case <-ctx.Done():
		return done{err: context.Cause(ctx)}
	}
}

// send sends an errand. An error means that there is none, since this machine
// does not let it start. It may hang in a start that does, but so that this
// process can end.
func (t task) send(told chan<- done) error {
	text, err := json.Marshal(t)
	if err != nil {
		return err
	}
	theirs, in, err := os.Pipe()
	if err != nil {
		return err
	}
	out, reply, err := os.Pipe()
	if err != nil {
		return errors.Join(err, theirs.Close(), in.Close())
	}
	hand := func() {
		in.Write(text) // its reader may have gone: it says nothing then, either
		in.Close()
	}
	if len(text) <= smallestPipe { // fits into any pipe: then it is there whatever becomes of this process
		hand()
	} else {
		go hand()
	}
	cmd := exec.Command(program)
	cmd.Args = []string{errandName}
	cmd.Env = []string{"GOMAXPROCS=1"}
	cmd.Dir = "/"
	cmd.Stdin, cmd.Stdout = theirs, reply
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true} // an interrupt from a terminal is not for it
	err = cmd.Start()
	theirs.Close()
	reply.Close()
	if err != nil {
		out.Close()
		return err
	}
	var d done
	if err := json.NewDecoder(out).Decode(&d); err != nil {
		d.err = fmt.Errorf("the process that was to write it ended without a word: %w", err)
	} else if d.Err != "" {
		d.err = errors.New(d.Err)
	}
	out.Close()
	told <- d
	cmd.Wait() // what it does after its word is its own affair
	return nil
}
