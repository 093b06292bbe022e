package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"fsmon/cmd/internal/alert"
	"fsmon/cmd/internal/errand"
	"fsmon/cmd/internal/evidence"
	"fsmon/cmd/internal/observe"
	"fsmon/cmd/internal/watch"
	"fsmon/watchreg"
)

// start runs a watch in the foreground until it ends.
func (s Service) start(req request) error {
	// A watch works for milliseconds in every interval, so memory counts and
	// throughput does not.
	debug.SetGCPercent(25)
	notify := observe.NewNotify() // first: no child may inherit the variables it reads
	errand.LowerOOMScore()

	target, err := s.target(&req)
	if err != nil {
		return err
	}
	if _, err := os.Hostname(); err != nil {
		return &failure{end: endLocal, alert: s.Catalogue.NoName.Alert(errnoOf(err))}
	}
	claim, watches, err := s.claim(req.ID)
	if err != nil {
		return err
	}
	req.FirstAfter = firstAfter(req.ID, req.Interval, watches)
	ctx, done := untilSignalled()
	defer done()

	alerts := s.alerts(req)
	ended, err := s.watch(ctx, req, target, claim, alerts, notify)
	budget := time.Until(ended.Add(endBudget - releaseBudget))
	if err != nil {
		budget = min(budget, sinkBudget)
	}
	alerts.Close(budget)
	if !release(claim.Release, ended.Add(endBudget-clearBudget), threadsBusy) {
		release(func() error {
			left := leftover{watchreg.DefaultDir(), req.ID, os.Getpid()}
			_, err := clearErrand.Run(context.Background(), left)
			return err
		}, ended.Add(endBudget), threadsBusy)
	}
	return err
}

// target makes the target, and adds to the request what it says. What is wrong
// with it is wrong usage or configuration.
func (s Service) target(req *request) (Target, error) {
	target, err := s.Target(req.Policy)
	req.GraceLimit = target.GraceLimit
	for i := 0; i < len(req.Witnesses) && err == nil; i++ {
		req.Witnesses[i], err = ParseAddress("--witness", req.Witnesses[i], "--port")
	}
	os.Unsetenv("PASSWD") // sinks start children, which must not inherit it
	if err != nil {
		invalid := s.Catalogue.Invalid.Alert()
		return target, &failure{end: endConfig, alert: invalid, text: err.Error()}
	}
	return target, nil
}

// untilSignalled returns a context that SIGTERM and SIGINT end; its cause names
// the signal.
func untilSignalled() (ctx context.Context, done func()) {
	// Caught rather than ignored, so that children start with the default.
	ignored := make(chan os.Signal, 1)
	signal.Notify(ignored, syscall.SIGHUP, syscall.SIGPIPE)
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM, syscall.SIGINT)
	ctx, cancel := context.WithCancelCause(context.Background())
	go func() {
		if <-asked == syscall.SIGINT {
			cancel(errors.New("SIGINT"))
		} else {
			cancel(errors.New("SIGTERM"))
		}
	}()
	return ctx, func() {
		signal.Stop(asked)
		signal.Stop(ignored)
		cancel(nil)
	}
}

