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
	ctx context.Context, proc string, port uint16, tables func() ([]socket, error), out io.Writer,
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
	_, listening, err := listeners(ctx, proc, port, tables)
	failed = cmp.Or(failed, err)
	for _, pid := range listening {
		failed = cmp.Or(failed, show(pid))
	}
	return failed
}
