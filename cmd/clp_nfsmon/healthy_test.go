package main

import (
	"strings"
	"testing"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/nfsprobe/nfstest"
	"fsmon/watchreg"
)

// watched starts a watch, sees it healthy twice, and ends it.
func watched(t *testing.T, l *cmdtest.Lab, note, told string, args ...string) watchreg.Status {
	t.Helper()
	st, stop := watching(t, l, note, told, args...)
	stop()
	return st
}

// watching is watched for a caller who ends the watch.
func watching(t *testing.T, l *cmdtest.Lab, note, told string, args ...string) (
	st watchreg.Status, stop func()) {
	t.Helper()
	w := l.Watch(append(args[:len(args):len(args)], "-i", "1", "-r", "10")...)
	for range strings.Count(told, "settled") {
		if w.Message(cmdtest.SettledOn).Text == "The watch has settled on "+note+"." {
			break
		}
	}
	l.Healthy()
	st = l.Healthy()
	w.Told(told)
	if st.Kind != "nfs" || !strings.HasSuffix(st.Note, note) || len(st.Warnings) > 0 {
		t.Errorf("%+v, want the note %q", st, note)
	}
	return st, func() {
		t.Helper()
		l.Silent("-stop")
		w.Exits(0)
		w.Told(told, "stopping")
	}
}

func TestHealthy(t *testing.T) {
	t.Parallel()
	network := nfstest.New(t, nfstest.Config{})
	t.Cleanup(func() { // after all of them
		// A probe that -stop cut off is forgotten when its lease has ended.
		cmdtest.Eventually(t, "a server that knows no client", func() bool {
			left, err := network.Clients()
			return err == nil && len(left) == 0
		})
	})
	dir := network.Dir()
	four := func(v string) []string {
		return []string{"--nfs-version", v, "--nfs4-path",
			"/export"}
	}
	const own = "the address 198.51.100.10, one of this machine's own, since there is no -a"
	for name, c := range map[string]struct {
		args          []string
		note, address string
		target        string // the part before the directory
	}{
		"3": {[]string{"-a", "127.0.0.1", "--nfs-version", "3"}, "NFS version 3",
			"127.0.0.1:2049", "127.0.0.1"},
		"4": {append(four("4"), "-a", "127.0.0.1"), "NFS version 4.2",
			"127.0.0.1:2049", "127.0.0.1"},
		"4.0": {append(four("4.0"), "-a", "127.0.0.1"), "NFS version 4.0",
			"127.0.0.1:2049", "127.0.0.1"},
		"4.1": {append(four("4.1"), "-a", "127.0.0.1"), "NFS version 4.1",
			"127.0.0.1:2049", "127.0.0.1"},
		"4.2": {append(four("4.2"), "-a", "127.0.0.1"), "NFS version 4.2",
			"127.0.0.1:2049", "127.0.0.1"},
		"auto": {append(four("auto"), "-a", "127.0.0.1"), "NFS version 3",
			"127.0.0.1:2049", "127.0.0.1"},
		"default address": {nil, "NFS version 3", nfstest.Address + ":2049", nfstest.Address},
		"host name":       {[]string{"-a", "localhost"}, "NFS version 3", "", "localhost"},
		"host name, 4.1": {append(four("4.1"), "-a", "localhost"), "NFS version 4.1", "",
			"localhost"},
		"IPv6": {[]string{"-a", "::1"}, "NFS version 3", "[::1]:2049", "[::1]"},
		"IPv6, 4.2": {append(four("4.2"), "-a", "[::1]"), "NFS version 4.2", "[::1]:2049",
			"[::1]"},
		"joined -n": {[]string{"-a", "127.0.0.1", "-n2049"}, "NFS version 3",
			"127.0.0.1:2049", "127.0.0.1:2049"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, network)
			told := "started watching settled"
			if c.args == nil {
				told = "started settled watching settled"
			}
			st := watched(t, l, c.note, told, append(c.args, "-d", dir)...)
			if c.address != "" && st.Address != c.address || st.Target != c.target+":"+dir {
				t.Errorf("address %s of %s, want %s of %s:", st.Address, st.Target, c.address,
					c.target)
			}
			if c.args == nil && st.Note != own+"; NFS version 3" {
				t.Errorf("note %q", st.Note)
			}
		})
	}
}

