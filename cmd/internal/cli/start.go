package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
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
func (s Service) start(req request) int {
	// A watch works for milliseconds in every interval, so memory counts and
	// throughput does not. What a probe used is given back after each.
	debug.SetGCPercent(25)
	notify := observe.NewNotify() // first, since what it reads is not for children
	errand.LowerOOMScore()

	target, err := s.Target()
	if err != nil {
		s.tell(req.ID, s.Catalogue.Invalid.Alert())
		s.complain("%v", err)
		return exitUsage
	}
	// Not for the children that a sink starts.
	os.Unsetenv("PASSWD")

	if _, err := os.Hostname(); err != nil {
		s.tell(req.ID, s.Catalogue.NoName.Alert(errnoOf(err)))
		return exitLocal
	}
	claim, code := s.claim(req.ID)
	if claim == nil {
		return code
	}

	// Caught rather than ignored, so that children start with the default.
	ignored := make(chan os.Signal, 1)
	signal.Notify(ignored, syscall.SIGHUP, syscall.SIGPIPE)
	defer signal.Stop(ignored)
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(asked)
	go func() {
		if sig, ok := <-asked; ok {
			cancel(errors.New(signalName(sig)))
		}
	}()

	alerts := s.alerts(req)
	code = s.watch(ctx, req, target, claim, alerts, notify)
	budget := stopBudget
	if code != exitOK {
		budget = sinkBudget
	}
	end := time.Now().Add(budget + releaseBudget)
	alerts.Close(budget)
	release(claim, end) // what the sinks did not need is left for it
	return code
}

// release gives the identifier back. A registry on a hung disk must not keep
// the process: the kernel drops its lock, and the next start takes over.
func release(claim *watchreg.Claim, end time.Time) {
	done := make(chan struct{})
	go func() {
		claim.Release()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(time.Until(end)):
	}
}

// watch runs the loop with its listeners.
func (s Service) watch(ctx context.Context, req request, target Target, claim *watchreg.Claim, alerts *alert.Alerts, notify *observe.Notify) int {
	self := watchreg.Status{
		Command: s.Command, Version: version, ID: req.ID, PID: os.Getpid(), Kind: s.Kind, Target: target.Where,
		Interval: int(req.Interval.Seconds()), Retries: req.Retries, Timeout: int(req.Timeout.Seconds()),
		Note: observe.JoinNotes(target.Notes...),
	}
	status := observe.NewStatus(self, claim.WriteStatus, func(err error) { alerts.Send(statusLost.Alert(err)) })
	listeners := []func(watch.Event){
		s.announce(target.Name, alerts.Send),
		started(alerts.Send, target.Notes, claim.Leftover),
		status.On,
		notify.On,
	}
	written := []interface{ Close(time.Duration) }{status}
	if req.MetricsFile != "" {
		metrics := observe.NewMetrics(self, req.MetricsFile, func(err error) { alerts.Send(metricsLost.Alert(err)) })
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

	w := watch.Watch{
		Policy: watch.Policy{Interval: req.Interval, Timeout: req.Timeout, Retries: req.Retries, StartWait: req.StartWait},
		Probe:  target.Probe,
		Publish: func(e watch.Event) {
			for _, on := range listeners {
				on(e)
			}
			switch e.Kind {
			case watch.Healthy, watch.Failed, watch.Void, watch.Forgiven:
				time.AfterFunc(50*time.Millisecond, freeMemory)
			}
		},
	}
	if every := notify.Every(); every > 0 {
		w.Beat, w.BeatEvery = notify.Beat, every
	}
	outcome := w.Run(ctx, controls(claim.Controls()))
	// The sinks are being served meanwhile, and so are the files.
	if outcome.Err != nil && saver != nil {
		alerts.Send(saveEvidence(ctx, saver))
	}
	end := time.Now().Add(statusBudget)
	for _, file := range written {
		file.Close(time.Until(end))
	}
	switch {
	case outcome.Err == nil:
		return exitOK
	case s.Diagnose(outcome.Err).Local:
		return exitLocal
	}
	return exitFailed
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

// started says at the start what the watch takes over, and what was settled
// before the first probe.
func started(send func(Alert), notes []string, left *watchreg.Status) func(watch.Event) {
	return func(e watch.Event) {
		if e.Kind != watch.Started {
			return
		}
		if left != nil {
			send(tookOver.Alert(left.PID))
			if left.State == watchreg.Paused {
				send(unpaused.Alert())
			}
		}
		for _, note := range notes {
			send(settled.Alert(note))
		}
	}
}

// freeMemory returns to the system what a probe used, a moment after it, when
// nobody holds its report any more. The second round takes what the first one's
// finalizers let go: 150 kB of 2 MB.
func freeMemory() {
	debug.FreeOSMemory()
	debug.FreeOSMemory()
}

// controls passes the registry's requests on to the loop.
func controls(from <-chan watchreg.Control) <-chan watch.Control {
	to := make(chan watch.Control)
	go func() {
		defer close(to)
		verbs := map[watchreg.Verb]watch.Verb{watchreg.Stop: watch.Stop, watchreg.Pause: watch.Pause, watchreg.Continue: watch.Continue}
		for c := range from {
			to <- watch.Control{Verb: verbs[c.Verb], For: c.For}
		}
	}()
	return to
}

// claim takes the identifier for this process. A nil claim comes with the exit
// code; everything has been said then.
func (s Service) claim(id string) (*watchreg.Claim, int) {
	registry, err := watchreg.Open(watchreg.DefaultDir())
	if err == nil {
		var claim *watchreg.Claim
		if claim, err = registry.Claim(id); err == nil {
			return claim, exitOK
		}
	}
	if errors.Is(err, watchreg.ErrInUse) {
		s.tell(id, s.Catalogue.InUse.Alert())
		by := ""
		if e, err := registry.Read(id); err == nil && e.Status != nil {
			by = fmt.Sprintf(" by process %d", e.Status.PID)
		}
		s.complain("identifier %q is in use%s (choose another, or end that watch: %s %s -stop)", id, by, s.Command, id)
		return nil, exitInUse
	}
	s.tell(id, s.Catalogue.System.Alert(callOf(err), errnoOf(err)))
	if unsafe := new(watchreg.UnsafeError); errors.As(err, &unsafe) {
		s.complain("%v", err) // says itself what to do
	} else {
		s.complain("%v (set FSMON_REGISTRY to use another registry directory)", err)
	}
	return nil, exitLocal
}

// alerts opens the sinks of a watch.
func (s Service) alerts(req request) *alert.Alerts {
	sinks := s.sinks(req.ID)
	path := req.LogFile
	if path == "" && os.Geteuid() == 0 {
		path = filepath.Join("/var/log/fsmon", req.ID, "watch.log")
	}
	if path != "" {
		sinks = append(sinks, alert.LogFile(path, s.Module))
	}
	return alert.NewAlerts(sinks...)
}

func signalName(sig os.Signal) string {
	if sig == syscall.SIGINT {
		return "SIGINT"
	}
	return "SIGTERM"
}

// callOf and errnoOf are the function name and error number of message 42.
func callOf(err error) string {
	var path *os.PathError
	var call *os.SyscallError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return path.Op
	case errors.As(err, &call):
		return call.Syscall
	case errors.As(err, &link):
		return link.Op
	}
	return "registry"
}

func errnoOf(err error) int {
	var n syscall.Errno
	if errors.As(err, &n) {
		return int(n)
	}
	return 0
}
