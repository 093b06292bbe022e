package watchreg

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gofrs/flock"
	"golang.org/x/sys/unix"
)

func TestSecondProcessIsRefused(t *testing.T) {
	reg, dir := open(t)
	p := start(t, dir)
	p.want("open", "ok")
	p.want("claim web", "ok")

	began := time.Now()
	_, err := reg.Claim("web")
	wantErr(t, err, ErrInUse)
	if took := time.Since(began); took >= patience {
		t.Errorf("a claim on a settled watch waited %v", took)
	}
	p.want("status still-here", "ok")
	e, err := reg.Read("web")
	must(t, err)
	if !e.Live || e.Status == nil || e.Status.Note != "still-here" || e.Status.PID != p.cmd.Process.Pid {
		t.Errorf("the first watch was disturbed: %+v", e)
	}
	p.want("release", "ok")
	must(t, claim(t, reg, "web").Release())
}

func TestKilledWatchIsTakenOver(t *testing.T) {
	reg, dir := open(t)
	leftover(t, dir, "web")
	c := claim(t, reg, "web")
	if c.Leftover == nil || c.Leftover.Note != "old" || c.Leftover.ID != "web" {
		t.Errorf("leftover %+v", c.Leftover)
	}
	e, err := reg.Read("web")
	must(t, err)
	if !e.Live || e.Status != nil {
		t.Errorf("the dead watch's status is shown as the new one's: %+v", e)
	}
	must(t, c.Release())
	if left := names(t, dir); left != nil {
		t.Errorf("left behind: %v", left)
	}
}

