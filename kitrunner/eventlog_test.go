package kitrunner

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestJSONLog(t *testing.T) {
	var b bytes.Buffer
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	log := NewJSONLog(&b)
	for _, e := range []Event{
		{at, "lanman", "restore", "tag", 13085, Info, "a \"quoted\" <text> & 日本"},
		{at, "ip", "deepCheck", "t2", 6406, Warning, "two\nlines"},
	} {
		if err := log.Log(e); err != nil {
			t.Error(err)
		}
	}
	want := `{"time":"2026-01-02T03:04:05Z","kit":"lanman","action":"restore","tag":"tag","number":13085,"severity":"Information","text":"a \"quoted\" <text> & 日本"}
{"time":"2026-01-02T03:04:05Z","kit":"ip","action":"deepCheck","tag":"t2","number":6406,"severity":"Warning","text":"two\nlines"}
`
	if b.String() != want {
		t.Errorf("got  %s\nwant %s", b.String(), want)
	}
}

type fullLog struct{ err error }

func (l fullLog) Log(Event) error { return l.err }

func TestLogsReachEveryLog(t *testing.T) {
	var b bytes.Buffer
	full := errors.New("full")
	err := Logs(fullLog{full}, NewJSONLog(&b)).Log(Event{Number: 13051})
	if !errors.Is(err, full) || !strings.Contains(b.String(), "13051") {
		t.Errorf("%v, %q", err, b.String())
	}
}
