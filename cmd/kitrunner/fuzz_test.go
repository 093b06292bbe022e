package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"fsmon/kitrunner"
)

// resourceFiles writes the files of --resource, which a command line names
// FILE.json, FILE.toml or FILE.txt.
func resourceFiles(f *testing.F) (fill func(t *testing.T, args []string, content []byte) []string) {
	f.Helper()
	dir, err := os.MkdirTemp("", "kitrunner")
	if err != nil {
		f.Fatal(err)
	}
	names := []string{"FILE.json", "FILE.toml", "FILE.txt"}
	f.Cleanup(func() { // file by file, for Wine
		for _, name := range names {
			os.Remove(filepath.Join(dir, name)) // not every one has been written
		}
		if err := os.Remove(dir); err != nil {
			f.Error(err)
		}
	})
	return func(t *testing.T, args []string, content []byte) []string {
		filled := slices.Clone(args)
		for i, arg := range args {
			name := strings.TrimPrefix(arg, "--resource=")
			if !slices.Contains(names, name) {
				continue
			}
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			filled[i] = strings.TrimSuffix(arg, name) + path
		}
		return filled
	}
}

// reads tells whether a command line may name another file, which could be a
// device.
func reads(args []string) bool {
	for i, arg := range args {
		name, ok := strings.CutPrefix(arg, "--resource")
		if name = strings.TrimPrefix(name, "="); ok && name == "" && i+1 < len(args) {
			name = args[i+1]
		}
		if ok && !strings.HasPrefix(name, "FILE.") {
			return true
		}
	}
	return false
}

// No command line makes the reader panic or run something. What is accepted is
// within its bounds and fit for the documented commands; what is refused is one
// printable line and wrong usage.
func FuzzCommandLine(f *testing.F) {
	guid := "{11111111-2222-3333-4444-555555555555}"
	for _, line := range [][]string{
		{}, {"--help"}, {"-h"}, {"--version"}, {"nfs", "restore"}, {"lanman"}, {"LANMAN", "reboot"},
		{"volume", "recover", "--tag", "T"},
		{"lanman", "restore", "--tag", "T", "--id", "SRV", "--system32", "s", "--lkbin=b"},
		{"lanman", "restore", "--plan"},
		{"lanman", "restore", "--tag", "a\"b", "--id", "SRV"}, {"lanman", "restore", "--tag", "T",
			"--id", "SRV\n"}, {"lanman", "restore", "--no\nsuch"},
		{"ip", "quickCheck", "--tag", "T", "--id", "10.0.0.5", "--nic", "Ethernet 2", "--guid",
			guid, "--lkroot", "L"},
		{"ip", "restore", "--tag", "T", "--id", "10.0.0.256", "--nic", "E|calc", "--guid", "1234",
			"--mask", "255.0.255.0"},
		{"ip", "recover", "--tag", "T", "--id", "10.0.0.5", "--nic", "E", "--guid", guid, "--mask",
			"255.255.255.0", "--backup-nic", "F",
			"--backup-guid", "11111111-2222-3333-4444-55555555555a", "--local-recovery",
			"--native", "--plan"},
		{"volume", "restore", "--tag", "T", "--volume", "e:", "--node", "N", "--peer", "P",
			"--enable-task-command", `%LKBIN%\x.exe "$PEER" $HOME`,
			"--query-timeout", "86400", "--lock-timeout", "0"},
		{"volume", "quickCheck", "--resource", "FILE.toml", "--json", "--events", "e"},
		{"volume", "remove", "--resource=FILE.json", "--plain-volume"},
		{"lanman", "deepCheck", "--resource", "FILE.txt"}, {"lanman", "restore", "--tag", "T", "--",
			"-x"}, {"ip", "remove", "-x"},
		{"watch"}, {"watch", "--help"}, {"watch", "rejoin"}, {"watch", "volume", "--tag", "T",
			"--volume", "E", "--peer", "P", "--node", "N", "--plan"},
		{"watch", "lanman", "--tag", "T", "--id", "SRV", "--node", "N", "--quick-interval", "1",
			"--deep-interval", "86401"},
		{"rejoin"}, {"rejoin", "--help"}, {"rejoin", "--system", "HERE", "--gone", "here"},
		{"rejoin", "--system", "HERE", "--gone", "GONE", "--plan", "now"},
		{"rejoin", "--system", "HERE", "--gone", "GONE", "--volume", "E", "--volume", "f:",
			"--all-resources", "--yes", "--journal", "j"},
		{"rejoin", "--gone", "../GONE", "--state-dir", "", "--wait-timeout", "300"},
	} {
		f.Add(strings.Join(line, "\x00"),
			[]byte("tag = \"T\"\nvolume = \"E\"\npeer = \"P\"\nquery-timeout = 5\n"))
	}
	for _, content := range []string{
		`{"tag": "T", "volume": "E", "peer": "P", "query-timeout": 5, "local-recovery": true}`,
		`{"tag": null}`, `["tag"]`,
		`{"tag": "T"} {`, "\xef\xbb\xbf{}", `{"plan": true}`, `{"a\nb": 1}`, "{"} {
		f.Add("volume\x00remove\x00--resource=FILE.json", []byte(content))
	}
	f.Add("volume\x00remove\x00--resource=FILE.toml", []byte("tag = [\"T\"]\n[kit]\n"))
	fill := resourceFiles(f)
	f.Fuzz(func(t *testing.T, line string, content []byte) {
		var args []string
		if line != "" {
			args = strings.Split(line, "\x00")
		}
		if len(line) > 4000 || reads(args) {
			return
		}
		args = fill(t, args, content)
		perform, err := command(args)
		if (err == nil) != (perform != nil) {
			t.Fatalf("%q: both or neither, %v", args, err)
		}
		if err != nil {
			wrong(t, args, err)
			return
		}
		switch first := strings.ToLower(args[0]); {
		case first == "rejoin":
			accepted(t, args, func() error { return acceptedRejoin(t, args[1:]) })
		case first == "watch" && args[1] != "--help" && args[1] != "-h":
			accepted(t, args, func() error { return acceptedWatch(t, args[1:]) })
		case kitrunner.FindKit(first) != nil && args[1] != "--help" && args[1] != "-h":
			accepted(t, args, func() error { return acceptedAction(t, args) })
		}
	})
}

