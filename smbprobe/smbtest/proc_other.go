//go:build !linux

package smbtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// Only Linux can run the private smbd. On other systems the hostile server and
// the relay still work.

func canStart() error { return fmt.Errorf("a private smbd needs Linux: %w", errors.ErrUnsupported) }

func newSession() *syscall.SysProcAttr  { return nil }
func freeze(*os.Process) error          { return errors.ErrUnsupported }
func thaw(*os.Process) error            { return errors.ErrUnsupported }
func killSession(int) error             { return errors.ErrUnsupported }
func processState(int) (byte, error)    { return 0, errors.ErrUnsupported }
func sessionMembers(int) ([]int, error) { return nil, errors.ErrUnsupported }

type reaper struct {
	pipe *os.File
	cmd  *exec.Cmd
}

func startReaper(string) (*reaper, error) { return nil, errors.ErrUnsupported }
func (*reaper) forget() error             { return errors.ErrUnsupported }
func (*reaper) end() error                { return errors.ErrUnsupported }
