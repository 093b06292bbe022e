//go:build !windows

package kitrunner

import (
	"errors"
	"fmt"
)

// OpenEventLog opens the event log of Windows; elsewhere the error is errors.ErrUnsupported.
func OpenEventLog() (log *SystemLog, warning, err error) {
	return nil, nil, fmt.Errorf("the event log of Windows: %w", errors.ErrUnsupported)
}

// SystemLog is the event log of Windows.
type SystemLog struct{}

// Log implements EventLog.
func (*SystemLog) Log(Event) error { return errors.ErrUnsupported }

// Close closes the log.
func (*SystemLog) Close() error { return nil }