// A watch can be killed between any two steps of Claim, WriteStatus and
// Release. Each state it can leave is taken over, and can be deleted.
func TestEveryCrashStateIsTakenOver(t *testing.T) {
	status, err := encodeStatus(Status{Format: statusFormat, Note: "old"})
	must(t, err)
	states := []struct {
		files string
		known bool
		note  string
	}{
		{"", false, ""},
		{"lock", true, ""},
		{"lock control", true, ""},
		{"lock control status.new", true, ""},
		{"lock control status", true, "old"},
		{"lock control status status.new", true, "old"},
		{"lock status status.new", true, "old"},
		{"control status", false, "old"}, // not by a crash: somebody removed the lock
	}
	for _, s := range states {
		t.Run(s.files, func(t *testing.T) {
			reg, dir := open(t)
			plant := func() {
				must(t, os.Mkdir(filepath.Join(dir, "web"), 0o700))
				for _, name := range strings.Fields(s.files) {
					path := filepath.Join(dir, "web", name)
					switch name {
					case "control":
						must(t, unix.Mkfifo(path, 0o600))
					case "status":
						must(t, os.WriteFile(path, status, 0o600))
					default:
						must(t, os.WriteFile(path, []byte("{"), 0o600))
					}
				}
			}
			plant()
			e, err := reg.Read("web")
			if s.known != (err == nil) || e.Live {
				t.Errorf("read: %+v %v", e, err)
			}
			c := claim(t, reg, "web")
			if (c.Leftover != nil) != (s.note != "") || c.Leftover != nil && c.Leftover.Note != s.note {
				t.Errorf("leftover %+v", c.Leftover)
			}
			must(t, c.WriteStatus(Status{}))
			must(t, c.Release())
			plant()
			must(t, reg.Delete("web"))
			if left := names(t, dir); left != nil {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestKilledAtAnyMoment(t *testing.T) {
	reg, dir := open(t)
	for steps := range 15 {
		p := start(t, dir)
		p.want("open", "ok")
		p.tell("churn web")
		for range steps {
			p.answer()
		}
		p.kill()
		c, err := reg.Claim("web")
		if err != nil {
			t.Fatalf("after %d steps: %v", steps, err)
		}
		must(t, c.Release())
		if left := names(t, dir); left != nil {
			t.Fatalf("after %d steps, left behind: %v", steps, left)
		}
	}
}

func TestOneOfManyWins(t *testing.T) {
	_, dir := open(t)
	var all []*proc
	for range 8 {
		p := start(t, dir)
		p.want("open", "ok")
		all = append(all, p)
	}
	for round := range 5 {
		for _, p := range all {
			p.tell("claim web")
		}
		var winner *proc
		for _, p := range all {
			switch answer := p.answer(); {
			case strings.HasPrefix(answer, "ok") && winner == nil:
				winner = p
			case answer != "in use":
				t.Fatalf("round %d: %q, have a winner: %v", round, answer, winner != nil)
			}
		}
		if winner == nil {
			t.Fatalf("round %d: nobody won", round)
		}
		winner.want("release", "ok")
	}
}

func TestForgottenClaimHolds(t *testing.T) {
	_, dir := open(t)
	p := start(t, dir)
	p.want("open", "ok")
	p.want("forget web", "in use")
}

// holdLock holds an identifier's lock as a watch does that has not made its FIFO yet.
func holdLock(t *testing.T, dir, id string) *flock.Flock {
	t.Helper()
	must(t, os.MkdirAll(filepath.Join(dir, id), 0o711))
	lock := flock.New(filepath.Join(dir, id, lockName))
	locked, err := lock.TryLock()
	must(t, err)
	if !locked {
		t.Fatal("the lock is held")
	}
	t.Cleanup(func() { _ = lock.Unlock() })
	return lock
}

func TestClaimHasPatienceWithALockAlone(t *testing.T) {
	reg, dir := open(t)
	lock := holdLock(t, dir, "web")
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := reg.Claim("web")
		wantErr(t, err, ErrInUse)
		if took := time.Since(began); took != patience {
			t.Errorf("gave up after %v", took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		got := make(chan error)
		go func() {
			c, err := reg.Claim("web")
			if err == nil {
				err = c.Release()
			}
			got <- err
		}()
		synctest.Wait() // for it to find the lock held
		must(t, lock.Unlock())
		must(t, <-got)
	})
}

// A releasing watch can remove the lock file between a successor's open and its flock.
func TestLockOnARemovedFileIsWorthNothing(t *testing.T) {
	_, dir := open(t)
	lock := holdLock(t, dir, "web")
	dir = filepath.Join(dir, "web")
	must(t, confirm(dir, lock))
	must(t, os.Remove(lock.Path()))
	wantErr(t, confirm(dir, lock), errBusy)
	must(t, os.WriteFile(lock.Path(), nil, 0o600)) // a third one was quicker
	wantErr(t, confirm(dir, lock), errBusy)
	must(t, os.RemoveAll(dir))
	wantErr(t, confirm(dir, lock), errBusy)
}

func TestForeignFileStays(t *testing.T) {
	reg, dir := open(t)
	c := claim(t, reg, "web")
	must(t, os.WriteFile(filepath.Join(dir, "web", "notes"), nil, 0o600))
	must(t, c.Release())
	if got := names(t, filepath.Join(dir, "web")); !slices.Equal(got, []string{"notes"}) {
		t.Errorf("files %v", got)
	}
	_, err := reg.Read("web")
	wantErr(t, err, ErrUnknown)
	must(t, claim(t, reg, "web").Release())
}

func TestLockRemovedByHand(t *testing.T) {
	reg, dir := open(t)
	c := claim(t, reg, "web")
	must(t, os.Remove(filepath.Join(dir, "web", lockName)))
	synctest.Test(t, func(t *testing.T) {
		second, err := reg.Claim("web")
		if err == nil {
			_ = second.Release() // its goroutine would keep the bubble waiting
		}
		wantErr(t, err, ErrInUse)
		wantErr(t, reg.Delete("web"), ErrInUse)
	})
	must(t, reg.Send(deadline(t), "web", Control{Verb: Stop}))
	if got := <-c.Controls(); got.Verb != Stop {
		t.Errorf("got %v", got)
	}
}

func TestOldWatchLeavesItsSuccessorAlone(t *testing.T) {
	reg, dir := open(t)
	old := claim(t, reg, "web")
	must(t, os.RemoveAll(filepath.Join(dir, "web")))
	successor := claim(t, reg, "web")
	must(t, successor.WriteStatus(Status{Note: "successor"}))

	if err := old.WriteStatus(Status{Note: "old"}); err == nil {
		t.Error("the old watch wrote into its successor's status")
	}
	if err := old.Release(); err == nil {
		t.Error("Release does not say that the lock was replaced")
	}
	e, err := reg.Read("web")
	must(t, err)
	if !e.Live || e.Status == nil || e.Status.Note != "successor" {
		t.Errorf("the successor was disturbed: %+v", e)
	}
}

func TestReleaseTwice(t *testing.T) {
	reg, dir := open(t)
	c := claim(t, reg, "web")
	must(t, c.WriteStatus(Status{}))
	must(t, os.WriteFile(filepath.Join(dir, "web", statusTemp), nil, 0o600))
	must(t, c.Release())
	if left := names(t, dir); left != nil {
		t.Errorf("left behind: %v", left)
	}
	successor := claim(t, reg, "web")
	must(t, c.Release())
	wantErr(t, c.WriteStatus(Status{}), os.ErrClosed)
	if _, open := <-c.Controls(); open {
		t.Error("Controls is open after Release")
	}
	must(t, successor.WriteStatus(Status{}))
}

func TestModesWhateverTheUmask(t *testing.T) {
	for _, mask := range []string{"000", "022", "077", "277"} {
		t.Run(mask, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "registry")
			p := start(t, dir, func(c *exec.Cmd) { c.Env = append(c.Env, "WATCHREG_UMASK="+mask) })
			p.want("open", "ok")
			p.want("claim web", "ok")
			p.want("status x", "ok")
			got := map[string]fs.FileMode{}
			for _, name := range []string{".", "web", "web/lock", "web/control", "web/status"} {
				info, err := os.Lstat(filepath.Join(dir, name))
				must(t, err)
				got[name] = info.Mode()
			}
			want := map[string]fs.FileMode{
				".": fs.ModeDir | 0o755, "web": fs.ModeDir | 0o711,
				"web/lock": 0o600, "web/control": fs.ModeNamedPipe | 0o600, "web/status": 0o644,
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("modes %v, want %v", got, want)
			}
		})
	}
}

// Message 42 of FSM chapter 8.1 wants the name of the function that failed and its errno.
func TestClaimNamesTheFailedCall(t *testing.T) {
	reg, dir := open(t)
	must(t, os.Remove(dir))
	_, err := reg.Claim("web")
	var path *fs.PathError
	var errno unix.Errno
	if !errors.As(err, &path) || path.Op != "mkdir" || !errors.As(err, &errno) || errno != unix.ENOENT {
		t.Errorf("error %v", err)
	}
	wrapped := fmt.Errorf("claim: %w", flockError(unix.ENOLCK))
	var call *os.SyscallError
	if !errors.As(wrapped, &call) || call.Syscall != "flock" || !errors.Is(wrapped, unix.ENOLCK) {
		t.Errorf("error %v", wrapped)
	}
}

// Nothing the package opens stays open.
// A holder that was killed a moment ago still looks alive, so a live one is refused only after that moment.
func TestRefusalComesAfterAMoment(t *testing.T) {
	reg, _ := open(t)
	c, err := reg.Claim("web")
	must(t, err)
	defer c.Release()
	synctest.Test(t, func(t *testing.T) {
		for what, try := range map[string]func() error{
			"claim":  func() error { _, err := reg.Claim("web"); return err },
			"delete": func() error { return reg.Delete("web") },
		} {
			began := time.Now()
			wantErr(t, try(), ErrInUse)
			if took := time.Since(began); took != dying {
				t.Errorf("%s was refused after %v, want %v", what, took, dying)
			}
		}
	})
}

func TestNoDescriptorIsLeaked(t *testing.T) {
	reg, dir := open(t)
	leftover(t, dir, "dead")
	life := func() {
		c, err := reg.Claim("web")
		must(t, err)
		must(t, c.WriteStatus(Status{}))
		synctest.Test(t, func(t *testing.T) { // refused after a while
			_, err := reg.Claim("web")
			wantErr(t, err, ErrInUse)
			wantErr(t, reg.Delete("web"), ErrInUse)
		})
		must(t, reg.Send(t.Context(), "web", Control{Verb: Stop}))
		wantErr(t, reg.Send(t.Context(), "dead", Control{Verb: Stop}), ErrNotRunning)
		_, err = reg.List()
		must(t, err)
		_, err = lockListed(filepath.Join(dir, "web"))
		must(t, err)
		gone := make(chan error)
		go func() { gone <- reg.WaitGone(t.Context(), "web") }()
		must(t, c.Release())
		must(t, <-gone)
	}
	life() // the runtime opens descriptors of its own at first use
	before := len(names(t, "/proc/self/fd"))
	for range 20 {
		life()
	}
	if after := len(names(t, "/proc/self/fd")); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}
