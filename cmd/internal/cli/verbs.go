package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"fsmon/watchreg"
)

// effectWait is how long -pause and -continue wait for the status to show
// their effect.
const effectWait = 5 * time.Second

// control makes an action of a verb for the watch that holds an identifier.
func control(verb func(Service, *watchreg.Registry, request) error) func(Service, request) error {
	return func(s Service, req request) error {
		registry, err := watchreg.OpenExisting(watchreg.DefaultDir())
		if err != nil {
			return err
		}
		return verb(s, registry, req)
	}
}

// stop ends the watch and waits until it has gone.
func (s Service) stop(registry *watchreg.Registry, req request) error {
	ctx, cancel := context.WithTimeout(context.Background(), req.Wait)
	defer cancel()
	err := sendAndWait(ctx, registry, req.ID, watchreg.Stop)
	f := &failure{end: endFailed, alert: s.Catalogue.NotEnded.Alert()}
	if isGone(err) {
		// The normal way of stop.sh after a verdict: not for the logs.
		f.quiet, f.text = true, s.notRunning(req.ID).Error()
		return f
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		f.text = fmt.Sprintf(
			"watch %q did not end within %s (%v; see what its process does: %s %s -disp)",
			req.ID, req.Wait, err, s.Command, req.ID)
	default:
		f.text = notControlled(req.ID, err).Error()
	}
	return f
}

// drill makes the watch behave as at a verdict, and waits until it has gone.
func (s Service) drill(registry *watchreg.Registry, req request) error {
	e, err := registry.Read(req.ID)
	switch {
	case isGone(err), err == nil && !e.Live:
		return s.notRunning(req.ID)
	case err != nil:
		return err
	case e.Status != nil && e.Status.State == watchreg.Paused:
		return fmt.Errorf("watch %q is paused, so it would not see a failure either "+
			"(first: %s %s -continue)", req.ID, s.Command, req.ID)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	switch err = sendAndWait(ctx, registry, req.ID, watchreg.Drill); {
	case err == nil:
		return nil
	case isGone(err):
		return s.notRunning(req.ID)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("watch %q has not ended within %s (it may be paused, frozen, or of a "+
			"version without drills: %s %s -disp)", req.ID, time.Minute, s.Command, req.ID)
	}
	return notControlled(req.ID, err)
}

// sendAndWait sends a line that ends the watch, and waits until it has gone.
func sendAndWait(ctx context.Context, registry *watchreg.Registry, id string, verb watchreg.Verb) error {
	gone := make(chan error, 1)
	go func() { gone <- registry.WaitGone(ctx, id) }()
	if err := registry.Send(ctx, id, watchreg.Control{Verb: verb}); err != nil {
		return err
	}
	return <-gone
}

// isGone reports whether an error of the registry means that no watch runs.
func isGone(err error) bool {
	return errors.Is(err, watchreg.ErrUnknown) || errors.Is(err, watchreg.ErrNotRunning)
}

// notRunning says that a verb found no watch. Scripts know its beginning.
func (s Service) notRunning(id string) error {
	why := s.Command + " -list shows all"
	if dirs := watchreg.ReadableDirs(); len(dirs) > 1 {
		if r, err := watchreg.OpenExisting(dirs[1]); err == nil {
			if e, err := r.Read(id); err == nil && e.Live {
				why = "only root can control root's watch of that name"
			}
		}
	}
	return fmt.Errorf("no watch %q is running (%s)", id, why)
}

func (s Service) unknown(id string) error {
	return fmt.Errorf("there is no watch %q (%s -list shows all)", id, s.Command)
}

// notControlled says why the watch did not get its control line.
func notControlled(id string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf(
			"watch %q cannot be controlled by this user (%w; only its own user can)", id, err)
	}
	return fmt.Errorf("watch %q does not read its controls (%w)", id, err)
}

