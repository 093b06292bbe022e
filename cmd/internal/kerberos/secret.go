package kerberos

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// ReadSecret reads a file of at most size bytes that only its owner has any
// right to. Another one is refused: assume that its secret has leaked. Only in
// $CREDENTIALS_DIRECTORY its group may read it, since systemd (systemd.exec(5))
// and Kubernetes (a Secret's volume with an fsGroup) hand it over like that.
func ReadSecret(path string, size int) ([]byte, error) {
	data, mode, err := ReadFile(path, size)
	if err != nil {
		return nil, err
	}
	strangers := os.FileMode(0o077)
	if handed := os.Getenv("CREDENTIALS_DIRECTORY"); handed != "" &&
		filepath.Dir(path) == filepath.Clean(handed) {
		strangers = 0o037
	}
	if mode&strangers != 0 {
		return nil, fmt.Errorf("others than its owner have rights to %s (mode %04o; chmod 600 it)",
			path, mode)
	}
	return data, nil
}

// ReadFile reads a regular file of at most size bytes that anybody may know. It
// also returns the file's permissions.
func ReadFile(path string, size int) (data []byte, mode os.FileMode, err error) {
	// A FIFO in its place must not block the watch.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is not a regular file", path)
	}
	data, err = io.ReadAll(io.LimitReader(f, int64(size)+1))
	if err == nil && len(data) > size {
		err = fmt.Errorf("%s is longer than %d bytes", path, size)
	}
	return data, info.Mode().Perm(), err
}
