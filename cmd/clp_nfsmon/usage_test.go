package main

import (
	"strings"
	"testing"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/cmd/internal/nfsmon"
)

var usage = nfsmon.Service().Usage

func TestHelpAndVersion(t *testing.T) {
	t.Parallel()
	l := cmdtest.NewLab(t, "clp_nfsmon")
	for _, word := range []string{"--help", "-h", "-check --help"} {
		p := l.Run(strings.Fields(word)...)
		p.Exits(0)
		if p.Output() != usage || p.Errors() != "" {
			t.Errorf("%s: %q, %q", word, p.Output(), p.Errors())
		}
	}
	p := l.Run("--version")
	p.Exits(0)
	if !strings.HasPrefix(p.Output(), "clp_nfsmon ") || p.Errors() != "" {
		t.Errorf("%q, %q", p.Output(), p.Errors())
	}
}

// Every option of this command stands in the usage text once, and no line of it
// is long.
func TestUsageText(t *testing.T) {
	t.Parallel()
	for _, option := range []string{"-d, --directory", "-a, --address", "-n, --port",
		"--mount-port", "--nfs-version", "--nfs4-path", "--unprivileged-port"} {
		if strings.Count(usage, option+" ") != 1 {
			t.Errorf("%s stands in the usage text %d times", option,
				strings.Count(usage, option+" "))
		}
	}
	for line := range strings.Lines(usage) {
		if len(line) > 140 {
			t.Errorf("%d bytes: %s", len(line), line)
		}
	}
}

// A name in Shift_JIS starts no watch: no server would find it.
func TestOtherEncoding(t *testing.T) {
	t.Parallel()
	l := cmdtest.NewLab(t, "clp_nfsmon")
	const name = "/\x8b\xa4\x97L"
	for option, args := range map[string][]string{"-d": {"w", "-d", name},
		"--nfs4-path": {"w", "-d", "/e", "--nfs4-path", name},
		"--marker":    {"-check", "-d", "/e", "--marker", name[1:]}} {
		p := l.Run(args...)
		p.Exits(2)
		if !strings.Contains(p.Errors(), option+`: "`) || !strings.Contains(p.Errors(), "UTF-8") {
			t.Error(p.Errors())
		}
	}
}
