package evidence

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
)

// mounts copies the mounts as process 1 sees them, which are the machine's, and
// as the processes that listen on the port do, where that is another view. The
// watch's own view may be that of a sandbox, in which nearly all is read-only:
// it says nothing about the server.
func mounts(
	ctx context.Context, proc string, listening func(context.Context) serving, out io.Writer,
) error {
	var seen []string
	show := func(pid int) error {
		b, err := readSome(filepath.Join(proc, strconv.Itoa(pid), "mountinfo"))
		if text := string(b); err == nil && !slices.Contains(seen, text) {
			seen = append(seen, text)
			fmt.Fprintf(out, "== /proc/%d/mountinfo\n%s", pid, text)
		}
		return err
	}
	failed := show(1)
	f := listening(ctx)
	failed = cmp.Or(failed, f.err)
	for _, pid := range f.holders {
		failed = cmp.Or(failed, show(pid))
	}
	return failed
}
