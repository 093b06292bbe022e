package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"fsmon/cmd/internal/lab/proc"
)

// watched is a watch that this program has started.
type watched struct {
	*proc.Process
	id string
}

// command is one of the built commands on a registry.
func command(bin, registry, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(bin, name), args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "FSMON_REGISTRY=" + registry}
	return cmd
}

// startWatch starts a watch, which the caller ends.
func startWatch(bin, registry, name, id string, args ...string) (*watched, error) {
	p, err := proc.Start(command(bin, registry, name, append([]string{id}, args...)...))
	return &watched{p, id}, err
}

// healthy waits for the first successful probe of a watch.
func (w *watched) healthy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, proc.Patience)
	defer cancel()
	if _, err := w.Message(ctx, 2, 0); err != nil {
		return fmt.Errorf("not healthy at the start: %w: %s", err, w.Story())
	}
	return nil
}

// endAll ends watches, all at once.
func endAll(watches []*watched) (err error) {
	for _, w := range watches {
		w.Signal(syscall.SIGTERM) // an error: it has ended
	}
	for _, w := range watches {
		err = errors.Join(err, w.End())
	}
	return err
}
