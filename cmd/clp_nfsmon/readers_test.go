package main

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"fsmon/cmd/internal/lab/cmdtest"
)

// Another user sees root's watches without being told where they are, beside
// own ones, and whose is whose, and learns why no verb of its own controls one.
// -list of root shows root's alone, as before.
func TestAnotherUserSeesRootsWatches(t *testing.T) {
	t.Parallel()
	const script = `set -e
mount --make-rprivate /
mount -t tmpfs -o mode=0755 tmpfs /run
mkdir -m 0700 /run/own
chown 65534 /run/own
nobody() {
	setpriv --reuid 65534 --regid 65534 --clear-groups env XDG_RUNTIME_DIR=/run/own "$0" "$@"
}
say() { echo "== $*"; }
say nothing; nobody -list
"$0" roots -d /e -a 127.0.0.99 -n 9 --nfs-version 4 -c 1000 --log-file /dev/null --no-evidence \
	>/dev/null 2>&1 &
until [ -e /run/fsmon/roots/status ]; do sleep 0.05; done
say one; nobody -list
say one disp; nobody roots -disp
say one json; nobody -list --json
say one disp json; nobody roots -disp --json
say unknown; nobody other -disp 2>&1 || echo "code $?"
say stranger; nobody roots -pause 2>&1 || echo "code $?"
say explicit; FSMON_REGISTRY=/run/own/fsmon nobody -list
nobody mine -d /e -a 127.0.0.99 -n 9 --nfs-version 4 -c 1000 >/dev/null 2>&1 &
until [ -e /run/own/fsmon/mine/status ]; do sleep 0.05; done
say two; nobody -list
say two disp; nobody mine -disp
say two json; nobody -list --json
say root; "$0" -list
`
	// The watches end with the shell, which is their process 1.
	cmd := exec.Command("unshare", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child",
		"--", "/bin/sh", "-c", script, cmdtest.Program("clp_nfsmon"))
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	out, err := cmd.CombinedOutput()
	must(t, err)
	said := map[string]string{}
	for part := range strings.SplitSeq(string(out), "== ") {
		name, text, _ := strings.Cut(part, "\n")
		said[name] = text
	}
	const head = `IDENTIFIER +KIND .*\n`
	for name, want := range map[string]string{
		"nothing": `no watches\n`,
		"one":     `Watches of root \(/run/fsmon\):\n` + head + `roots +nfs (.*\n)+`,
		"one disp": `pid +\d+\nidentifier +roots\n(.*\n)+` +
			`registry +/run/fsmon, of root\n`,
		"one json":      `(?s)\[.*"id": ?"roots".*"registry": ?"/run/fsmon".*\]\n`,
		"one disp json": `(?s)\{.*"id": ?"roots".*"registry": ?"/run/fsmon".*\}\n`,
		"unknown": `clp_nfsmon: error: there is no watch "other" \(clp_nfsmon -list shows all\)\n` +
			`code 1\n`,
		"stranger": `clp_nfsmon: error: no watch "roots" is running \(only root can control root's ` +
			`watch of that name\)\ncode 1\n`,
		"explicit": `no watches\n`,
		"two": `Watches of this user \(/run/own/fsmon\):\n` + head + `mine +nfs (.*\n)+\n` +
			`Watches of root \(/run/fsmon\):\n` + head + `roots +nfs (.*\n)+`,
		"two disp": `pid +\d+\nidentifier +mine\n` +
			`((failures|last|class|state|settings|watches|note|warning) .*\n)+`,
		"two json": `(?s)\[.*"id": ?"mine".*"registry": ?"/run/own/fsmon".*` +
			`"id": ?"roots".*"registry": ?"/run/fsmon".*\]\n`,
		"root": head + `roots +nfs (.*\n)+`,
	} {
		if !regexp.MustCompile(`^` + want + `$`).MatchString(said[name]) {
			t.Errorf("%s: %s", name, said[name])
		}
	}
}
