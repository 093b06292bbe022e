package kerberos

import (
	"fmt"
	"io"
	"os"
)

// ReadSecret reads a file of at most size bytes that only its owner has any
// right to. Another one is refused: assume that its secret has leaked.
func ReadSecret(path string, size int) ([]byte, error) {
	// A FIFO in its place must not block the watch.
	f, err := os.OpenFile(path, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("others than its owner have rights to %s (mode %04o; chmod 600 it)",
			path, mode)
	}
	data, err := io.ReadAll(io.LimitReader(f, int64(size)+1))
	if err != nil {
		return nil, err
	}
	if len(data) > size {
		return nil, fmt.Errorf("%s is longer than %d bytes", path, size)
	}
	return data, nil
}
