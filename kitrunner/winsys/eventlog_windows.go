package winsys

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/windows/registry"
	"golang.org/x/sys/windows/svc/eventlog"
)

// sourceKey is where the Event Viewer looks for a source of the Application
// log.
func sourceKey(source string) string {
	return `SYSTEM\CurrentControlSet\Services\EventLog\Application\` + source
}

// OpenEventLog opens the event log of Windows. It registers this program as the
// file with the messages of the source, so that the Event Viewer can show them.
// If it cannot, which usually means that this user is no administrator, that is
// a warning: the events are recorded anyway.
func OpenEventLog(source string) (log *EventLog, warning, err error) {
	if warning = register(source); warning != nil {
		warning = fmt.Errorf("event source %s: %w", source, warning)
	}
	l, err := eventlog.Open(source)
	if err != nil {
		return nil, warning, fmt.Errorf("open the event log: %w", err)
	}
	return &EventLog{l}, warning, nil
}

func register(source string) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, sourceKey(source), registry.QUERY_VALUE)
	if err == nil {
		file, _, err := k.GetStringValue("EventMessageFile")
		k.Close()
		if err == nil && strings.EqualFold(file, program) {
			return nil // an administrator has done it before
		}
	}
	k, _, err = registry.CreateKey(registry.LOCAL_MACHINE, sourceKey(source), registry.SET_VALUE)
	if err != nil {
		return err
	}
	defer k.Close()
	return errors.Join(
		k.SetExpandStringValue("EventMessageFile", program),
		k.SetDWordValue("TypesSupported", eventlog.Error|eventlog.Warning|eventlog.Info))
}

// EventLog is the event log of Windows. The message table's text of every
// number is the insertion string, which is the event's text.
type EventLog struct{ log *eventlog.Log }

// Info reports an event of the type "Information".
func (l *EventLog) Info(number int, text string) error {
	return l.log.Info(uint32(number), insertion(text))
}

// Warning reports an event of the type "Warning".
func (l *EventLog) Warning(number int, text string) error {
	return l.log.Warning(uint32(number), insertion(text))
}

// Error reports an event of the type "Error".
func (l *EventLog) Error(number int, text string) error {
	return l.log.Error(uint32(number), insertion(text))
}

// Close closes the log.
func (l *EventLog) Close() error { return l.log.Close() }
