package evidence

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"fsmon/cmd/internal/watch"
	"fsmon/watchreg/trust"
)

const (
	keptCases = 10
	// The name of one verdict's directory, in UTC, so that names sort by time.
	caseName = "20060102T150405.000Z"
)

// cases is the directory with the evidence of one watch's verdicts.
type cases struct{ directory }

// directory is an open directory. Nothing outside of it can be reached,
// whatever links are planted in it.
type directory struct {
	*os.Root
	path string
}

// openCases opens <dir>/<id>, and makes both with mode 0700 if they are
// missing. It fails if another user could put something there.
func openCases(dir, id string) (*cases, error) {
	above, err := trust.OpenDir(filepath.Dir(dir), 0o750, trust.File) // as the log's
	if err != nil {
		return nil, err
	}
	defer above.Close()
	root, err := openRoot(above)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	outer, err := makeOurs(directory{root, filepath.Dir(dir)}, filepath.Base(dir))
	if err != nil {
		return nil, err
	}
	defer outer.Close()
	inner, err := makeOurs(outer, id)
	if err != nil {
		return nil, err
	}
	return &cases{inner}, nil
}

// openRoot opens a directory again, as an os.Root.
func openRoot(dir *os.File) (*os.Root, error) {
	root, err := os.OpenRoot(dir.Name())
	if err != nil {
		return nil, err
	}
	want, err := dir.Stat()
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	if got, err := root.Stat("."); err != nil || !os.SameFile(got, want) {
		replaced := fmt.Errorf("%s was replaced while it was opened (%w)",
			dir.Name(), fs.ErrPermission)
		return nil, errors.Join(replaced, err, root.Close())
	}
	return root, nil
}

// makeOurs opens a directory of this user, and makes it if it is missing. It
// follows no link.
func makeOurs(in directory, name string) (directory, error) {
	path := filepath.Join(in.path, name)
	if err := in.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return directory{}, fmt.Errorf("%s: %w", path, err)
	}
	info, err := in.Lstat(name)
	switch {
	case err != nil:
		return directory{}, err
	case info.Mode()&fs.ModeSymlink != 0:
		return directory{}, fmt.Errorf("%s is a symbolic link, which is not followed (%w: "+
			"name the directory itself)", path, fs.ErrInvalid)
	case !info.IsDir():
		return directory{}, fmt.Errorf("%s is not a directory (%w: no watch made it, "+
			"look at it and remove it)", path, fs.ErrInvalid)
	}
	root, err := in.OpenRoot(name)
	if err != nil {
		return directory{}, err
	}
	if err := ours(root, path); err != nil {
		root.Close()
		return directory{}, err
	}
	return directory{root, path}, nil
}

// ours returns an error unless the open directory belongs to this user and
// nobody else may write it.
func ours(root *os.Root, path string) error {
	info, err := root.Stat(".")
	if err != nil {
		return err
	}
	switch {
	case trust.Owner(info) != os.Geteuid():
		return fmt.Errorf("%s does not belong to this user (%w: name another with --evidence-dir)",
			path, fs.ErrPermission)
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("%s can be written by others (mode %04o, %w: take that permission away)",
			path, info.Mode().Perm(), fs.ErrPermission)
	}
	return nil
}

// oneCase is the directory of one verdict.
type oneCase struct {
	directory
	files []string // made in it so far
}

// next removes old cases and then makes the directory of a new verdict.
func (c *cases) next(at time.Time) (*oneCase, error) {
	pruned := c.prune(keptCases - 1)
	var name string
	err := fs.ErrExist
	// The name may exist if the clock was set back.
	for try := 0; errors.Is(err, fs.ErrExist) && try < 1000; try++ {
		name = at.Add(time.Duration(try) * time.Millisecond).UTC().Format(caseName)
		err = c.Mkdir(name, 0o700)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", filepath.Join(c.path, name), err), pruned)
	}
	root, err := c.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	return &oneCase{directory: directory{root, filepath.Join(c.path, name)}}, nil
}

// prune removes the oldest cases until keep are left. It leaves directories
// with other names alone, and follows no links.
func (c *cases) prune(keep int) error {
	f, err := c.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	if err != nil {
		return err
	}
	var names []string
	for _, e := range entries {
		if at, err := time.Parse(caseName, e.Name()); err == nil &&
			at.Format(caseName) == e.Name() && e.IsDir() {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	var failed error
	for _, name := range names[:max(0, len(names)-keep)] {
		failed = errors.Join(failed, c.RemoveAll(name))
	}
	return failed
}

func (c *oneCase) create(name string) (*os.File, error) {
	c.files = append(c.files, name)
	return c.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
}

// write makes a file.
func (c *oneCase) write(name string, text []byte) error {
	f, err := c.create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

func (c *oneCase) writeWire(name string, wire []watch.Segment) error {
	f, err := c.create(name)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 64<<10)
	err = writePCAP(w, wire)
	if err == nil {
		err = w.Flush()
	}
	return errors.Join(err, f.Close())
}

// sync writes the files through to the disk, since a failover may cut this
// machine's power next.
func (d directory) sync(files ...string) {
	for _, name := range append(files, ".") {
		if f, err := d.Open(name); err == nil {
			_ = f.Sync() // if it fails, the files are there nevertheless
			f.Close()
		}
	}
}

func (c *oneCase) sync() { c.directory.sync(c.files...) }
