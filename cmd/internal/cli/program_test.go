package cli

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"fsmon/cmd/internal/lab/disk"
)

// Without pipes the mappings of the program are locked, all of them.
func TestProgramIsLocked(t *testing.T) {
	disk.NeedsRoot(t)
	p, err := ownProgram()
	if err != nil {
		t.Fatal(err)
	}
	all := uintptr(0)
	for _, m := range p {
		all += m.end - m.start
	}
	locked := func() (kB uintptr) {
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Fatal(err)
		}
		_, after, _ := strings.Cut(string(status), "VmLck:")
		fmt.Sscan(after, &kB)
		return kB
	}
	t.Cleanup(func() {
		for _, m := range p {
			unix.Syscall(unix.SYS_MUNLOCK, m.start, m.end-m.start, 0)
		}
	})
	if err := p.lock(); err != nil || locked() != all/1024 {
		t.Errorf("%d of %d kB, %v", locked(), all/1024, err)
	}
	if len(p) < 3 || !p[len(p)-1].writable || p[0].writable {
		t.Errorf("%+v", p)
	}
}

// A file is pinned page by page, however long it is.
func TestPinFile(t *testing.T) {
	path := t.TempDir() + "/file"
	for _, size := range []int{0, 1, 4096, 1 << 20, 1<<20 + 5, 3<<20 - 1} {
		if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		pipes, err := pinFile(path)
		if err != nil {
			t.Fatal(err)
		}
		held := 0
		for _, pipe := range pipes {
			n, err := unix.IoctlGetInt(pipe, unix.TIOCINQ)
			if err != nil {
				t.Fatal(err)
			}
			held += n
			unix.Close(pipe)
		}
		if held != size {
			t.Errorf("%d of %d bytes in %d pipes", held, size, len(pipes))
		}
	}
	if _, err := pinFile(path + ".missing"); err == nil {
		t.Error("a missing file is held")
	}
}
