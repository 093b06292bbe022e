//go:build !windows

package main

import (
	"context"
	"errors"
)

// asService runs a watch until a signal comes.
func asService(run func(ctx context.Context) int) int {
	ctx, stop := untilSignal()
	defer stop()
	return run(ctx)
}

func reportService(error) {}

var errNoService = errors.New("there are services of Windows on Windows only (a service " +
	"manager runs kitrunner watch as it is)")

func installService(name, display string, args []string) error { return errNoService }

func removeService(name string) error { return errNoService }
