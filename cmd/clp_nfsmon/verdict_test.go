package main

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/nfsprobe/nfstest"
)

// What happens to a server that was healthy, version by version: watches that
// have pinned 3, by themselves and by auto, and watches of version 4.
func TestFaults(t *testing.T) {
	t.Parallel()
	// A watch that stays healthy has an empty text.
	type outcome struct{ text, rung string }
	healthy := outcome{}
	refused := func(rung string) outcome {
		return outcome{"clp_nfsmon: RPC: Unable to receive: errno = Connection refused.", rung}
	}
	silent := func(rung string) outcome { return outcome{"clp_nfsmon: RPC: Timed out", rung} }
	mapperSilent := outcome{"clp_nfsmon: RPC: Port mapper failure - RPC: Timed out", "port map"}
	do := func(f func(*nfstest.Lab, nfstest.Server) error,
		s nfstest.Server) func(*nfstest.Lab) error {
		return func(network *nfstest.Lab) error { return f(network, s) }
	}
	drop := func(port int) func(*nfstest.Lab) error {
		return func(network *nfstest.Lab) error { return network.Drop(port) }
	}
	for name, c := range map[string]struct {
		fault          func(*nfstest.Lab) error
		three, four    outcome
		stalls, stays4 bool
	}{
		"server frozen": {fault: do((*nfstest.Lab).Freeze, nfstest.Ganesha), three: silent("mount"),
			four: silent("null"), stalls: true},
		"server killed": {fault: do((*nfstest.Lab).Kill, nfstest.Ganesha),
			three: refused("mount connect"), four: refused("connect")},
		"server stopped": {fault: do((*nfstest.Lab).Stop, nfstest.Ganesha),
			three: outcome{"clp_nfsmon: RPC: Program not registered.",
				"port map"}, four: refused("connect")},
		"rpcbind frozen": {fault: do((*nfstest.Lab).Freeze, nfstest.Rpcbind), three: mapperSilent,
			four: healthy, stalls: true},
		"rpcbind killed": {fault: do((*nfstest.Lab).Kill, nfstest.Rpcbind), four: healthy,
			three: outcome{"clp_nfsmon: RPC: Port mapper failure - RPC: Unable to receive: " +
				"errno = Connection refused.", "port map"}},
		"port 111 blackholed": {fault: drop(111), three: mapperSilent, four: healthy,
			stalls: true},
		"mount port blackholed": {fault: drop(20048), three: silent("mount connect"), four: healthy,
			stalls: true},
		"NFS port blackholed": {fault: drop(2049), three: silent("connect"),
			four: silent("connect"), stalls: true},
		"export removed": {fault: func(network *nfstest.Lab) error {
			return network.Reload(slices.DeleteFunc(nfstest.Exports(),
				func(e nfstest.Export) bool { return e.Name == "export" })...)
		}, three: outcome{"clp_nfsmon: mount error(MNT3ERR_ACCES)", "mount"},
			four: outcome{"clp_nfsmon: LOOKUP: NFS4ERR_NOENT", "lookup"}},
		"directory removed": {fault: func(network *nfstest.Lab) error { return os.RemoveAll(network.Dir()) },
			three: outcome{"clp_nfsmon: GETATTR: NFS3ERR_STALE",
				"getattr"}, four: outcome{"clp_nfsmon: GETATTR: NFS4ERR_STALE", "getattr"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			network := nfstest.New(t, nfstest.Config{})
			labs, watches := map[string]*cmdtest.Lab{}, map[string]*cmdtest.Process{}
			wanted := map[string]outcome{"3": c.three, "auto": c.three, "4.0": c.four,
				"4.1": c.four, "4.2": c.four}
			for v := range wanted {
				labs[v] = newLab(t, network)
				watches[v] = labs[v].Watch(version(network, "export", v,
					"-i", "1", "-c", "1", "-r", "4")...)
			}
			for v, w := range watches {
				w.Message(cmdtest.SettledOn) // with the first success
				labs[v].Healthy()
			}
			must(t, c.fault(network))
			for v, want := range wanted {
				if want == healthy {
					continue
				}
				w := watches[v]
				first := w.Message(cmdtest.ProbeFailed)
				w.Exits(1)
				// A fault in the middle of a probe may spoil no more than its UMNT.
				w.Told("started watching settled -warned",
					"probe-failed probe-failed rpc-failed nfs-failed terminate")
				verdict := w.Last(cmdtest.RPCFailed)
				if verdict.Text != want.text || !strings.HasPrefix(verdict.Detail, want.rung+": ") {
					t.Errorf("version %s: %q ... %q, want %q at %s", v, verdict.Text,
						verdict.Detail, want.text, want.rung)
				}
				if !strings.HasPrefix(first.Text, "Probe failed (1 of 2), ") {
					t.Errorf("version %s: %q", v, first.Text)
				}
				least := 4 * time.Second
				if want == c.three && want.rung == "connect" { // a tenth of -r is kept for UMNT
					least = 3 * time.Second
				}
				if c.stalls {
					w.Apart("probe-failed", "probe-failed", least)
				}
			}
			for v, want := range wanted {
				if want == healthy {
					labs[v].Healthy()
					watches[v].Told("started watching settled")
					labs[v].Silent("-stop")
					watches[v].Exits(0)
				}
			}
		})
	}
}

// Exports that a real server does not serve, and what the alert says.
func TestRefused(t *testing.T) {
	t.Parallel()
	network := nfstest.New(t, nfstest.Config{})
	acces, noent := "clp_nfsmon: mount error(MNT3ERR_ACCES)", "clp_nfsmon: LOOKUP: NFS4ERR_NOENT"
	const file = "clp_nfsmon: mount error(Not a directory)"
	const kerberos = "clp_nfsmon: mount error(export requires Kerberos)"
	for name, c := range map[string]struct{ export, three, four string }{
		"not exported": {"nowhere", acces, noent},
		"missing":      {"export/missing", acces, noent},
		// this server's MNT does not give it; others' do
		"a regular file":      {"export/file", acces, file},
		"for another client":  {"restricted", acces, noent},
		"only for Kerberos":   {"kerberos", kerberos, kerberos},
		"not from there, too": {"restricted/sub", acces, noent},
	} {
		for v, want := range map[string]string{"3": c.three, "auto": c.three, "4.0": c.four,
			"4.2": c.four} {
			t.Run(name+" "+v, func(t *testing.T) {
				t.Parallel()
				l := newLab(t, network)
				w := l.Watch(version(network, c.export, v, "-i", "1", "-c", "1", "-r", "10")...)
				w.Exits(1)
				w.Told("started probe-failed probe-failed rpc-failed nfs-failed terminate")
				verdict := w.Last(cmdtest.RPCFailed)
				if verdict.Text != want || verdict.Detail == "" {
					t.Errorf("%q ... %q, want %q", verdict.Text, verdict.Detail, want)
				}
				// With auto both failures are told.
				last := w.Last(cmdtest.ProbeFailed)
				if v == "auto" &&
					!strings.Contains(verdict.Detail+last.Text+last.Detail, "and with version 4") {
					t.Errorf("nothing about version 4: %q", verdict.Detail)
				}
				t.Logf("%s ... %s", verdict.Text, verdict.Detail)
			})
		}
	}
}