// watch runs the loop with its listeners. It returns when the loop ended, and
// nil if on request.
func (s Service) watch(ctx context.Context, req request, target Target, claim *watchreg.Claim,
	alerts *alert.Alerts, notify *observe.Notify) (ended time.Time, err error) {
	self := settingsOf(req.Policy)
	self.Command, self.Version, self.ID, self.PID = s.Command, version, req.ID, os.Getpid()
	self.Kind, self.Target = s.Kind, target.Where
	self.Note = observe.JoinNotes(target.Notes...)
	own, unheld := ownProgram()
	if unheld == nil {
		unheld = own.hold()
	}
	if unheld != nil {
		self.Note = observe.JoinNotes(self.Note, "its program may leave memory")
	}
	told := func(m Message) func(error) { return func(err error) { alerts.Send(m.Alert(err)) } }
	status := observe.NewStatus(self, claim.WriteStatus, told(statusLost))
	listeners := []func(watch.Event){
		s.announce(target.Name, alerts.Send),
		announceStart(alerts.Send, target.Notes, claim.Leftover, unheld),
		status.On,
		notify.On,
	}
	written := []interface{ Close(time.Duration) }{status}
	if req.MetricsFile != "" {
		metrics := observe.NewMetrics(self, req.MetricsFile, told(metricsLost))
		listeners = append(listeners, metrics.On)
		written = append(written, metrics)
	}
	var saver *evidence.Evidence
	if dir := evidenceDir(req); dir != "" {
		saver = evidence.New(self, dir)
		listeners = append(listeners, saver.On)
		if req.EvidenceDir != "" { // a mistake in it should be known before the verdict
			go func() { // a disk that hangs must not keep the watch from starting
				if err := saver.Prepare(); err != nil {
					alerts.Send(notSaved.Alert(err))
				}
			}()
		}
	}

	asking, noMore := context.WithCancel(ctx)
	defer noMore()
	witnesses := newWitnesses(asking, req, target)

	disk := &sameDisk{must: target.SameDisk}
	listeners = append(listeners, disk.on, giveBack(target.FreeEvery, func() {
		time.AfterFunc(50*time.Millisecond, debug.FreeOSMemory)
	}), own.settled())
	w := watch.Watch{
		Policy:   req.Policy,
		Probe:    disk.probe(target.Probe),
		Classify: s.classify,
		Publish: func(e watch.Event) {
			e.Witnesses = witnesses.on(e)
			for _, on := range listeners {
				on(e)
			}
		},
	}
	if every := notify.Every(); every > 0 {
		w.Beat, w.BeatEvery = notify.Beat, every
	}
	var tidy func(context.Context) error
	if target.Keep != nil {
		tidy = target.Keep()
	}
	outcome := w.Run(ctx, controls(claim.Controls()))
	ended = time.Now()
	if outcome.Err == nil {
		defer cleanUp(tidy, ended.Add(fileBudget), alerts.Send)()
	}
	// The sinks and the files are served while the evidence is saved.
	if outcome.Err != nil && saver != nil {
		alerts.Send(saveEvidence(ctx, saver))
	}
	for _, file := range written {
		file.Close(time.Until(ended.Add(fileBudget)))
	}
	switch {
	case outcome.Err == nil:
		return ended, nil
	case s.classify(outcome.Err) == Local:
		return ended, &failure{end: endLocal}
	}
	return ended, &failure{end: endFailed}
}

// settingsOf begins the status of a watch.
func settingsOf(p watch.Policy) watchreg.Status {
	return watchreg.Status{
		Interval: int(p.Interval.Seconds()), RetryInterval: int(p.RetryInterval.Seconds()),
		Retries: p.Retries, Timeout: int(p.Timeout.Seconds()),
	}
}

// saveEvidence returns the message about what was saved.
func saveEvidence(ctx context.Context, saver *evidence.Evidence) Alert {
	found, err := saver.Save(ctx, evidenceBudget)
	if err != nil {
		return notSaved.Alert(err)
	}
	a := saved.Alert(found.Path)
	if len(found.Missing) > 0 {
		a.Detail = "not in it, or not whole: " + strings.Join(found.Missing, ", ")
	}
	return a
}

// evidenceDir is where the evidence goes; empty: nowhere.
func evidenceDir(req request) string {
	switch {
	case req.NoEvidence:
		return ""
	case req.EvidenceDir == "" && os.Geteuid() == 0:
		return "/var/log/fsmon/evidence"
	}
	return req.EvidenceDir
}

// controls passes the registry's requests on to the loop.
func controls(from <-chan watchreg.Control) <-chan watch.Control {
	to := make(chan watch.Control)
	go func() {
		defer close(to)
		verbs := map[watchreg.Verb]watch.Verb{
			watchreg.Stop:     watch.Stop,
			watchreg.Pause:    watch.Pause,
			watchreg.Continue: watch.Continue,
			watchreg.Drill:    watch.Drill,
		}
		for c := range from {
			to <- watch.Control{Verb: verbs[c.Verb], For: c.For}
		}
	}()
	return to
}
