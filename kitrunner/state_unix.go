//go:build !windows

package kitrunner

import "os"

// makeStateDir makes the directory of the locks and of what is stored.
func makeStateDir(dir string) error { return os.MkdirAll(dir, 0o700) }
