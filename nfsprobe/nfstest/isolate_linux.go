package nfstest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
)

// outerEnv names the network namespace that the test binary came from.
const outerEnv = "FSMON_NFSTEST_OUTER"

// Isolate moves the test binary into a network namespace of its own, with
// 127.0.0.0/8, ::1 and Address, so that tests can start servers on well-known
// ports. TestMain calls it first. It runs the test binary once more in there,
// with the same arguments and descriptors, passes signals on, and exits as that
// one does. Inside, or if this process may not make namespaces, it just
// returns; Config.InPlace then checks.
func Isolate() {
	if isolated() == nil {
		return
	}
	if _, err := lookPath("ip"); err != nil {
		return // StartLab says so
	}
	outer, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return
	}
	self, err := os.Executable()
	if err != nil {
		return
	}
	// The interfaces come up before the test binary starts: it needs them.
	script := "PATH=$PATH:/usr/sbin:/sbin\n" + networkScript + " || exit\nexec \"$@\""
	cmd := exec.Command("/bin/sh", append([]string{"-c", script, "sh", self}, os.Args[1:]...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), outerEnv+"="+outer)
	// The kernel sends Pdeathsig when the thread that started the process ends,
	// so this goroutine keeps its thread.
	runtime.LockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET,
		Pdeathsig: syscall.SIGKILL}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGHUP)
	if err := cmd.Start(); err != nil {
		signal.Stop(signals)
		runtime.UnlockOSThread()
		return
	}
	go func() {
		for s := range signals {
			cmd.Process.Signal(s) // an error: it has ended
		}
	}()
	err = cmd.Wait()
	var exit *exec.ExitError
	switch {
	case err == nil:
		os.Exit(0)
	case errors.As(err, &exit) && exit.Exited():
		os.Exit(exit.ExitCode())
	}
	fmt.Fprintf(os.Stderr, "nfstest: the isolated test binary: %v\n", err)
	os.Exit(1)
}

// isolated returns nil if Isolate has moved this process, or why it has not.
func isolated() error {
	network, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return err
	}
	if outer := os.Getenv(outerEnv); outer == "" || outer == network {
		return fmt.Errorf("this process has no network namespace of its own (only root may "+
			"make one): %w", os.ErrPermission)
	}
	return nil
}
