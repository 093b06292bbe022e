package cli

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"fsmon/cmd/internal/alert"
	"fsmon/cmd/internal/watch"
)

func TestCheckOfPanickingProbe(t *testing.T) {
	t.Parallel()
	c := checked{}
	panics := func(context.Context) (watch.Report, error) { panic("out of range") }
	_, c.err = watch.Once(t.Context(), time.Minute, panics, nil)
	c.why = sampleService().diagnose(c.err, c.report)
	if c.why.Name != "the probe panicked" || !strings.Contains(c.err.Error(), "out of range") ||
		!strings.Contains(c.why.Look, "clp_test itself") {
		t.Errorf("%v, %+v", c.err, c.why)
	}
}

var errSample = errors.New("session setup: STATUS_X (0xC0000001)")

func sampleService() Service {
	return Service{
		Command: "clp_test",
		Catalogue: Catalogue{
			Terminate: Message{Number: 6, Severity: alert.Error, Text: "The end."},
			Invalid:   Message{Number: 11, Severity: alert.Error, Text: "Invalid."},
			Missing:   Message{Number: 12, Severity: alert.Error, Text: "Missing."},
			NoID:      Message{Number: 13, Severity: alert.Error, Text: "No ID."},
		},
		Diagnose: func(err error) Diagnosis {
			broken := Alert{Number: 62, Severity: alert.Error, Text: "[share] is broken."}
			d := Diagnosis{Alerts: []Alert{broken}}
			if errors.Is(err, errSample) {
				d.Step, d.Name, d.Code = "session setup", "STATUS_X", "0xC0000001, Win32 31"
				d.Look, d.LogonRefused = "Look there.", true
			}
			return d
		},
	}
}

// sampleCheck is a check of a hostile server; it failed with err, or is
// healthy.
func sampleCheck(err error) *checked {
	c := &checked{
		req: request{Policy: watch.Policy{
			Interval: 30 * time.Second, Retries: 5, Timeout: 10 * time.Second}},
		target: Target{
			Name: "share", Where: "//h:445/share", Notes: []string{"a note"}, User: "me",
		},
		report: watch.Report{
			Target: "192.0.2.1:445", Note: "version 3",
			Warnings: []string{"careful | \x1b[31mred\n"},
			Rungs: []watch.Rung{
				{Name: "connect", Took: 1500 * time.Microsecond, Learnt: "192.0.2.1:445"},
				{Name: "session setup", Took: 2 * time.Millisecond, Learnt: "half of it"},
			},
		},
		took: 3600 * time.Microsecond,
		err:  err,
	}
	if err != nil {
		c.why = sampleService().diagnose(err, c.report)
	}
	return c
}

func TestLadder(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		check *checked
		want  string
	}{
		"failed": {sampleCheck(errSample), `//h:445/share
  a note
  version 3

  connect             1.5 ms  192.0.2.1:445
  session setup       2.0 ms  FAILED half of it
  whole probe         3.6 ms

failed at session setup: STATUS_X (0xC0000001, Win32 31)
  Look there.
  Class server: a failover should help.
warning: careful | ?[31mred?
warning: This was one refused logon of "me". A watch with these options would make 6 more before its
verdict and as many after each restart, which can lock the account out: set the password right
first, and look at the lockout policy.

Time to verdict with -i 30 -c 5 -r 10: 150 s for a server that refuses, 160 s for one that stalls,
counted from the start of the first failed probe, which is at most 30 s after the fault.
The watch would then send:
  ERROR 62 [share] is broken.
  ERROR 6 The end.
`},
		"healthy": {sampleCheck(nil), `//h:445/share
  a note
  version 3

  connect             1.5 ms  192.0.2.1:445
  session setup       2.0 ms  half of it
  whole probe         3.6 ms

healthy: the server answered every step
warning: careful | ?[31mred?
note: Should the password of "me" become wrong, each verdict costs 6 refused logons (-c and one
more): mind the lockout policy, and give the watch an account of its own.

Time to verdict with -i 30 -c 5 -r 10: 150 s for a server that refuses, 160 s for one that stalls,
counted from the start of the first failed probe, which is at most 30 s after the fault.
`},
	} {
		var out strings.Builder
		c.check.ladder(&out, lineWidth, false)
		if out.String() != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, out.String(), c.want)
		}
		var painted strings.Builder
		c.check.ladder(&painted, lineWidth, true)
		colour := regexp.MustCompile("\x1b\\[[0-9;]*m")
		if plain := colour.ReplaceAllString(painted.String(), ""); plain != out.String() {
			t.Errorf("%s: colours change the text:\n%s", name, plain)
		}
	}
}

// On a narrow terminal prose is broken between words. A terminal of unknown
// width gets the usual one.
func TestLadderOnNarrowTerminal(t *testing.T) {
	t.Parallel()
	if proseWidth(0) != lineWidth || proseWidth(500) != lineWidth {
		t.Error("not the usual width")
	}
	var out strings.Builder
	sampleCheck(errSample).ladder(&out, proseWidth(40), false)
	_, prose, _ := strings.Cut(out.String(), "failed at")
	for line := range strings.Lines(prose) {
		if n := visible(strings.TrimSuffix(line, "\n")); n > 40 {
			t.Errorf("%d places: %q", n, line)
		}
	}
}