// Whatever a command line holds reaches the terminal as text, on one line.
func TestComplaintIsOneLine(t *testing.T) {
	for arg, want := range map[string]string{
		"--no\x1b[2J\nsuch": "unknown flag: --no?[2J such",
		"-\x1b":             `unknown shorthand flag: '\x1b' in -?`,
		"a\nb":              `"a\nb" belongs to no option (options have two dashes)`,
	} {
		_, err := command([]string{"lanman", "restore", arg})
		if got := complaint("%v", err); got != "kitrunner: error: "+want {
			t.Errorf("%q: %s", arg, got)
		}
	}
}

// wrong checks the message and the exit code of wrong usage.
func wrong(t *testing.T, args []string, err error) {
	t.Helper()
	const begin = "kitrunner: error: "
	text := complaint("%v", err)
	if len(text) <= len(begin) || !strings.HasPrefix(text, begin) || strings.ContainsFunc(text,
		func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("%q: not one printable line: %q", args, text)
	}
	want := exitUsage
	if errors.Is(err, errUnsupported) {
		want = exitUnsupported
	}
	if code := exitCode(err); code != want {
		t.Errorf("%q: exit code %d, want %d", args, code, want)
	}
}

// accepted checks a command line that is not wrong: it asks for help, or is in
// bounds.
func accepted(t *testing.T, args []string, check func() error) {
	t.Helper()
	if err := check(); err != nil && !errors.Is(err, errHelp) {
		t.Errorf("%q: accepted, and then %v", args, err)
	}
}

func acceptedAction(t *testing.T, args []string) error {
	o, err := parse(args[2:], false)
	if err != nil {
		return err
	}
	kit := kitrunner.FindKit(args[0])
	if err := o.check(kit, kit.Action(args[1])); err != nil {
		return err
	}
	inBounds(t, o)
	return nil
}

func acceptedWatch(t *testing.T, args []string) error {
	o, err := parse(args[1:], true)
	if err != nil {
		return err
	}
	kit := kitrunner.FindKit(args[0])
	if err := o.check(kit, kit.Action("quickCheck")); err != nil {
		return err
	}
	inBounds(t, o)
	within(t, o.quick, o.deep)
	return nil
}

// inBounds checks what --help and the errors say about the options of a kit.
func inBounds(t *testing.T, o *options) {
	t.Helper()
	d, r := o.deadlines, o.resource
	within(t, d.Query, d.Change, d.Switchover, d.Lock, d.DeleteShadows, o.wait)
	for _, s := range []string{r.Tag, r.Node, r.Peer, r.NIC, r.BackupNIC} {
		if len([]rune(s)) > 255 || strings.HasPrefix(s, "-") ||
			strings.ContainsAny(s, "\"'%^&|<>;$`") || strings.ContainsFunc(s, unicode.IsControl) {
			t.Errorf("accepted %q", s)
		}
	}
	if !o.plan && (r.Tag == "" || r.Node == "") || r.Peer != "" &&
		strings.EqualFold(r.Peer, r.Node) || o.stateDir == "" {
		t.Errorf("accepted %+v", r)
	}
	if err := o.engine().Check(kitrunner.FindKit("lanman")); err != nil {
		t.Error(err)
	}
}

func acceptedRejoin(t *testing.T, args []string) error {
	o, err := parseRejoin(args)
	if err != nil {
		return err
	}
	r := &o.rejoin
	if err := r.Check(); err != nil {
		return err
	}
	within(t, o.deadlines.Query, o.deadlines.Change, o.wait)
	if r.System == "" || r.Gone == "" || strings.EqualFold(r.System, r.Gone) ||
		!filepath.IsAbs(r.Journal) || o.stateDir == "" {
		t.Errorf("accepted %+v", r)
	}
	if !slices.IsSorted(r.Volumes) ||
		len(slices.Compact(slices.Clone(r.Volumes))) != len(r.Volumes) {
		t.Errorf("volumes %q", r.Volumes)
	}
	for _, v := range r.Volumes {
		if len(v) != 1 || v < "A" || v > "Z" {
			t.Errorf("volume %q", v)
		}
	}
	if text, report := r.Plan(); text == "" || len(report.Steps) == 0 {
		t.Error("a plan without steps")
	}
	return nil
}

// within checks that waits are as the options' errors say.
func within(t *testing.T, waits ...time.Duration) {
	t.Helper()
	for _, w := range waits {
		if w < time.Second || w > 24*time.Hour || w%time.Second != 0 {
			t.Errorf("accepted %v", w)
		}
	}
}
