package kitrunner

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fsmon/kitrunner/winsys"
)

// steered is a watch that people steer, in fake time.
type steered struct {
	*watchLab
	c      Control
	events []string
	cancel context.CancelFunc
	ended  chan struct{}
	code   int
}

func (s *steered) Log(e Event) error {
	s.events = append(s.events, fmt.Sprintf("%g %d %s", time.Since(s.began).Seconds(), e.Number,
		e.Text))
	return nil
}

// steer begins a watch whose actions have these exit codes, or else 0.
func steer(t *testing.T, dir string, codes map[string]int) *steered {
	s := &steered{c: Control{dir, "lanman", "Lan tag"}, ended: make(chan struct{})}
	s.watchLab = newWatchLab(t, true, func(_ context.Context, _ int, action string) int {
		return codes[action]
	})
	ctx, cancel := context.WithCancel(t.Context())
	s.cancel = cancel
	go func() {
		defer close(s.ended)
		var err error
		if s.code, err = s.RunControlled(ctx, s.c, s, time.Minute); err != nil {
			t.Error(err)
		}
	}()
	synctest.Wait()
	return s
}

func (s *steered) wantEvents(t *testing.T, lines ...string) {
	t.Helper()
	synctest.Wait() // the watch is at rest
	if got, want := strings.Join(s.events, "\n"), strings.Join(lines, "\n"); got != want {
		t.Errorf("events\n%s\nwant\n%s", got, want)
	}
}

const (
	begunText  = "20031 The watch of resource Lan tag has begun: quickCheck every 180 s, deepCheck every 300 s."
	pausedText = `20034 The watch of resource Lan tag is paused (remove by hand): nothing checks or recovers the resource until "kitrunner continue --tag Lan tag".`
)

func TestWatchIsSteered(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := steer(t, dir, nil)
		if _, err := new(Watch).RunControlled(t.Context(), s.c, s, 0); !errors.Is(err, ErrWatched) {
			t.Errorf("a second watch: %v", err)
		}
		time.Sleep(2500*time.Millisecond - time.Since(s.began))
		if err := s.c.Pause("remove by hand"); err != nil {
			t.Fatal(err)
		}
		if err := s.c.Quiet(t.Context()); err != nil {
			t.Fatal(err)
		}
		state, err := s.c.State()
		if err != nil || !state.Running || state.Paused == nil || state.Why != "remove by hand" ||
			state.Tag != "Lan tag" {
			t.Errorf("%+v, %v", state, err)
		}
		time.Sleep(599500*time.Millisecond - time.Since(s.began))
		if err := s.c.Continue(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(721500*time.Millisecond - time.Since(s.began))
		if err := s.c.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-s.ended
		s.want(t, "0 quickCheck", "600 deepCheck", "720 quickCheck")
		if s.code != Success {
			t.Errorf("exit code %d", s.code)
		}
		s.wantEvents(t, "0 "+begunText, "3 "+pausedText,
			"600 20035 The watch of resource Lan tag continues.",
			"722 20032 The watch of resource Lan tag has ended on request.")
		if left, err := Controls(dir); len(left) > 0 || err != nil {
			t.Errorf("a watch that was stopped leaves %v, %v", left, err)
		}
	})
}

// A turn waits for what is done by hand, and looks afterwards whether it is
// paused: nothing is undone.
func TestWatchUndoesNothing(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := steer(t, dir, map[string]int{"quickCheck": 1})
		time.Sleep(170 * time.Second)
		release, err := winsys.Lock(t.Context(), dir, s.c.resource())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Second) // the turn at 180 s waits
		if err := s.c.Pause("remove by hand"); err != nil {
			t.Fatal(err)
		}
		if err := release(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		s.want(t, "0 quickCheck", "0 recover")
		s.cancel()
		<-s.ended

		// The pause outlives the watch, and its start.
		if known, err := s.c.Known(); !known || err != nil {
			t.Errorf("a paused watch that ended is known: %v, %v", known, err)
		}
		s = steer(t, dir, map[string]int{"quickCheck": 1})
		time.Sleep(time.Hour)
		s.want(t)
		s.wantEvents(t, "0 "+begunText, "0 "+pausedText)
		if err := s.c.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-s.ended
		if known, err := s.c.Known(); known || err != nil {
			t.Errorf("after a stop: %v, %v", known, err)
		}
	})
}

// A watch that gave up says so, and is remembered until it is stopped.
func TestWatchThatGaveUp(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := steer(t, dir, map[string]int{"quickCheck": 1, "recover": 2})
		<-s.ended
		s.wantEvents(t, "0 "+begunText, "0 20033 The watch of resource Lan tag has ended with exit "+
			"code 1, and nothing checks the resource until it is started again: recover failed: "+
			"the watch ends")
		if state, err := s.c.State(); state.Running || err != nil {
			t.Errorf("%+v, %v", state, err)
		}
		if left, err := Controls(dir); len(left) != 1 || left[0] != s.c || err != nil {
			t.Errorf("%v, %v", left, err)
		}
		if err := s.c.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if left, err := Controls(dir); len(left) != 0 || err != nil {
			t.Errorf("%v, %v", left, err)
		}
	})
}

// An action by hand that does not end is no failure of the resource, and three
// turns without an answer end the watch.
func TestWatchWaitsForAnAction(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		release, err := winsys.Lock(t.Context(), dir, "lanman Lan tag")
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		s := steer(t, dir, nil)
		<-s.ended
		s.want(t)
		if s.code != Undetermined || len(s.events) != 2 ||
			!strings.Contains(s.events[1], "20033") {
			t.Errorf("exit code %d, events %q", s.code, s.events)
		}
	})
}
