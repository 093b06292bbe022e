//go:build !unix

package kerberos

const nonblock = 0
