package kitrunner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fsmon/kitrunner/winsys"
)

// Control is how people steer the watch of a resource, from any process that
// uses the same state directory. Three small files beside the locks do it, on
// every system:
//
//   - .watch says who watches. A watch that is stopped removes it; one that was
//     killed or gave up leaves it, so that what is done by hand until it is
//     started again still counts.
//   - .paused pauses the watch as long as it is there, even if the watch or
//     the system starts again meanwhile. It holds the reason.
//   - .stop ends the watch, which removes it.
//
// Whether a watch runs is told by a lock alone, which it holds for life.
type Control struct{ Dir, Kit, Tag string }

// WatchState is a watch as Control finds it.
type WatchState struct {
	Kit     string    `json:"kit"`
	Tag     string    `json:"tag"`
	PID     int       `json:"pid"`
	Began   time.Time `json:"began"`
	Running bool      `json:"running"`
	// Paused is when it was paused, and Why the reason; nil if it is not.
	Paused *time.Time `json:"paused,omitempty"`
	Why    string     `json:"why,omitempty"`
}

// ErrWatched means that another watch of the resource runs.
var ErrWatched = errors.New("the resource is watched already")

// controlPoll is how often a watch looks for what it is told, and claimLimit
// how long it waits for somebody who only looks whether a watch runs.
const (
	controlPoll = time.Second
	claimLimit  = 2 * time.Second
)

const watchSuffix = ".watch"

func (c Control) resource() string { return c.Kit + " " + c.Tag }

func (c Control) file(suffix string) string {
	return filepath.Join(c.Dir, "kitrunner-"+winsys.FileName(c.resource())+suffix)
}

// claim makes this process the one watch of the resource, until release.
func (c Control) claim(ctx context.Context) (release func() error, err error) {
	wait, cancel := context.WithTimeout(ctx, claimLimit)
	defer cancel()
	release, err = winsys.Lock(wait, c.Dir, "watch "+c.resource())
	if errors.Is(err, context.DeadlineExceeded) {
		err = ErrWatched
	}
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(WatchState{Kit: c.Kit, Tag: c.Tag, PID: os.Getpid(), Began: time.Now()})
	if err == nil {
		err = writeFile(c.file(watchSuffix), string(b)+"\n")
	}
	if err == nil {
		err = remove(c.file(".stop")) // it was meant for an earlier watch
	}
	if err != nil {
		return nil, errors.Join(err, release())
	}
	return release, nil
}

// remove removes a file that need not be there.
func remove(file string) error {
	if err := os.Remove(file); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func exists(file string) (bool, error) {
	_, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Known tells whether a watch of the resource runs, or ran and was not stopped.
func (c Control) Known() (bool, error) { return exists(c.file(watchSuffix)) }

// State reads what is known of the watch.
func (c Control) State() (s WatchState, err error) {
	b, err := os.ReadFile(c.file(watchSuffix))
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	if err != nil {
		return s, fmt.Errorf("the watch of %s: %w", c.resource(), err)
	}
	info, err := os.Stat(c.file(".paused"))
	if err == nil {
		since := info.ModTime()
		s.Paused, s.Why = &since, c.why()
	} else if !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	s.Running, err = c.running()
	return s, err
}

// running tries the lock of the watch.
func (c Control) running() (bool, error) {
	look, cancel := context.WithCancel(context.Background())
	cancel()
	release, err := winsys.Lock(look, c.Dir, "watch "+c.resource())
	if errors.Is(err, context.Canceled) {
		return true, nil
	}
	if err == nil {
		err = release()
	}
	return false, err
}

// why is why the watch is paused.
func (c Control) why() string {
	b, _ := os.ReadFile(c.file(".paused")) // without a reason it is paused all the same
	return oneLine(string(b))
}

// Pause pauses the watch until Continue. An action that is under way is not
// ended, see Quiet.
func (c Control) Pause(why string) error {
	return os.WriteFile(c.file(".paused"), []byte(why+"\n"), 0o600)
}

// Continue ends a pause. It is no error if there is none.
func (c Control) Continue() error { return remove(c.file(".paused")) }

// Quiet waits until no action on the resource is under way.
func (c Control) Quiet(ctx context.Context) error {
	return waitFor(ctx, c.Dir, c.resource())
}

// Stop asks the watch to end, and waits until it has ended. A recover is let
// finish. Without a watch that runs it does nothing but forget the last one.
func (c Control) Stop(ctx context.Context) error {
	if running, err := c.running(); err != nil || !running {
		return errors.Join(err, remove(c.file(watchSuffix)), c.Continue())
	}
	if err := os.WriteFile(c.file(".stop"), nil, 0o600); err != nil {
		return err
	}
	return waitFor(ctx, c.Dir, "watch "+c.resource())
}

// waitFor waits until nobody holds the lock.
func waitFor(ctx context.Context, dir, lock string) error {
	release, err := winsys.Lock(ctx, dir, lock)
	if err != nil {
		return err
	}
	return release()
}

// Controls lists the watches that run, or ran and were not stopped, in the
// order of their names.
func Controls(dir string) (list []Control, err error) {
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, f := range files {
		if !strings.HasPrefix(f.Name(), "kitrunner-") || !strings.HasSuffix(f.Name(), watchSuffix) {
			continue
		}
		var s WatchState
		b, rerr := os.ReadFile(filepath.Join(dir, f.Name()))
		if errors.Is(rerr, fs.ErrNotExist) { // it has just been stopped
			continue
		}
		if rerr == nil {
			rerr = json.Unmarshal(b, &s)
		}
		if rerr != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", f.Name(), rerr))
			continue
		}
		list = append(list, Control{dir, s.Kit, s.Tag})
	}
	return list, err
}
