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

// fleet is watches of healthy servers.
type fleet struct {
	*servers
	bin, dir, registry string
	watches            []*watched
}

// startFleet starts the servers. What the watches write goes below dir.
func startFleet(ctx context.Context, bin, dir string) (*fleet, error) {
	servers, err := startServers(ctx)
	return &fleet{servers: servers, bin: bin, dir: dir, registry: filepath.Join(dir, "registry")},
		err
}

// start starts one more watch, by command and identifier.
func (f *fleet) start(name, id string, args ...string) (*watched, error) {
	args = append(args, "--no-evidence", "--log-file", filepath.Join(f.dir, "log", id, "watch.log"))
	w, err := startWatch(f.bin, f.registry, name, id, append(args, f.args[name]...)...)
	if err == nil {
		f.watches = append(f.watches, w)
	}
	return w, err
}

// end ends the watches, all at once, and then the servers.
func (f *fleet) end() (err error) {
	for _, w := range f.watches {
		w.Signal(syscall.SIGTERM) // an error: it has ended
	}
	for _, w := range f.watches {
		err = errors.Join(err, w.End())
	}
	return errors.Join(err, f.stop())
}
