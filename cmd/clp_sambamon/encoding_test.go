package main

import (
	"strings"
	"testing"

	"fsmon/cmd/internal/lab/cmdtest"
)

// A name in Shift_JIS starts no watch: no server would find it.
func TestOtherEncoding(t *testing.T) {
	t.Parallel()
	l := cmdtest.NewLab(t, "clp_sambamon")
	for _, args := range [][]string{{"w", "-s", "\x8b\xa4\x97L"},
		{"-check", "-s", "data", "--marker", "\x8b\xa4\x97L"}} {
		p := l.Run(args...)
		p.Exits(2)
		if !strings.Contains(p.Errors(), "UTF-8") {
			t.Error(p.Errors())
		}
	}
}
