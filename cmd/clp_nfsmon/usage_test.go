package main

import (
	"strings"
	"testing"

	"fsmon/cmd/internal/lab/cmdtest"
)

// usageCases are wrong command lines, the message each is answered with, and
// what the line for people must name. In a line ” is an empty word, LONG is 256
// bytes. What is the same for both commands is tested with clp_sambamon.
var usageCases = []struct {
	line   string
	number int
	named  []string
}{
	// No identifier.
	{"", 13, []string{"ID", "1 to 255 bytes"}},
	{"-d /export", 13, []string{"ID", "1 to 255 bytes"}},
	{"-stop w", 13, []string{"ID", "1 to 255 bytes"}},
	// No directory.
	{"w", 12, []string{"-d", "1 to 255 bytes"}},
	{"w -a 127.0.0.1", 12, []string{"-d", "1 to 255 bytes"}},
	{"w -d ''", 12, []string{"-d", "1 to 255 bytes"}},
	{"w --directory=", 12, []string{"-d", "1 to 255 bytes"}},
	{"-check", 12, []string{"-d", "1 to 255 bytes"}},
	// The directory.
	{"w -d export", 11, []string{"-d", `"export"`, "begins with /"}},
	{"w -d server:/export", 11, []string{"-d", `"server:/export"`, "goes with -a"}},
	{"w -d /LONG", 11, []string{"-d", `"/aaaa`, "1 to 255 bytes"}},
	{"w -d", 11, []string{"-d", "needs a value"}},
	{"w -d -stop", 11, []string{"-d", "needs a value"}},
	{"w -d/export", 11, []string{"-d", "a space between -d and its value"}},
	{"w -d /a -d /b", 11, []string{"-d", "more than once"}},
	{"-check -d export", 11, []string{"-d", `"export"`, "begins with /"}},
	// Ports.
	{"w -d /export -n 0", 11, []string{"-n", `"0"`, "from 1 to 65535"}},
	{"w -d /export -n 65536", 11, []string{"-n", `"65536"`, "from 1 to 65535"}},
	{"w -d /export -n nfs", 11, []string{"-n", `"nfs"`, "from 1 to 65535"}},
	{"w -d /export -n0", 11, []string{"-n", `"0"`, "from 1 to 65535"}},
	{"w -d /export -n2049x", 11, []string{"-n", "from 1 to 65535"}},
	{"w -d /export -n", 11, []string{"-n", "needs a value", "1 to 65535"}},
	{"w -d /export --mount-port 0", 11, []string{"--mount-port", `"0"`, "from 1 to 65535"}},
	// Versions.
	{"w -d /export --nfs-version 2", 11, []string{"--nfs-version", `"2"`, "auto, 3, 4, 4.0, 4.1 or 4.2"}},
	{"w -d /export --nfs-version 4.3", 11, []string{"--nfs-version", `"4.3"`, "auto, 3, 4, 4.0, 4.1 or 4.2"}},
	{"w -d /export --nfs-version ''", 11, []string{"--nfs-version", `""`, "auto, 3, 4, 4.0, 4.1 or 4.2"}},
	{"w -d /export --nfs4-path export", 11, []string{"--nfs4-path", `"export"`, "begins with /"}},
	{"w -d /export --nfs4-path /export --nfs-version 3", 11, []string{"--nfs4-path", "--nfs-version 3"}},
	{"w -d /export --mount-port 20048 --nfs-version 4.1", 11, []string{"--mount-port", "--nfs-version 4.1"}},
	{"w -d /export --unprivileged-port=yes", 11, []string{"--unprivileged-port", "takes no value"}},
	// Numbers, strings, the rest.
	{"w -d /export -i 0", 11, []string{"-i", `"0"`, "seconds from 1 to 10000"}},
	{"w -d /export -c 10001", 11, []string{"-c", `"10001"`, "retries from 1 to 10000"}},
	{"w -d /export -r 1.5", 11, []string{"-r", `"1.5"`, "seconds from 1 to 10000"}},
	{"w -d /export -a LONG", 11, []string{"-a", `"aaaa`, "1 to 255 bytes"}},
	{"w -d /export -s share", 11, []string{"-s", "unknown option"}},  // clp_sambamon's
	{"w -d /export -u user", 11, []string{"-u", "unknown option"}},   // clp_sambamon's
	{"w -d /export -p secret", 11, []string{"-p", "unknown option"}}, // there are no passwords here
	{"w -d /export other", 11, []string{`"other"`, "belongs to no option"}},
	{"w -d /export -stop", 11, []string{"-stop", "does not go with"}},
	{"w -stop -d /export", 11, []string{"-d", "does not go with -stop"}},
	{"w -stop 0", 11, []string{"-stop", `"0"`, "seconds from 1 to 10000"}},
	{"a/b -d /export", 11, []string{"ID", `"a/b"`, "letters, digits"}},
}

func TestWrongUsage(t *testing.T) {
	t.Parallel()
	expand := strings.NewReplacer("LONG", strings.Repeat("a", 256), "''", "")
	texts := map[int]string{
		11: "Invalid parameter in the clp_nfsmon.",
		12: "'-d' parameter is not specified at the clp_nfsmon command.",
		13: "The monitor id is not specified at the clp_nfsmon command.",
	}
	for _, c := range usageCases {
		t.Run(c.line, func(t *testing.T) {
			t.Parallel()
			var args []string
			for _, word := range strings.Fields(c.line) {
				args = append(args, expand.Replace(word))
			}
			cmdtest.NewLab(t, "clp_nfsmon").WrongUsage(c.number, texts[c.number], c.named, args...)
		})
	}
}

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
	for _, option := range []string{"-d, --directory", "-a, --address", "-n, --port", "--mount-port", "--nfs-version", "--nfs4-path", "--unprivileged-port"} {
		if strings.Count(usage, option+" ") != 1 {
			t.Errorf("%s stands in the usage text %d times", option, strings.Count(usage, option+" "))
		}
	}
	for line := range strings.Lines(usage) {
		if len(line) > 140 {
			t.Errorf("%d bytes: %s", len(line), line)
		}
	}
}
