package cli

import (
	"testing"

	"fsmon/cmd/internal/argv"
)

// Whoever types the name alone is sent to --help, in the one line that every
// wrong command line gets.
func TestNameAlone(t *testing.T) {
	t.Parallel()
	wrong := &argv.Error{Kind: argv.NoID, Text: "ID: missing (the rule)"}
	for arguments, want := range map[int]string{
		0: "ID: missing (the rule; see clp_test --help)",
		1: "ID: missing (the rule)",
	} {
		if f := sampleService().misuse(wrong, arguments); f.text != want || f.alert.Number != 13 {
			t.Errorf("%d arguments: %+v", arguments, f)
		}
	}
}

// Only what ends well has exit code 0, in every style.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	s := sampleService()
	for _, style := range []string{"", styleOCF} { // Nagios' would print
		req := request{Verb: verbCheck, ExitStyle: style}
		if code := s.end(req, nil); code != 0 {
			t.Errorf("%q: well ended with %d", style, code)
		}
		if code := s.end(req, &failure{end: endFailed}); code != 1 {
			t.Errorf("%q: failed with %d", style, code)
		}
	}
	for style, codes := range exitCodes {
		for e, code := range codes {
			if (code == 0) != (ending(e) == endOK || ending(e) == endRefused && style != styleNagios) {
				t.Errorf("%q: ending %d has code %d", style, e, code)
			}
		}
	}
}
