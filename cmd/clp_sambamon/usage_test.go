package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fsmon/smbprobe/smbtest"
)

// usageCases are wrong command lines, the message each is answered with, and what the line for people must name. In a
// line ” is an empty word, LONG is 256 bytes, and the FILE of a kind stands for one that the test makes.
var usageCases = []struct {
	line   string
	number int
	named  []string
}{
	// No identifier.
	{"", 13, []string{"ID", "1 to 255 bytes"}},
	{"''", 13, []string{"ID", "1 to 255 bytes"}},
	{"-s share", 13, []string{"ID", "1 to 255 bytes"}},
	{"-stop w", 13, []string{"ID", "1 to 255 bytes"}},
	{"-pause w", 13, []string{"ID", "1 to 255 bytes"}},
	{"-- w -s", 13, []string{"ID", "1 to 255 bytes"}},
	// No share.
	{"w", 12, []string{"-s", "1 to 255 bytes"}},
	{"w -a 127.0.0.1", 12, []string{"-s", "1 to 255 bytes"}},
	{"w -s ''", 12, []string{"-s", "1 to 255 bytes"}},
	{"w --share=", 12, []string{"-s", "1 to 255 bytes"}},
	// Bad identifiers.
	{"LONG -s share", 11, []string{"ID", `"aaaa`, "1 to 255 bytes"}},
	{".w -s share", 11, []string{"ID", `".w"`, "the first a letter or digit"}},
	{"a/b -s share", 11, []string{"ID", `"a/b"`, "letters, digits"}},
	{"../w -stop", 11, []string{"ID", `"../w"`, "letters, digits"}},
	// Numbers.
	{"w -s share -i 0", 11, []string{"-i", `"0"`, "seconds from 1 to 10000"}},
	{"w -s share -i 10001", 11, []string{"-i", `"10001"`, "seconds from 1 to 10000"}},
	{"w -s share -i 1x", 11, []string{"-i", `"1x"`, "seconds from 1 to 10000"}},
	{"w -s share -i +5", 11, []string{"-i", `"+5"`, "seconds from 1 to 10000"}},
	{"w -s share -i -5", 11, []string{"-i", `"-5"`, "seconds from 1 to 10000"}},
	{"w -s share -i ''", 11, []string{"-i", `""`, "seconds from 1 to 10000"}},
	{"w -s share -i 99999999999999999999", 11, []string{"-i", `"99999999999999999999"`, "1 to 10000"}},
	{"w -s share --interval=0x10", 11, []string{"--interval", `"0x10"`, "seconds from 1 to 10000"}},
	{"w -s share -c 0", 11, []string{"-c", `"0"`, "retries from 1 to 10000"}},
	{"w -s share -c 10001", 11, []string{"-c", `"10001"`, "retries from 1 to 10000"}},
	{"w -s share -r 0", 11, []string{"-r", `"0"`, "seconds from 1 to 10000"}},
	{"w -s share -r 10001", 11, []string{"-r", `"10001"`, "seconds from 1 to 10000"}},
	{"w -s share --port 0", 11, []string{"--port", `"0"`, "from 1 to 65535"}},
	{"w -s share --port 65536", 11, []string{"--port", `"65536"`, "from 1 to 65535"}},
	{"w -stop 0", 11, []string{"-stop", `"0"`, "seconds from 1 to 10000"}},
	{"w -stop 99999", 11, []string{"-stop", `"99999"`, "seconds from 1 to 10000"}},
	{"w -stop soon", 11, []string{"-stop", `"soon"`, "seconds from 1 to 10000"}},
	{"w -pause 604801", 11, []string{"-pause", `"604801"`, "seconds from 1 to 604800"}},
	{"w -pause=0", 11, []string{"-pause", `"0"`, "seconds from 1 to 604800"}},
	// Strings.
	{"w -s LONG", 11, []string{"-s", `"aaaa`, "1 to 255 bytes"}},
	{"w -s share -a LONG", 11, []string{"-a", `"aaaa`, "1 to 255 bytes"}},
	{"w -s share -a ''", 11, []string{"-a", `""`, "1 to 255 bytes"}},
	{"w -s share -u LONG", 11, []string{"-u", `"aaaa`, "1 to 255 bytes"}},
	{"w -s share -u user -p LONG", 11, []string{"-p", "at most 255 bytes"}},
	{"w -s share --domain LONG -u user", 11, []string{"--domain", `"aaaa`, "1 to 255 bytes"}},
	{"w -s a/b", 11, []string{"-s", `"a/b"`, "the name of a share alone"}},
	{`w -s \\server\share`, 11, []string{"-s", `"\\\\server\\share"`, "the name of a share alone"}},
	// Options.
	{"w -s", 11, []string{"-s", "needs a value", "1 to 255 bytes"}},
	{"w -s share -i", 11, []string{"-i", "needs a value", "1 to 10000"}},
	{"w -s -stop", 11, []string{"-s", "needs a value"}},
	{"w -s share -s other", 11, []string{"-s", "more than once"}},
	{"w -s share -i 5 --interval 6", 11, []string{"--interval", "more than once"}},
	{"w -x", 11, []string{"-x", "unknown option"}},
	{"w --bogus", 11, []string{"--bogus", "unknown option"}},
	{"w -s share -n 445", 11, []string{"-n", "unknown option"}}, // clp_nfsmon's
	{"w -sshare", 11, []string{"-sshare", "a space between -s and its value"}},
	{"w -s=share", 11, []string{"-s=", "a space between -s and its value"}},
	{"w -sto", 11, []string{"-sto", "unknown option"}},
	{"w -pausex", 11, []string{"-pause", "unknown option"}},
	{"w -- -s", 11, []string{"--", "unknown option"}},
	{"w -s my share", 11, []string{`"share"`, "belongs to no option"}},
	{"w -s share -h", 11, []string{"-h", "in the ID's place"}},
	{"w --help", 11, []string{"--help", "in the ID's place"}},
	// Verbs.
	{"w -stop -pause", 11, []string{"-pause", "does not go with -stop"}},
	{"w -stop 30 31", 11, []string{"-stop", `"31"`, "too many"}},
	{"w -disp -disp", 11, []string{"-disp", "does not go with"}},
	{"w -continue 5", 11, []string{"-continue", `"5"`, "too many"}},
	{"w -del=1", 11, []string{"-del", "takes no value"}},
	{"w -s share -pause", 11, []string{"-pause", "does not go with"}},
	{"w -stop -s share", 11, []string{"-s", "does not go with -stop"}},
	// Without an identifier.
	{"-check", 12, []string{"-s", "1 to 255 bytes"}},
	{"-check -a 127.0.0.1", 12, []string{"-s", "1 to 255 bytes"}},
	{"-check -s share -i 0", 11, []string{"-i", `"0"`, "seconds from 1 to 10000"}},
	{"-check -s a/b", 11, []string{"-s", `"a/b"`, "the name of a share alone"}},
	{"-check w -s share", 11, []string{`"w"`, "belongs to no option"}},
	{"-check -s share --credentials FILE:open", 11, []string{"--credentials", "FILE:open", "0644", "chmod 600"}},
	{"-check -s share --exit-style icinga", 11, []string{"--exit-style", `"icinga"`, "nagios or ocf"}},
	{"-check -s share --watch 5", 11, []string{"--watch", "-check", "-list"}},
	{"-check -stop", 11, []string{"-stop", "does not go with -check"}},
	{"-check -list", 11, []string{"-list", "does not go with -check"}},
	{"-list -s share", 11, []string{"-s", "does not go with -list"}},
	{"-list w", 11, []string{`"w"`, "belongs to no option"}},
	{"-list --watch 0", 11, []string{"--watch", `"0"`, "seconds from 1 to 3600"}},
	{"-list --exit-style ocf", 11, []string{"--exit-style", "-check"}},
	{"w -check -s share", 11, []string{"-check", "in the ID's place"}},
	{"w -list", 11, []string{"-list", "in the ID's place"}},
	{"w -s share --json", 11, []string{"--json", "-disp, -check, -list"}},
	{"w -disp --pid --json", 11, []string{"--pid", "--json"}},
	{"w -s share --start-wait 604801", 11, []string{"--start-wait", `"604801"`, "seconds from 1 to 604800"}},
	// Who logs in.
	{"w -s share -p word", 11, []string{"-p", "-u"}},
	{"w -s share --domain DOM", 11, []string{"--domain", "-u"}},
	{`w -s share -u DOM\ -p word`, 11, []string{"-u", `"DOM\\"`, "without a user"}},
	{"w -s share --credentials FILE:good -u user", 11, []string{"--credentials", "-u"}},
	{"w -s share --credentials FILE:good -p word", 11, []string{"--credentials", "-p"}},
	{"w -s share --credentials FILE:none", 11, []string{"--credentials", "FILE:none", "no such file"}},
	{"w -s share --credentials FILE:open", 11, []string{"--credentials", "FILE:open", "0644", "chmod 600"}},
	{"w -s share --credentials FILE:group", 11, []string{"--credentials", "FILE:group", "0640", "chmod 600"}},
	{"w -s share --credentials FILE:foreign", 11, []string{"--credentials", "FILE:foreign", "line 2"}},
	{"w -s share --credentials FILE:nouser", 11, []string{"--credentials", "FILE:nouser", "username="}},
	{"w -s share --credentials FILE:domain", 11, []string{"--credentials", "FILE:domain", "username="}},
	{"w -s share --credentials FILE:long", 11, []string{"--credentials", "FILE:long", "line 1", "255 bytes"}},
	{"w -s share --credentials FILE:dir", 11, []string{"--credentials", "FILE:dir", "regular file"}},
}

