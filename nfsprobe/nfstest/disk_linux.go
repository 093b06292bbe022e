package nfstest

import (
	"fmt"
	"path/filepath"
)

// MountDisk mounts a new file system of this size on the directory of an export
// and restarts Ganesha, as a cluster does with a shared disk on failover. Only
// the lab sees it; Inside is the way to its files.
func (l *Lab) MountDisk(export string, kib int) error {
	// Ganesha 6 exports no tmpfs, but an overlay on one.
	return l.remounted("mkdir -p /run/disk && mount -t tmpfs -o size=%dk tmpfs /run/disk && "+
		"(cd /run/disk && mkdir -m 0755 lower upper work && mount -t overlay -o "+
		"lowerdir=lower,upperdir=upper,workdir=work,index=on,nfs_export=on overlay %s)",
		kib, l.Path(export))
}

// UnmountDisk undoes MountDisk: the export is an empty mount point again, with
// the files that every lab has in it.
func (l *Lab) UnmountDisk(export string) error {
	return l.remounted("umount %s /run/disk", l.Path(export))
}

// remounted stops Ganesha, gives an order and starts Ganesha again.
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

// Inside returns the path of a directory of the lab as the lab sees it, with
// the disks that are mounted there.
func (l *Lab) Inside(path string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.init == nil {
		return ""
	}
	return filepath.Join(fmt.Sprintf("/proc/%d/root", l.init.Process.Pid), path)
}
