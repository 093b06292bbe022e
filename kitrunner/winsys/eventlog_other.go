//go:build !windows

package winsys

import (
	"errors"
	"fmt"
)

// OpenEventLog opens the event log of Windows; elsewhere the error wraps
// errors.ErrUnsupported.
func OpenEventLog(source string) (log *EventLog, warning, err error) {
	return nil, nil, fmt.Errorf("the event log of Windows: %w", errors.ErrUnsupported)
}

// EventLog is the event log of Windows.
type EventLog struct{}

// Info, Warning, Error and Close return errors.ErrUnsupported.
func (*EventLog) Info(number int, text string) error    { return errors.ErrUnsupported }
func (*EventLog) Warning(number int, text string) error { return errors.ErrUnsupported }
func (*EventLog) Error(number int, text string) error   { return errors.ErrUnsupported }
func (*EventLog) Close() error                          { return errors.ErrUnsupported }
