package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/mgr"

	"fsmon/kitrunner"
)

// Times of a service: after which Windows starts a watch again that gave up, and
// how often a service that is stopping tells that it still is.
const (
	restartAfter = 5 * time.Minute
	stopNotice   = 5 * time.Second
)

// asService runs a watch until Windows stops the service or, if this is none,
// until a signal comes.
func asService(run func(ctx context.Context) int) int {
	if is, err := svc.IsWindowsService(); err != nil || !is {
		ctx, stop := untilSignal()
		defer stop()
		return run(ctx)
	}
	s := &watchService{run: run}
	if err := svc.Run("", s); err != nil { // the name counts for shared processes only
		reportService(err)
		return kitrunner.Undetermined
	}
	return s.code
}

// reportService logs why a watch that Windows started could not begin; nobody
// sees its stderr.
func reportService(why error) {
	if is, err := svc.IsWindowsService(); err != nil || !is {
		return
	}
	if log, _, err := kitrunner.OpenSystemLog(); err == nil {
		_ = log.Log(kitrunner.NotBegun(os.Args[1:], why)) // there is no other place to say it
		log.Close()
	}
}

// watchService is a watch as the service manager sees it.
type watchService struct {
	run  func(ctx context.Context) int
	code int
}

// Execute implements svc.Handler. The watch's exit code is the service's own
// error code, so that a watch that gave up counts as a failure.
func (s *watchService) Execute(_ []string, requests <-chan svc.ChangeRequest,
	status chan<- svc.Status) (own bool, code uint32) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan int, 1)
	go func() { ended <- s.run(ctx) }()
	now := svc.Status{State: svc.Running, Accepts: svc.AcceptStop | svc.AcceptShutdown}
	status <- now
	tick := time.NewTicker(stopNotice)
	defer tick.Stop()
	for {
		select {
		case s.code = <-ended:
			return s.code != kitrunner.Success, uint32(s.code)
		case r := <-requests:
			if r.Cmd == svc.Stop || r.Cmd == svc.Shutdown {
				cancel()
				now = svc.Status{State: svc.StopPending, WaitHint: uint32(2 *
					stopNotice.Milliseconds())}
			}
			status <- now
		case <-tick.C:
			if now.State == svc.StopPending { // a recover is let finish
				now.CheckPoint++
				status <- now
			}
		}
	}
}

// installService makes a service that runs this program with the arguments.
func installService(name, display string, args []string) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	m, err := mgr.Connect()
	if err != nil {
		return fmt.Errorf("the service manager: %w (run this as an administrator)", err)
	}
	defer m.Disconnect()
	s, err := m.CreateService(name, program, mgr.Config{DisplayName: display,
		StartType: mgr.StartAutomatic, Description: "Checks a resource with kitrunner and " +
			"recovers it when a check fails."}, args...)
	if err != nil {
		return fmt.Errorf("make %s: %w", name, err)
	}
	defer s.Close()
	again := mgr.RecoveryAction{Type: mgr.ServiceRestart, Delay: restartAfter}
	err = s.SetRecoveryActions([]mgr.RecoveryAction{again}, 0)
	if err == nil {
		err = s.SetRecoveryActionsOnNonCrashFailures(true)
	}
	if err != nil {
		complain("service: %s will not start again after it gave up: %v", name, err)
	}
	return nil
}

// removeService stops a service, waits for its end and removes it.
func removeService(name string) error {
	m, err := mgr.Connect()
	if err != nil {
		return fmt.Errorf("the service manager: %w (run this as an administrator)", err)
	}
	defer m.Disconnect()
	s, err := m.OpenService(name)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer s.Close()
	state, err := s.Control(svc.Stop)
	if errors.Is(err, windows.ERROR_SERVICE_NOT_ACTIVE) {
		err, state.State = nil, svc.Stopped
	}
	for err == nil && state.State != svc.Stopped {
		time.Sleep(controlWait) // the service manager has no way to wait
		state, err = s.Query()
	}
	if err == nil {
		err = s.Delete()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

const controlWait = 300 * time.Millisecond