// Ports that are not the usual ones: told by the port mapper, and by the user
// where there is no port mapper.
func TestPorts(t *testing.T) {
	t.Parallel()
	odd := nfstest.New(t, nfstest.Config{NFSPort: 23049, MountPort: 7})
	alone := nfstest.New(t, nfstest.Config{NFSPort: 23049, MountPort: 23048, NoPortmap: true})
	for name, c := range map[string]struct {
		network *nfstest.Lab
		args    []string
		note    string
	}{
		"told by the port mapper": {odd, []string{"--nfs-version", "3"}, "NFS version 3"},
		"told by rpcbind over IPv6": {odd, []string{"--nfs-version", "3", "-a", "::1"},
			"NFS version 3"},
		"auto, told by the port mapper": {odd, nil, "NFS version 3"},
		"-n, and the mount port is asked": {odd, []string{"--nfs-version", "3", "-n", "23049"},
			"NFS version 3"},
		"-n, version 4": {odd,
			[]string{"--nfs-version", "4.1", "-n", "23049", "--nfs4-path",
				"/export"}, "NFS version 4.1"},
		"both, without a port mapper": {alone,
			[]string{"--nfs-version", "3", "-n", "23049", "--mount-port",
				"23048"}, "NFS version 3"},
		"both and auto, without one": {alone,
			[]string{"-n", "23049", "--mount-port", "23048"}, "NFS version 3"},
		"version 4.2, without one": {alone,
			[]string{"--nfs-version", "4.2", "-n", "23049", "--nfs4-path",
				"/export"}, "NFS version 4.2"},
		"auto takes 4 without one, warned": {alone,
			[]string{"-n", "23049", "--nfs4-path", "/export"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, c.network)
			args := append([]string{"-d", c.network.Dir()}, c.args...)
			if !strings.Contains(strings.Join(args, " "), "-a ") {
				args = append(args, "-a", "127.0.0.1")
			}
			if c.note != "" {
				st := watched(t, l, c.note, "started watching settled", args...)
				if !strings.HasSuffix(st.Address, ":23049") {
					t.Errorf("address %s", st.Address)
				}
				return
			}
			w := l.Watch(append(args, "-i", "1", "-r", "10")...)
			warned := w.Message(cmdtest.Warned)
			const want = "Healthy, but version 3 failed (RPC: Port mapper failure - RPC: Unable to " +
				"receive: errno = Connection refused.), so version 4.2 is watched for now, and 3 is " +
				"tried again with each probe."
			if warned.Text != want {
				t.Errorf("%q, want %q", warned.Text, want)
			}
			l.Healthy()
			l.Healthy()
			w.Told("started watching warned")
			l.Silent("-stop")
			w.Exits(0)
		})
	}
}

// A port mapper that is missing only at the first probe does not keep a watch
// from version 3, whose later failure is the verdict.
func TestPortMapperIsLate(t *testing.T) {
	t.Parallel()
	network := nfstest.New(t, nfstest.Config{Empty: true})
	h := hostile(t, network)
	h.On(nfstest.Getport, nfstest.Reset)
	l := newLab(t, network)
	w := l.Watch("-a", h.Address, "-d", "/export", "-i", "1", "-c", "1", "-r", "10")
	w.Message(cmdtest.Warned)
	l.Healthy()
	h.On(nfstest.Getport, nfstest.Healthy)
	if text := w.Message(cmdtest.SettledOn).Text; text != "The watch has settled on NFS version 3." {
		t.Error(text)
	}
	h.On(nfstest.Getport, nfstest.Reset)
	w.Exits(1)
	w.Told("started watching warned settled probe-failed probe-failed rpc-failed nfs-failed terminate")
}
