package nfstest

import (
	"fmt"
	"path/filepath"
)

// MountDisk mounts a new file system of so many KiB on the directory of an export, as on a failover a cluster does with the shared disk,
// and restarts Ganesha. Only the lab sees it; Inside shows the way there.
func (l *Lab) MountDisk(export string, kib int) error {
	return l.remounted("mount -t tmpfs -o size=%dk,mode=0755 tmpfs %s", kib, l.Path(export))
}

// UnmountDisk undoes MountDisk: the export is an empty mount point again, but for what it has in every lab.
func (l *Lab) UnmountDisk(export string) error {
	return l.remounted("umount %s", l.Path(export))
}

// remounted gives an order while Ganesha does not run.
func (l *Lab) remounted(order string, args ...any) error {
	if err := l.Stop(Ganesha); err != nil {
		return err
	}
	l.mu.Lock()
	_, err := l.order(fmt.Sprintf(order, args...))
	l.mu.Unlock()
	if err != nil {
		return fmt.Errorf("nfstest: %w", err)
	}
	return l.Restart(Ganesha)
}

// Inside is the path that leads into a directory of the lab as the lab itself sees it, with its disks.
func (l *Lab) Inside(path string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.init == nil {
		return ""
	}
	return filepath.Join(fmt.Sprintf("/proc/%d/root", l.init.Process.Pid), path)
}
