package watchreg

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gofrs/flock"
)

func TestEntries(t *testing.T) {
	reg, dir := open(t)
	leftover(t, dir, "dead")
	live := claim(t, reg, "live")
	must(t, live.WriteStatus(Status{State: Healthy}))
	claim(t, reg, "new")
	// No watch made these:
	must(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	must(t, os.Mkdir(filepath.Join(dir, ".hidden"), 0o700))
	must(t, os.Mkdir(filepath.Join(dir, "empty"), 0o700))
	must(t, os.Symlink("live", filepath.Join(dir, "link")))
	// An entry that cannot be read does not hide the rest:
	must(t, os.MkdirAll(filepath.Join(dir, "damaged"), 0o711))
	must(t, os.WriteFile(filepath.Join(dir, "damaged", lockName), nil, 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "damaged", statusName), []byte("{"), 0o600))

	entries, err := reg.List()
	must(t, err)
	var got []string
	for _, e := range entries {
		word := e.ID
		if e.Live {
			word += " live"
		}
		if e.Status != nil {
			word += " status"
		}
		if e.Err != nil {
			word += " err"
		}
		got = append(got, word)
	}
	want := "damaged err, dead status, live live status, new live"
	if strings.Join(got, ", ") != want {
		t.Errorf("listed %v, want %s", got, want)
	}

	for _, id := range []string{"none", "empty"} {
		_, err = reg.Read(id)
		wantErr(t, err, ErrUnknown)
	}
	if e, err := reg.Read("dead"); err != nil || e.Live || e.Status == nil ||
		e.Status.Note != "old" {
		t.Errorf("dead: %+v %v", e, err)
	}
	if e, err := reg.Read("damaged"); err == nil || e.Err == nil || e.Live || e.ID != "damaged" {
		t.Errorf("damaged: %+v %v", e, err)
	}
}

func TestDelete(t *testing.T) {
	reg, dir := open(t)
	wantErr(t, reg.Delete("web"), ErrUnknown)

	p := start(t, dir)
	p.want("open", "ok")
	p.want("claim web", "ok")
	p.want("status x", "ok")
	wantErr(t, reg.Delete("web"), ErrInUse)
	p.want("status y", "ok")
	p.kill()

	must(t, os.WriteFile(filepath.Join(dir, "web", statusTemp), nil, 0o600))
	must(t, reg.Delete("web"))
	if left := names(t, dir); left != nil {
		t.Errorf("left behind: %v", left)
	}
}

// A command that only looks holds a shared lock for a moment. Delete waits for
// its end.
func TestDeleteOutlastsATester(t *testing.T) {
	reg, dir := open(t)
	leftover(t, dir, "web")
	tester := flock.New(filepath.Join(dir, "web", lockName))
	if shared, err := tester.TryRLock(); err != nil || !shared {
		t.Fatal(shared, err)
	}
	synctest.Test(t, func(t *testing.T) {
		deleted := make(chan error)
		go func() { deleted <- reg.Delete("web") }()
		synctest.Wait()
		must(t, tester.Unlock())
		must(t, <-deleted)
	})
}

// Looking at a watch, live or dead, disturbs nobody's claim.
func TestLookingDoesNotDisturb(t *testing.T) {
	reg, dir := open(t)
	p := start(t, dir)
	p.want("open", "ok")
	stop, stopped := make(chan struct{}), make(chan error)
	go func() {
		for {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			if _, err := reg.List(); err != nil {
				stopped <- err
				return
			}
		}
	}()
	for range 100 {
		p.want("claim web", "ok")
		p.want("status x", "ok")
		p.want("release", "ok")
	}
	close(stop)
	must(t, <-stopped)
}

func TestListWhileEntriesVanish(t *testing.T) {
	reg, dir := open(t)
	p := start(t, dir)
	p.want("open", "ok")
	p.tell("churn web")
	for range 300 {
		entries, err := reg.List()
		must(t, err)
		for _, e := range entries {
			if e.Err != nil {
				t.Fatalf("%+v", e)
			}
		}
		for range 3 { // claimed, written, released
			p.answer()
		}
	}
}

// asNobody starts a child that may not open what only root may open.
func asNobody(t *testing.T, dir string) *proc {
	t.Helper()
	for _, d := range []string{filepath.Dir(dir), filepath.Dir(filepath.Dir(dir))} {
		// It is one of the test's own.
		if strings.HasPrefix(d, filepath.Clean(os.TempDir())+"/") {
			must(t, os.Chmod(d, 0o755))
		}
	}
	p := start(t, dir, func(c *exec.Cmd) {
		c.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	})
	p.want("open-existing", "ok")
	return p
}

func TestAnotherUserReads(t *testing.T) {
	_, dir := open(t)
	leftover(t, dir, "dead")
	watch := start(t, dir)
	watch.want("open", "ok")
	watch.want("claim live", "ok")
	watch.want("status hello", "ok")

	var p *proc
	if os.Geteuid() == 0 {
		p = asNobody(t, dir)
	} else { // what another user cannot open, this one cannot either
		for _, file := range []string{"dead/lock", "dead/control", "live/lock", "live/control"} {
			must(t, os.Chmod(filepath.Join(dir, file), 0))
		}
		p = start(t, dir)
		p.want("open-existing", "ok")
	}
	p.want("read live", "ok live=true note=hello")
	p.want("read dead", "ok live=false note=old")
	p.want("read none", "unknown")
	p.want("list ", "ok dead=false live=true")
	watch.want("release", "ok")
	p.want("read live", "unknown")
}

func TestKernelLockTable(t *testing.T) {
	table := `1: POSIX  ADVISORY  WRITE 10 00:19:1 0 EOF
2: FLOCK  ADVISORY  READ 11 00:19:2 0 EOF
2: -> FLOCK  ADVISORY  WRITE 12 00:19:2 0 EOF
3: FLOCK  ADVISORY  WRITE 13 00:19:33 0 EOF
`
	for want, held := range map[string]bool{"00:19:1": false, "00:19:2": false, "00:19:3": false,
		"00:19:33": true} {
		if got, err := listed(strings.NewReader(table), want); err != nil || got != held {
			t.Errorf("%s: %v %v", want, got, err)
		}
	}
}

func TestMissingRegistryIsEmpty(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none", "registry")
	reg, err := OpenExisting(dir)
	must(t, err)
	if entries, err := reg.List(); err != nil || len(entries) > 0 {
		t.Errorf("%v %v", entries, err)
	}
	_, err = reg.Read("web")
	wantErr(t, err, ErrUnknown)
	wantErr(t, reg.Delete("web"), ErrUnknown)
	wantErr(t, reg.Send(t.Context(), "web", Control{Verb: Pause, For: time.Second}), ErrUnknown)
	must(t, reg.WaitGone(t.Context(), "web"))
	if _, err := reg.Claim("web"); err == nil {
		t.Error("claimed in a registry that does not exist")
	}
	if _, err := os.Lstat(filepath.Dir(dir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something was created: %v", err)
	}
}
