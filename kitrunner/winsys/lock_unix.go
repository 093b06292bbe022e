//go:build unix

package winsys

import "syscall"

// openNoFollow refuses a link, which another user may have made in the
// directory.
const openNoFollow = syscall.O_NOFOLLOW
