package kitrunner

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"
	"unicode/utf8"
)

// NewJSONLog returns an event log that writes each event to w as one line of JSON, in one call of Write:
// time (RFC 3339), kit, action, tag, number, severity, text.
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

// Logs returns an event log that passes each event to every log, whatever becomes of it in another.
func Logs(logs ...EventLog) EventLog { return eventLogs(logs) }

type eventLogs []EventLog

func (ls eventLogs) Log(e Event) error {
	var errs []error
	for _, l := range ls {
		errs = append(errs, l.Log(e))
	}
	return errors.Join(errs...)
}

// EventSource is the name under which the events stand in the Windows event log.
const EventSource = "kitrunner"

// maxInsertion is the length of an insertion string that Windows takes, in UTF-16 units, rounded down (ReportEventW).
const maxInsertion = 31000

// insertion makes an event's text into one that ReportEvent takes as an insertion string and the Event Viewer shows as
// it is. A NUL would end it, and %1 inside would be replaced once more (ReportEventW, remarks).
func insertion(text string) string {
	text = strings.ReplaceAll(text, "\x00", " ")
	var b strings.Builder
	for i, r := range text {
		if b.Len() > maxInsertion-utf8.UTFMax {
			break // more bytes than units, so this is short enough
		}
		b.WriteRune(r)
		if r == '%' && i+1 < len(text) && ('0' <= text[i+1] && text[i+1] <= '9' || text[i+1] == '%') {
			b.WriteByte(' ')
		}
	}
	return b.String()
}
