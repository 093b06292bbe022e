package proc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// TempDir makes a directory that everybody may read. It is removed when remove
// is called or, by a shell that reads from a pipe of this process, when this
// process ends in any other way. Then what it has started is ending too, and
// may make some of it anew for a moment.
func TempDir(prefix string) (dir string, remove func() error, err error) {
	if dir, err = os.MkdirTemp("", prefix); err != nil {
		return "", nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	defer r.Close()
	sh := exec.Command("/bin/sh", "-c", `read -r word; orderly=$?
for try in 1 2 3 4 5 6 7 8 9 10; do
	rm -rf -- "$1" 2>/dev/null && [ $orderly = 0 ] && exit
	sleep 0.2
done
! [ -e "$1" ]`, "sh", dir)
	sh.Stdin, sh.Dir = r, "/"
	sh.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // the end of a terminal must not be its end
	if err = errors.Join(os.Chmod(dir, 0o755), sh.Start()); err != nil {
		w.Close()
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	return dir, func() error {
		_, err := w.WriteString("end\n")
		if err = errors.Join(err, w.Close(), sh.Wait()); err != nil {
			err = fmt.Errorf("remove %s: %w", dir, err)
		}
		return err
	}, nil
}

// Build builds a package as the Makefile does and puts the program into dir.
func Build(ctx context.Context, dir, name, source string) error {
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags",
		"-s -w",
		"-o", filepath.Join(dir, name), source)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", source, err, out)
	}
	return nil
}