func TestWrongUsage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(kind string) string { return filepath.Join(dir, kind) }
	writeFile(t, file("good"), "username=root\npassword=pw\n", 0o600)
	writeFile(t, file("open"), "username=root\npassword=pw\n", 0o644)
	writeFile(t, file("group"), "username=root\npassword=pw\n", 0o640)
	writeFile(t, file("domain"), "username=DOM\\\npassword=pw\n", 0o600)
	writeFile(t, file("foreign"), "username=root\npwd="+token+"\n", 0o600)
	writeFile(t, file("nouser"), "password="+token+"\n", 0o600)
	writeFile(t, file("long"), "password="+strings.Repeat(token, 50)+"\n", 0o600)
	if err := os.Mkdir(file("dir"), 0o700); err != nil {
		t.Fatal(err)
	}
	expand := func(words []string) (all []string) {
		for _, word := range words {
			if kind, ok := strings.CutPrefix(word, "FILE:"); ok {
				word = file(kind)
			} else if full, ok := map[string]string{"''": "", "LONG": strings.Repeat("a", 256)}[word]; ok {
				word = full
			}
			all = append(all, word)
		}
		return all
	}
	texts := map[int]string{
		11: "Invalid parameter in the clp_sambamon.",
		12: "'-s' parameter is not specified at the clp_sambamon command.",
		13: "The monitor id is not specified at the clp_sambamon command.",
	}
	for _, c := range usageCases {
		t.Run(c.line, func(t *testing.T) {
			t.Parallel()
			p := newLab(t).WrongUsage(c.number, texts[c.number], expand(c.named), expand(strings.Fields(c.line))...)
			if strings.Contains(p.Errors(), token) {
				t.Errorf("what stands in the file is shown: %q", p.Errors())
			}
		})
	}
}

// What is wrong with a second line does not touch a watch that runs.
func TestWrongVerbOnLiveWatch(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	w := l.Watch(at(smbtest.Hostile(t, smbtest.Silent), "-s", "share", "-r", "60")...)
	w.Message(1)
	for _, words := range [][]string{{"-stop", "0"}, {"-stop", "-pause"}, {"-pause", "604801"}, {"-del", "1"}, {"-continue=1"}, {"-s"}} {
		l.Verb(words...).Exits(2)
	}
	w.Want(1)
	l.Silent("-stop")
	w.Exits(0)
}

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
