package observe

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"fsmon/cmd/internal/watch"
	"fsmon/watchreg"
)

// The status after each event in the life of a watch.
func TestStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last watchreg.Status
		s := NewStatus(watchreg.Status{ID: "x", Retries: 5},
			func(st watchreg.Status) error { last = st; return nil }, nil)
		defer s.Close(time.Second)
		began := time.Now()
		want := watchreg.Status{ID: "x", Retries: 5, Started: began}
		step := func(e watch.Event, change func(w *watchreg.Status)) {
			t.Helper()
			time.Sleep(time.Second)
			e.At = time.Now()
			s.On(e)
			synctest.Wait()
			change(&want)
			if d := cmp.Diff(want, last); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		}
		at := func(n int) time.Time { return began.Add(time.Duration(n) * time.Second) }
		report := watch.Report{Target: "127.0.0.1:445", Warnings: []string{"w"}}

		step(watch.Event{Kind: watch.Started},
			func(w *watchreg.Status) { w.State, w.Since = watchreg.Starting, at(1) })
		step(watch.Event{Kind: watch.Healthy, Began: at(1), Took: 3500 * time.Microsecond,
			Report: report}, func(w *watchreg.Status) {
			w.State, w.Since, w.LastProbe, w.LastSuccess = watchreg.Healthy, at(2), at(1), at(1)
			w.ProbeMS, w.Address, w.Warnings = 3.5, "127.0.0.1:445", []string{"w"}
		})
		// Since stays.
		step(watch.Event{Kind: watch.Healthy, Began: at(2)}, func(w *watchreg.Status) {
			w.LastProbe, w.LastSuccess, w.ProbeMS, w.Address, w.Warnings = at(2), at(2), 0, "", nil
		})
		step(watch.Event{Kind: watch.Failed, Began: at(3), Err: errBroken, Failures: 1, Allowed: 6},
			func(w *watchreg.Status) {
				w.State, w.Since, w.LastProbe = watchreg.Failing, at(4), at(3)
				w.Failures, w.LastError = 1, "negotiate: broken"
			})
		step(watch.Event{Kind: watch.Healthy, Began: at(3), Report: watch.Report{Grace: true}},
			func(w *watchreg.Status) {
				w.State, w.Since, w.LastSuccess = watchreg.Grace, at(5), at(3)
				w.Failures, w.LastError = 0, ""
			})
		// The count stays as it is.
		step(watch.Event{Kind: watch.Refused, Began: at(3), Err: errBroken, Class: watch.Account},
			func(w *watchreg.Status) {
				w.State, w.Since, w.Class = watchreg.Refused, at(6), "account"
				w.LastError = "negotiate: broken"
			})
		step(watch.Event{Kind: watch.Paused, Until: at(60)}, func(w *watchreg.Status) {
			w.State, w.Since, w.PausedUntil = watchreg.Paused, at(7), at(60)
		})
		step(watch.Event{Kind: watch.Paused, Again: true},
			func(w *watchreg.Status) { w.PausedUntil = time.Time{} })
		step(watch.Event{Kind: watch.Continued}, func(w *watchreg.Status) {
			w.State, w.Since, w.Failures, w.LastError = watchreg.Starting, at(9), 0, ""
			w.Class = ""
		})
		step(watch.Event{Kind: watch.Judged, Err: errBroken},
			func(w *watchreg.Status) { w.State, w.Since = watchreg.Ended, at(10) })
	})
}

// Notes from before the first probe and from a healthy one stay. A forgiven
// failure does not change the state.
func TestStatusWhileStarting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last watchreg.Status
		s := NewStatus(watchreg.Status{Note: JoinNotes("address 192.0.2.10")},
			func(st watchreg.Status) error { last = st; return nil }, nil)
		defer s.Close(time.Second)
		for _, step := range []struct {
			e         watch.Event
			state     watchreg.State
			note, err string
		}{
			{e: watch.Event{Kind: watch.Started}, state: watchreg.Starting,
				note: "address 192.0.2.10"},
			{e: watch.Event{Kind: watch.Forgiven, Err: errBroken,
				Report: watch.Report{Note: "not settled"}},
				state: watchreg.Starting, note: "address 192.0.2.10", err: "negotiate: broken"},
			{e: watch.Event{Kind: watch.Healthy, Report: watch.Report{Note: "NFS version 3"}},
				state: watchreg.Healthy, note: "address 192.0.2.10; NFS version 3"},
			{e: watch.Event{Kind: watch.Failed, Err: errBroken, Failures: 1},
				state: watchreg.Failing, note: "address 192.0.2.10; NFS version 3",
				err: "negotiate: broken"},
		} {
			s.On(step.e)
			synctest.Wait()
			if last.State != step.state || last.Note != step.note || last.LastError != step.err {
				t.Errorf("after %v: state %s, note %q, error %q", step.e.Kind, last.State,
					last.Note, last.LastError)
			}
		}
	})
}

// The first of several failed writes in a row is reported. A write that hangs
// delays nobody, and after it the newest state is written.
func TestStatusWriterInTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var states []watchreg.State
		lost, full := 0, true
		hold := make(chan bool)
		s := NewStatus(watchreg.Status{}, func(st watchreg.Status) error {
			states = append(states, st.State)
			if st.State == watchreg.Paused {
				<-hold
			}
			if full {
				return errors.New("no space left on device")
			}
			return nil
		}, func(error) { lost++ })

		for _, k := range []watch.Kind{watch.Started, watch.Healthy} {
			s.On(watch.Event{Kind: k})
			synctest.Wait()
		}
		if lost != 1 {
			t.Errorf("told %d times of one spell", lost)
		}
		full = false
		s.On(watch.Event{Kind: watch.Paused})
		synctest.Wait()
		s.On(watch.Event{Kind: watch.Continued})
		s.On(watch.Event{Kind: watch.Healthy})
		began := time.Now()
		closed := make(chan time.Duration)
		go func() { s.Close(100 * time.Millisecond); closed <- time.Since(began) }()
		if took := <-closed; took != 100*time.Millisecond {
			t.Errorf("Close took %s", took)
		}
		close(hold)
		synctest.Wait()
		if d := cmp.Diff([]watchreg.State{watchreg.Starting, watchreg.Healthy, watchreg.Paused,
			watchreg.Healthy}, states); d != "" {
			t.Errorf("states (-want +got):\n%s", d)
		}
	})
}
