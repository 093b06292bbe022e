package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"fsmon/cmd/internal/lab/cmdtest"
)

const templates = "../../../../templates"

func TestMain(m *testing.M) {
	cmdtest.Main(m, map[string]string{
		"clp_sambamon": "fsmon/cmd/clp_sambamon", "clp_nfsmon": "fsmon/cmd/clp_nfsmon"})
}

// bin is where the commands were built.
func bin() string { return filepath.Dir(cmdtest.Program("clp_sambamon")) }

// need ends the test when the machine cannot hold a cluster.
func need(t *testing.T, programs ...string) {
	t.Helper()
	give := t.Skipf
	if os.Getenv("CI") == "true" {
		give = t.Fatalf
	}
	if os.Geteuid() != 0 {
		give("a cluster needs root")
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			give("a cluster needs %s (make cluster-test installs it)", p)
		}
	}
}

// Every scenario, once with Samba and with NFS 3 and 4.1, in the published
// configuration.
func TestPacemaker(t *testing.T) {
	need(t, "pacemakerd", "corosync", "crm", "smbd", "ganesha.nfsd", "rpcbind", "nfs-cat",
		"smbclient", "ip", "iptables")
	for _, name := range everywhere {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := startChain(name, bin(), templates, t.Logf)
			if err != nil {
				t.Fatal(err)
			}
			defer c.close()
			for _, s := range scenarios {
				if err := s.play(c); err != nil {
					t.Fatalf("%s: %v\n%s", s.name, err, c.story())
				}
			}
		})
	}
}

// The copyable pcs commands make the same group.
func TestPcs(t *testing.T) {
	need(t, "pacemakerd", "corosync", "pcs", "smbd")
	t.Parallel()
	l, err := startLab(bin(), filepath.Join(templates, "ocf", "fsmon"), "")
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	err = until("both nodes online", func() bool {
		m, err := l.state("n1")
		return err == nil && m.online("n1", "n2")
	})
	if err != nil {
		t.Fatal(err)
	}
	c := &chain{lab: l, protocol: protocols["samba"], say: t.Logf}
	c.config = "samba.pcs"
	text, err := os.ReadFile(filepath.Join(templates, "pacemaker", c.config))
	if err != nil {
		t.Fatal(err)
	}
	script, err := c.forLab(string(text))
	if err != nil {
		t.Fatal(err)
	}
	path, err := l.write("group.pcs", script)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.on("n1", "env", "HOME=/run", "sh", "-e", path); err != nil {
		t.Fatal(err)
	}
	home, err := c.home()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.watching(home); err != nil {
		t.Fatal(err)
	}
}

// The published keepalived configuration moves the address away from a frozen
// server and back.
func TestKeepalived(t *testing.T) {
	need(t, "keepalived", "smbd", "smbclient")
	t.Parallel()
	c, err := startKeepalived("keepalived", bin(), templates, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if err := keepalivedMoves(c); err != nil {
		t.Fatal(err)
	}
}