// pause carries out -pause and -continue. It returns nil only when the status
// shows the effect, so that `-pause && systemctl stop smbd` is safe.
func (s Service) pause(registry *watchreg.Registry, req request) error {
	before, err := registry.Read(req.ID)
	switch {
	case isGone(err), err == nil && !before.Live:
		return s.notRunning(req.ID)
	case err != nil:
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), effectWait)
	defer cancel()
	asked := time.Now()
	c := watchreg.Control{Verb: watchreg.Continue}
	if req.Verb == verbPause {
		c = watchreg.Control{Verb: watchreg.Pause, For: req.For}
	}
	if err := registry.Send(ctx, req.ID, c); isGone(err) {
		return s.notRunning(req.ID)
	} else if err != nil {
		return notControlled(req.ID, err)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		e, err := registry.Read(req.ID)
		switch {
		case isGone(err), err == nil && !e.Live:
			return s.notRunning(req.ID)
		case err == nil && e.Status != nil && shows(*e.Status, req, asked):
			wasPaused := before.Status != nil && before.Status.State == watchreg.Paused
			if before.Status != nil && wasPaused == (req.Verb == verbPause) {
				fmt.Printf("watch %q %s\n", req.ID, unchanged(*e.Status))
			}
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf(
				"watch %q has not obeyed within %s (its process may be frozen: %s %s -disp)",
				req.ID, effectWait, s.Command, req.ID)
		}
	}
}

// shows reports whether the status shows the effect of the verb.
func shows(st watchreg.Status, req request, asked time.Time) bool {
	switch {
	case req.Verb == verbContinue:
		return st.State != watchreg.Paused
	case st.State != watchreg.Paused:
		return false
	case req.For == 0:
		return st.PausedUntil.IsZero()
	}
	// The watch counts from when it read the line, which is after asked.
	earliest, latest := asked.Add(req.For), time.Now().Add(req.For+time.Second)
	return !st.PausedUntil.Before(earliest) && st.PausedUntil.Before(latest)
}

// unchanged says what a -pause or -continue found done already.
func unchanged(st watchreg.Status) string {
	switch {
	case st.State != watchreg.Paused:
		return "is not paused"
	case st.PausedUntil.IsZero():
		return "was paused already; it stays paused until -continue"
	}
	return "was paused already; it stays paused until " + moment(st.PausedUntil)
}

// disp shows one watch, of the user's own registry if it is there, else of the
// machine's.
func (s Service) disp(req request) error {
	var e watchreg.Entry
	var dir string
	err := s.unknown(req.ID)
	dirs := watchreg.ReadableDirs()
	for _, dir = range dirs {
		registry, rerr := watchreg.OpenExisting(dir)
		if rerr == nil {
			e, rerr = registry.Read(req.ID)
		}
		if !errors.Is(rerr, watchreg.ErrUnknown) {
			err = rerr
			break
		}
	}
	j := toJSON(e, time.Now())
	if len(dirs) > 1 {
		j.Registry = dir
	}
	switch {
	case err != nil:
		return err
	case req.JSON:
		printJSON(os.Stdout, j)
	case req.PID && e.Status == nil:
		return fmt.Errorf(
			"the process ID of watch %q is not known yet (it is starting: ask again)", req.ID)
	default:
		if req.PID {
			fmt.Println(e.Status.PID)
		}
		display(os.Stdout, e, time.Now(), colours(os.Stdout))
		if dir != dirs[0] {
			fmt.Printf("%-12s  %s, of root\n", "registry", dir)
		}
	}
	if !e.Live {
		return &failure{end: endFailed}
	}
	return nil
}

// del removes what a dead watch left behind.
func (s Service) del(registry *watchreg.Registry, req request) error {
	err := registry.Delete(req.ID)
	switch {
	case errors.Is(err, watchreg.ErrInUse):
		return fmt.Errorf(
			"watch %q is alive, and deleting it would break it (end it first: %s %s -stop)",
			req.ID, s.Command, req.ID)
	case errors.Is(err, watchreg.ErrUnknown):
		return s.unknown(req.ID)
	}
	return err
}
