//go:build !linux

package cli

// startSmall is for Linux.
func startSmall() {}
