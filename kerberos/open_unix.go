//go:build unix

package kerberos

import "syscall"

const nonblock = syscall.O_NONBLOCK
