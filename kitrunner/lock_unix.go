//go:build unix

package kitrunner

import "syscall"

// A link in a directory that others can write is not followed.
const openNoFollow = syscall.O_NOFOLLOW
