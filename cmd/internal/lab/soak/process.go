package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"syscall"

	"fsmon/cmd/internal/lab/proc"
	"fsmon/watchreg"
)

// healthy waits for the first successful probe of a watch.
func healthy(ctx context.Context, w *proc.Watch) error {
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
	bin, dir string
	watches  []*proc.Watch
}

// startFleet starts the servers, so many of them Sambas. What the watches write
// goes below dir.
func startFleet(ctx context.Context, bin, dir string, sambas int) (*fleet, error) {
	servers, err := startServers(ctx, sambas)
	return &fleet{servers: servers, bin: bin, dir: dir}, err
}

// start starts one more watch, by command and identifier.
func (f *fleet) start(name, id string, args ...string) (*proc.Watch, error) {
	return f.startOne(name, id, append(args, f.args[name]...))
}

// startOne starts one more watch, and args say of what.
func (f *fleet) startOne(name, id string, args []string) (*proc.Watch, error) {
	args = append([]string{"--no-evidence"}, args...)
	w, err := proc.StartWatch(f.dir, filepath.Join(f.bin, name), id, args...)
	if err == nil {
		f.watches = append(f.watches, w)
	}
	return w, err
}

// look counts the probes of all.
func (f *fleet) look() error {
	r, err := watchreg.OpenExisting(proc.Registry(f.dir))
	for _, w := range f.watches {
		if err == nil {
			err = w.Look(r)
		}
	}
	return err
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
