package main

import (
	"strings"
	"testing"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/nfsprobe/nfstest"
)

// nobody is the number of a user without rights.
const nobody = 65534

// An ordinary user watches from an ordinary source port, which some exports do
// not take. Root, who may choose that, is told so too.
func TestSourcePorts(t *testing.T) {
	t.Parallel()
	network := nfstest.New(t, nfstest.Config{})
	const refused = "clp_nfsmon: RPC: Authentication error; why = AUTH_TOOWEAK"
	for name, c := range map[string]struct {
		user           int
		export, option string
		ports          string // in the report of a healthy check; empty: refused
	}{
		"a user":                            {nobody, "export", "", "uid 65534, port"},
		"a user, secure":                    {nobody, "secure", "", ""},
		"root":                              {0, "export", "", "uid 0, privileged port"},
		"root, secure":                      {0, "secure", "", "uid 0, privileged port"},
		"root, an ordinary port":            {0, "export", "--unprivileged-port", "uid 0, port"},
		"root, an ordinary port and secure": {0, "secure", "--unprivileged-port", ""},
	} {
		for _, v := range []string{"3", "4.1"} {
			t.Run(name+" "+v, func(t *testing.T) {
				t.Parallel()
				l := newLab(t, network)
				if c.user != 0 {
					l.As(c.user)
				}
				args := version(network, c.export, v)
				if c.option != "" {
					args = append(args, c.option)
				}
				check := l.Run(append([]string{"-check"}, args...)...)
				if c.ports != "" {
					check.Exits(0)
					if !strings.Contains(check.Output(), "as AUTH_SYS "+c.ports) {
						t.Error(check.Output())
					}
					w := l.Watch(args...)
					settled := w.Message(cmdtest.SettledOn).Text
					if settled != "The watch has settled on NFS version "+v+"." {
						t.Error(settled)
					}
					l.Silent("-pause")
					w.Message(cmdtest.Paused)
					l.Silent("-stop")
					w.Exits(0)
					w.Told("started watching settled paused stopping")
					return
				}
				check.Exits(1)
				if !strings.Contains(cmdtest.Flat(check.Output()),
					"run the watch as root, without --unprivileged-port") {
					t.Error(check.Output())
				}
				w := l.Watch(append(args, "-i", "1", "-c", "1")...)
				w.Exits(1)
				w.Told("started probe-failed probe-failed rpc-failed nfs-failed terminate")
				verdict := w.Last(cmdtest.RPCFailed)
				if v == "3" && verdict.Text != refused {
					t.Errorf("%+v", verdict)
				}
				t.Logf("%s ... %s", verdict.Text, verdict.Detail)
			})
		}
	}
}
