package observe

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"fsmon/cmd/internal/watch"
)

const (
	keptCases = 10
	// The name of one verdict's directory, in UTC, so that names sort by time.
	caseName = "20060102T150405.000Z"
)

// cases is the directory with the evidence of one watch's verdicts.
type cases struct {
	root *os.Root
	path string
}

// openCases makes <dir>/<id>, both with mode 0700, or is an error when somebody
// else could put something there. From then on nothing outside is reachable,
// whatever links are planted.
func openCases(dir, id string) (*cases, error) {
	dir, err := filepath.Abs(dir)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(dir), 0o750) // as the log's
	}
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	outer, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer outer.Close()
	if err := ours(outer, dir); err != nil {
		return nil, err
	}
	if err := outer.Mkdir(id, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	path := filepath.Join(dir, id)
	info, err := outer.Lstat(id)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is not a directory (%w: no watch made it, look at it and remove it)", path, fs.ErrInvalid)
	}
	if err != nil {
		return nil, err
	}
	root, err := outer.OpenRoot(id)
	if err != nil {
		return nil, err
	}
	if err := ours(root, path); err != nil {
		root.Close()
		return nil, err
	}
	return &cases{root, path}, nil
}

// ours reports an error unless the open directory belongs to this user, and
// nobody else may write it.
func ours(root *os.Root, path string) error {
	info, err := root.Stat(".")
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok || int(st.Uid) != os.Geteuid():
		return fmt.Errorf("%s does not belong to this user (%w: name another with --evidence-dir)", path, fs.ErrPermission)
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("%s can be written by others (mode %04o, %w: take that permission away)", path, info.Mode().Perm(), fs.ErrPermission)
	}
	return nil
}

func (c *cases) Close() error { return c.root.Close() }

// oneCase is the directory of one verdict.
type oneCase struct {
	root  *os.Root
	path  string
	files []string // made in it so far
}

func (c *oneCase) Close() error { return c.root.Close() }

// next makes room and then the directory of a new verdict.
func (c *cases) next(at time.Time) (*oneCase, error) {
	pruned := c.prune(keptCases - 1)
	name := at.UTC().Format(caseName)
	if err := c.root.Mkdir(name, 0o700); err != nil {
		return nil, errors.Join(err, pruned)
	}
	root, err := c.root.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	return &oneCase{root: root, path: filepath.Join(c.path, name)}, nil
}

// prune removes the oldest until keep are left. It only knows directories that
// have the names we give, and follows no links.
func (c *cases) prune(keep int) error {
	f, err := c.root.Open(".")
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
		if _, err := time.Parse(caseName, e.Name()); err == nil && e.IsDir() {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	var failed error
	for _, name := range names[:max(0, len(names)-keep)] {
		failed = errors.Join(failed, c.root.RemoveAll(name))
	}
	return failed
}

func (c *oneCase) create(name string) (*os.File, error) {
	c.files = append(c.files, name)
	return c.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
}

// write makes a file. It is not synced: that could keep the process from ending.
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

// startSync has the case written to the disk, since a failover may cut this
// machine's power next. A process that waits for a disk cannot even be killed, and
// the watch must end, for the cluster to notice: so another process does it,
// which is not waited for (sync(1) of coreutils).
func (c *oneCase) startSync() {
	args := []string{"--", filepath.Dir(c.path), c.path}
	for _, name := range c.files {
		args = append(args, filepath.Join(c.path, name))
	}
	cmd := exec.Command("/usr/bin/sync", args...)
	cmd.Env = []string{}
	cmd.Dir = "/"
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	if cmd.Start() == nil {
		resetOOMScore(cmd.Process.Pid)
	}
}
