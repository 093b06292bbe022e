package templates

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fsmon/nfsprobe/nfstest"
	"fsmon/smbprobe/kerberostest"
	"fsmon/smbprobe/smbtest"
	"fsmon/watchreg"
)

// The documents that show commands to a person.
var documents = []string{
	"../README.md", "README.md", "README.ja.md", "../cmd/clp_sambamon/clp_sambamon.8.md",
	"../cmd/clp_nfsmon/clp_nfsmon.8.md", "../cmd/kitrunner/kitrunner.1.md",
}

// The commands of a document are run as they stand, in order, against real
// servers. Only the addresses, ports and paths of the example are replaced.
func TestDocuments(t *testing.T) {
	t.Parallel()
	const spn = "cifs/files.lab.test"
	kdc := kerberostest.New(t, kerberostest.Config{
		Users: map[string]string{"root": "pw"}, Services: []string{spn}})
	s := smbtest.Samba(t, smbtest.Config{Global: []string{"realm = " + kerberostest.Realm,
		"kerberos method = dedicated keytab", "dedicated keytab file = " + kdc.Keytab}})
	host, port, err := net.SplitHostPort(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	l := nfstest.New(t, nfstest.Config{})
	dir := t.TempDir()
	credentials := filepath.Join(dir, "data.cred")
	if err := os.WriteFile(credentials, []byte("username=root\npassword=pw\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "systemctl"), "#!/bin/sh\n")
	// root's would otherwise be in /var/log/fsmon
	kept := " --evidence-dir " + dir + " --log-file " + dir + "/watch.log"
	samba := strings.NewReplacer("-s data", "-s share --port "+port+kept, "192.0.2.10", host,
		"/etc/fsmon/data.cred", credentials, "/etc/fsmon/fsmon.keytab", kdc.UserKeytab(t, "root"),
		"-a files.example.com", "-a "+host+" --spn "+spn+" --kdc "+kdc.Addr)
	nfs := strings.NewReplacer("-d /srv/export", "-d "+l.Path("export")+kept, "192.0.2.10", nfstest.Address)
	path := "PATH=" + dir + ":" + build(t) + ":" + os.Getenv("PATH")

	for _, document := range documents {
		t.Run(document, func(t *testing.T) {
			r := &reader{t: t, watches: map[string]*exec.Cmd{}}
			r.registry = filepath.Join(t.TempDir(), "registry")
			r.env = []string{path, "FSMON_REGISTRY=" + r.registry}
			lines := shown.FindAllStringSubmatch(read(t, document), -1)
			if len(lines) < 2 {
				t.Errorf("only %d commands", len(lines))
			}
			for _, m := range lines {
				if strings.HasPrefix(m[1], "clp_nfsmon") {
					r.types(m[1], l.Command("/bin/sh", "-c", nfs.Replace(m[1])))
				} else {
					r.types(m[1], exec.Command("/bin/sh", "-c", samba.Replace(m[1])))
				}
			}
			for id := range r.watches { // most are stopped by the document
				r.stop(id)
			}
		})
	}
}

var (
	// shown is a command that a document shows in a line of its own.
	shown = regexp.MustCompile(`(?m)^    ((?:clp_|systemctl |kitrunner ).*)$`)
	// start starts a watch: an identifier, and no verb.
	start = regexp.MustCompile(`^clp_\w+ (\w+) -[sd] `)
	ends  = regexp.MustCompile(`^clp_\w+ (\w+) -stop`)
)

// reader types the commands of a document.
type reader struct {
	t        *testing.T
	registry string
	env      []string
	watches  map[string]*exec.Cmd // that run, by identifier
}

// types runs a line, and waits for its end, or for the watch that it starts.
func (r *reader) types(line string, cmd *exec.Cmd) {
	r.t.Helper()
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	cmd.Env = r.env
	if m := start.FindStringSubmatch(line); m != nil {
		if err := cmd.Start(); err != nil {
			r.t.Fatal(err)
		}
		r.watches[m[1]] = cmd
		(&agent{t: r.t, registry: r.registry, id: m[1]}).status(watchreg.Healthy)
		return
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Errorf("%s: %v\n%s", line, err, out)
	}
	if m := ends.FindStringSubmatch(line); m != nil && r.watches[m[1]] != nil {
		r.ended(m[1])
	}
}

// stop ends a watch that the document leaves running.
func (r *reader) stop(id string) {
	r.t.Helper()
	cmd := exec.Command(filepath.Join(build(r.t), "clp_sambamon"), id, "-stop")
	cmd.Env = r.env
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Errorf("%s -stop: %v\n%s", id, err, out)
	}
	r.ended(id)
}

// ended waits for the end of a watch that was stopped.
func (r *reader) ended(id string) {
	r.t.Helper()
	cmd := r.watches[id]
	delete(r.watches, id)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	defer context.AfterFunc(ctx, func() { cmd.Process.Kill() })()
	if err := cmd.Wait(); err != nil {
		r.t.Errorf("watch %s: %v", id, err)
	}
}

// Each manual page, with fsmon(7) for both watches, describes the options and
// verbs that --help names, and no others.
func TestManualOptions(t *testing.T) {
	word := regexp.MustCompile(`(?m)(?:^|[\s,(|])(--?[a-z][a-z0-9-]*)`)
	term := regexp.MustCompile(`\*\*(--?[a-z0-9-]+)\*\*`)
	for _, m := range []struct{ pages, helps []string }{
		{[]string{"clp_sambamon/clp_sambamon.8.md", "fsmon.7.md"}, []string{"clp_sambamon"}},
		{[]string{"clp_nfsmon/clp_nfsmon.8.md", "fsmon.7.md"}, []string{"clp_nfsmon"}},
		{
			[]string{"kitrunner/kitrunner.1.md"},
			[]string{"kitrunner", "kitrunner watch", "kitrunner rejoin", "kitrunner doctor",
				"kitrunner pause", "kitrunner service"},
		},
	} {
		want, got := map[string]bool{}, map[string]bool{}
		for _, command := range m.helps {
			help := exec.Command("/bin/sh", "-c", build(t)+"/"+command+" --help")
			out, err := help.Output()
			if err != nil {
				t.Fatalf("%q: %v", help.Args, err)
			}
			// What stands in brackets are the defaults, commands of others
			// among them.
			text := regexp.MustCompile(`(?m)^ +\(.*\)$`).ReplaceAllString(string(out), "")
			for _, w := range word.FindAllStringSubmatch(text, -1) {
				want[w[1]] = true
			}
		}
		for _, page := range m.pages {
			for line := range strings.Lines(read(t, "../cmd/"+page)) {
				if strings.HasPrefix(line, "**-") { // the options of a paragraph
					for _, w := range term.FindAllStringSubmatch(line, -1) {
						got[w[1]] = true
					}
				}
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("-(--help) +%v:\n%s", m.pages, d)
		}
	}
}
