package watchreg

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// appendJSON appends s as encoding/json writes it. A watch writes its status
// after every probe, and encoding/json would cost it memory for good.
func (s *Status) appendJSON(b []byte) []byte {
	o := object{append(b, '{')}
	o.number("format", s.Format)
	o.text("command", s.Command)
	o.text("version", s.Version)
	o.text("id", s.ID)
	o.number("pid", s.PID)
	o.text("kind", s.Kind)
	o.text("target", s.Target)
	o.optional("address", s.Address)
	o.text("state", string(s.State))
	o.time("since", s.Since)
	o.time("started", s.Started)
	o.number("interval", s.Interval)
	o.number("retries", s.Retries)
	o.number("timeout", s.Timeout)
	if s.RetryInterval != 0 {
		o.number("retry_interval", s.RetryInterval)
	}
	o.optionalTime("last_probe", s.LastProbe)
	o.optionalTime("last_success", s.LastSuccess)
	o.key("probe_ms")
	o.b = strconv.AppendFloat(o.b, s.ProbeMS, 'f', -1, 64)
	o.number("failures", s.Failures)
	o.text("last_error", s.LastError)
	o.optional("class", s.Class)
	if len(s.Warnings) > 0 {
		o.key("warnings")
		before := byte('[')
		for _, w := range s.Warnings {
			o.b = appendString(append(o.b, before), w)
			before = ','
		}
		o.b = append(o.b, ']')
	}
	o.optionalTime("paused_until", s.PausedUntil)
	o.text("note", s.Note)
	return append(o.b, '}')
}

// object is a JSON object under way.
type object struct{ b []byte }

func (o *object) key(name string) {
	if o.b[len(o.b)-1] != '{' {
		o.b = append(o.b, ',')
	}
	o.b = append(append(append(o.b, '"'), name...), '"', ':')
}

func (o *object) number(name string, n int) {
	o.key(name)
	o.b = strconv.AppendInt(o.b, int64(n), 10)
}

func (o *object) text(name, value string) {
	o.key(name)
	o.b = appendString(o.b, value)
}

func (o *object) optional(name, value string) {
	if value != "" {
		o.text(name, value)
	}
}

func (o *object) time(name string, t time.Time) {
	o.key(name)
	o.b = append(t.AppendFormat(append(o.b, '"'), time.RFC3339Nano), '"')
}

func (o *object) optionalTime(name string, t time.Time) {
	if !t.IsZero() {
		o.time(name, t)
	}
}

// appendString appends a JSON string. It escapes what encoding/json escapes:
// also <, > and &, and U+2028 and U+2029, which end lines in JavaScript.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		short := strings.IndexRune("\"\\\b\f\n\r\t", r)
		switch {
		case short >= 0:
			b = append(b, '\\', `"\bfnrt`[short])
		case r < ' ' || r == '<' || r == '>' || r == '&':
			b = append(b, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		case r == '\u2028' || r == '\u2029':
			b = append(append(b, `\u202`...), hex[r&15])
		case r == utf8.RuneError && size == 1:
			b = append(b, `\ufffd`...)
		default:
			b = append(b, s[:size]...)
		}
		s = s[size:]
	}
	return append(b, '"')
}
