package cli

import (
	"context"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"fsmon/cmd/internal/alert"
	"fsmon/cmd/internal/evidence"
	"fsmon/cmd/internal/watch"
	"fsmon/watchreg"
)

// rehearse lives through a verdict without leaving this process, so that the
// pages of the program that one needs are in memory, and stay there (see
// holdProgram). What the start does too, such as writing messages and the
// status, is left to it. It takes some milliseconds. The probes have no time:
// they fail before they open a connection.
func (s Service) rehearse(self watchreg.Status, target Target) {
	alerts := alert.NewAlerts(alert.Stderr(io.Discard, s.Module))
	defer alerts.Close(time.Second)
	announce, saver := s.announce(target.Name, alerts.Send), evidence.New(self, "/")
	w := watch.Watch{
		Policy:   watch.Policy{Interval: time.Millisecond, Timeout: time.Nanosecond, Retries: 1},
		Probe:    target.Probe,
		Classify: s.classify,
		Publish:  func(e watch.Event) { announce(e); saver.On(e) },
	}
	w.Run(context.Background(), nil)
	saver.Rehearse()
	alerts.Send(notSaved.Alert(silence()))
	for _, err := range []error{silence(), unix.ECONNREFUSED, unix.ECONNRESET, io.EOF} {
		err = &net.OpError{Op: "read", Net: "tcp", Addr: &net.TCPAddr{}, Err: err}
		for _, a := range s.explain(err).Alerts {
			alerts.Send(a)
		}
	}
}

// silence returns the error of a read that was not answered in time.
func silence() error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(pair[1])
	f := os.NewFile(uintptr(pair[0]), "socketpair")
	conn, err := net.FileConn(f)
	f.Close()
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Millisecond))
	_, err = conn.Read(make([]byte, 1))
	return err
}
