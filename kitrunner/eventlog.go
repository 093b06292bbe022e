package kitrunner

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"fsmon/kitrunner/winsys"
)

// NewJSONLog returns an event log that writes each event to w as one line of
// JSON, in one call of Write: time (RFC 3339), kit, action, tag, number,
// severity, text.
func NewJSONLog(w io.Writer) EventLog { return &jsonLog{w: w} }

type jsonLog struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *jsonLog) Log(e Event) error {
	var line bytes.Buffer
	enc := json.NewEncoder(&line) // it ends the line
	enc.SetEscapeHTML(false)      // EMCMD prints in angle brackets
	if err := enc.Encode(e); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := l.w.Write(line.Bytes())
	return err
}

// Logs returns an event log that passes each event to all logs, even if one
// fails.
func Logs(logs ...EventLog) EventLog { return eventLogs(logs) }

type eventLogs []EventLog

func (ls eventLogs) Log(e Event) error {
	var errs []error
	for _, l := range ls {
		errs = append(errs, l.Log(e))
	}
	return errors.Join(errs...)
}

// EventSource is the source of the events in the event log of Windows.
const EventSource = "kitrunner"

// SystemLog is the event log of Windows.
type SystemLog struct{ *winsys.EventLog }

// OpenSystemLog opens the event log of Windows, see winsys.OpenEventLog.
func OpenSystemLog() (log SystemLog, warning, err error) {
	l, warning, err := winsys.OpenEventLog(EventSource)
	return SystemLog{l}, warning, err
}

// Log implements EventLog.
func (l SystemLog) Log(e Event) error {
	report := l.Error
	switch e.Severity {
	case Info:
		report = l.Info
	case Warning:
		report = l.Warning
	}
	if err := report(e.Number, e.Text); err != nil {
		return fmt.Errorf("event %d: %w", e.Number, err)
	}
	return nil
}
