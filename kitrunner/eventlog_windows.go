package kitrunner

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/windows/registry"
	"golang.org/x/sys/windows/svc/eventlog"
)

// sourceKey is where the Event Viewer looks for a source of the Application log.
const sourceKey = `SYSTEM\CurrentControlSet\Services\EventLog\Application\` + EventSource

// OpenEventLog opens the event log of Windows and registers this program as the file with the
// messages of its source, so that the Event Viewer can show them. A source that could not be
// registered, for want of administrator rights as a rule, is a warning: its events are
// recorded all the same.
func OpenEventLog() (log *SystemLog, warning, err error) {
	if warning = register(); warning != nil {
		warning = fmt.Errorf("event source %s: %w", EventSource, warning)
	}
	l, err := eventlog.Open(EventSource)
	if err != nil {
		return nil, warning, fmt.Errorf("open the event log: %w", err)
	}
	return &SystemLog{l}, warning, nil
}

func register() error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	if k, err := registry.OpenKey(registry.LOCAL_MACHINE, sourceKey, registry.QUERY_VALUE); err == nil {
		file, _, err := k.GetStringValue("EventMessageFile")
		k.Close()
		if err == nil && strings.EqualFold(file, program) {
			return nil // done before, by someone who may
		}
	}
	k, _, err := registry.CreateKey(registry.LOCAL_MACHINE, sourceKey, registry.SET_VALUE)
	if err != nil {
		return err
	}
	defer k.Close()
	return errors.Join(
		k.SetExpandStringValue("EventMessageFile", program),
		k.SetDWordValue("TypesSupported", eventlog.Error|eventlog.Warning|eventlog.Info))
}

// SystemLog is the event log of Windows.
type SystemLog struct{ log *eventlog.Log }

// Log implements EventLog. The message table's text for every number is the insertion string, which is the event's text.
func (l *SystemLog) Log(e Event) error {
	report := l.log.Error
	switch e.Severity {
	case Info:
		report = l.log.Info
	case Warning:
		report = l.log.Warning
	}
	if err := report(uint32(e.Number), insertion(e.Text)); err != nil {
		return fmt.Errorf("event %d: %w", e.Number, err)
	}
	return nil
}

// Close closes the log.
func (l *SystemLog) Close() error { return l.log.Close() }
