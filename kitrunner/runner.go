package kitrunner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"fsmon/kitrunner/winsys"
)

// Dirs are the directories of the places, each an absolute path. A place
// without one has no commands. Dirs are a Runner that executes the commands
// there.
type Dirs map[Place]string

// Find returns an error if the command is not installed.
func (d Dirs) Find(c Command) error {
	if c.Place == API {
		return nil
	}
	_, err := d.path(c)
	return err
}

// path returns the file of a command that is installed.
func (d Dirs) path(c Command) (string, error) {
	if d[c.Place] == "" {
		return "", winsys.Reworded("its directory is not set", fs.ErrNotExist)
	}
	path := filepath.Join(d[c.Place], filepath.FromSlash(c.Name))
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = winsys.Reworded("it is not installed ("+path+")", err)
	}
	if err != nil {
		return "", err
	}
	return path, nil
}

// Run implements Runner with winsys.Run. A Result's error is the one of
// winsys.Run, or wraps fs.ErrNotExist if the command is not installed.
func (d Dirs) Run(ctx context.Context, c Command) (res Result) {
	began := time.Now()
	path, err := "", winsys.Ended(ctx, c.Timeout)
	if err == nil {
		path, err = d.path(c)
	}
	if err == nil {
		res.Code, res.Output, err = winsys.Run(ctx, path, c.Args, c.Timeout)
	}
	if err != nil {
		res.Err = fmt.Errorf("%s: %w", c.Name, err)
	}
	res.Took = time.Since(began)
	return res
}