// A step without a request of its own still has its rung, and an error that
// nobody explains is shown as it is.
func TestUnexplainedFailure(t *testing.T) {
	t.Parallel()
	c := sampleCheck(io.ErrClosedPipe)
	if c.why.Step != "session setup" || c.why.Name != io.ErrClosedPipe.Error() {
		t.Errorf("%+v", c.why)
	}
	c = sampleCheck(errSample)
	c.why.Step = "share type"
	rungs, broken := c.rungs()
	if broken != 2 || len(rungs) != 3 || rungs[2].Name != "share type" || len(c.report.Rungs) != 2 {
		t.Errorf("%+v, %d", rungs, broken)
	}
}

// A slow server is healthy, with a warning.
func TestSlowCheck(t *testing.T) {
	t.Parallel()
	c := sampleCheck(nil)
	c.took = 9 * time.Second
	const want = "the probe took 9000.0 ms of the 10s that -r allows"
	if w := c.warnings(); len(w) != 2 || w[1] != want {
		t.Errorf("%q", w)
	}
	if len(c.report.Warnings) != 1 {
		t.Error("the report was changed")
	}
}

// Programs read the object of --json, so it is compared as a whole.
func TestCheckJSON(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		check *checked
		want  string
	}{
		"failed": {sampleCheck(errSample),
			`{"target":"//h:445/share","address":"192.0.2.1:445","healthy":false,"ms":3.6,` +
				`"rungs":[{"name":"connect","ms":1.5,"learnt":"192.0.2.1:445"},` +
				`{"name":"session setup","ms":2,"learnt":"half of it"}],` +
				`"failed":{"step":"session setup","name":"STATUS_X","code":"0xC0000001, Win32 31",` +
				`"detail":"session setup: STATUS_X (0xC0000001)",` +
				`"message":62,"text":"[share] is broken.","class":"server","local":false,` +
				`"tolerated":false,"look":"Look there."},` +
				`"warnings":["careful | \u001b[31mred\n"],"notes":["a note","version 3",HINT],` +
				`"verdict_seconds":{"refused":150,"stalled":160}}`},
		"healthy": {sampleCheck(nil),
			`{"target":"//h:445/share","address":"192.0.2.1:445","healthy":true,"ms":3.6,` +
				`"rungs":[{"name":"connect","ms":1.5,"learnt":"192.0.2.1:445"},` +
				`{"name":"session setup","ms":2,"learnt":"half of it"}],` +
				`"warnings":["careful | \u001b[31mred\n"],"notes":["a note","version 3",HINT],` +
				`"verdict_seconds":{"refused":150,"stalled":160}}`},
		"nothing learnt": {&checked{target: Target{Where: "x"},
			req: request{Policy: watch.Policy{
				Interval: time.Second, Retries: 1, Timeout: time.Second}}},
			`{"target":"x","healthy":true,"ms":0,"rungs":[],"warnings":[],"notes":[],` +
				`"verdict_seconds":{"refused":1,"stalled":2}}`},
	} {
		hint, _ := json.Marshal(c.check.hint())
		var out strings.Builder
		c.check.json(&out)
		if want := strings.Replace(c.want, "HINT", string(hint), 1) + "\n"; out.String() != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, out.String(), want)
		}
	}
}

// No terminal obeys the strings in a JSON object, and programs still read the
// original ones.
func TestPrintJSON(t *testing.T) {
	t.Parallel()
	const hostile = "\x1b[2J \x7f \u009b5n \u202e \u2028 \U000e0041 <&> 共有 📁 é \t\n"
	var out strings.Builder
	printJSON(&out, map[string]string{"a": hostile, "b": "x\xff"})
	text, ended := strings.CutSuffix(out.String(), "\n")
	if printable(text) != text || !ended || !strings.Contains(text, "<&> 共有 📁 é") {
		t.Errorf("%q", out.String())
	}
	var back map[string]string
	err := json.Unmarshal([]byte(text), &back)
	if err != nil || back["a"] != hostile || back["b"] != "x\ufffd" {
		t.Errorf("%q, %v", back, err)
	}
}

func TestNagiosLine(t *testing.T) {
	t.Parallel()
	c := sampleCheck(errSample)
	c.report.Rungs = append(c.report.Rungs, watch.Rung{Name: "connect"}, watch.Rung{Name: "time"})
	var out strings.Builder
	c.nagios(&out)
	const want = "FSMON CRITICAL - //h:445/share failed at session setup: " +
		"STATUS_X (0xC0000001, Win32 31), class server; warning: careful / ?[31mred? | " +
		"time=0.003600s;;;0;10 connect=0.001500s;;;0; session_setup=0.002000s;;;0; " +
		"connect_2=0.000000s;;;0; time_2=0.000000s;;;0;\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	for e, want := range map[ending]string{
		endOK: "OK", endRefused: "WARNING", endFailed: "CRITICAL", endUsage: "UNKNOWN", endConfig: "UNKNOWN",
		endLocal: "UNKNOWN", endInterrupted: "UNKNOWN",
	} {
		if got := nagiosLine(e, "x"); got != "FSMON "+want+" - x" {
			t.Errorf("%d: %q", e, got)
		}
	}
}
