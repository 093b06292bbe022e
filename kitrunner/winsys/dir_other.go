//go:build !windows

package winsys

import "os"

// MakeDir makes the directory of the locks and of other state, and its parents.
func MakeDir(dir string) error { return os.MkdirAll(dir, 0o700) }
