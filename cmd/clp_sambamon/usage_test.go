package main

import (
	"strings"
	"testing"
)

func TestHelpAndVersion(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for word, want := range map[string]string{"--help": "clp_sambamon ID -s SHARE", "-h": "clp_sambamon ID -s SHARE", "--version": "clp_sambamon ", "-check --help": "  -check "} {
		p := l.Run(strings.Fields(word)...)
		p.Exits(0)
		if !strings.Contains(p.Output(), want) || p.Errors() != "" {
			t.Errorf("%s: %q, %q", word, p.Output(), p.Errors())
		}
	}
}
