//go:build !linux

package nfstest

// Isolate does nothing: only Linux has network namespaces.
func Isolate() {}
