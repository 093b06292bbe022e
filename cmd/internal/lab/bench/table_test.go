package main

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"fsmon/cmd/internal/lab/proc"
)

var update = flag.Bool("update", false, "write the golden files anew")

// fixed is figures of every kind: fast and slow, an answer, a wrong one and
// none.
func fixed() benchmark {
	b := benchmark{machine: "2 cores, Linux 6.1.0", calm: calm{0.0331, 0.022}}
	add := func(w way, wall, cpu float64, m proc.Memory, frozen, blackholed notice) {
		w.smb = w.group == smbUser || w.group == smbAnonymous
		w.faults = frozen != notice{}
		b.rows = append(b.rows, row{w, cost{wall, cpu}, m, [2]notice{frozen, blackholed}})
	}
	ours := func(group, name string) way {
		return way{group: group, name: name, ours: true, watch: []string{"w"}}
	}
	after := func(s float64, code int) notice {
		return notice{time.Duration(s * float64(time.Second)), code}
	}
	none := notice{}
	add(ours(smbUser, "clp_sambamon, watching"), 0.0041, 0.0012,
		proc.Memory{Peak: 6656, Resident: 6400, File: 4500, Dirty: 1880, Proportional: 2400},
		after(2.98, 1), after(3, 1))
	add(way{group: smbUser, name: "smbclient -c exit"}, 0.032, 0.0201, proc.Memory{Peak: 20480},
		after(20.04, 1), after(5, 1))
	add(way{group: smbUser, name: "check_disk_smb", plugin: true}, 0.06, 0.03,
		proc.Memory{Peak: 20500}, after(15, 3), after(5.1, 2))
	add(ours(smbAnonymous, "clp_sambamon, watching"), 0.0122, 0.0021,
		proc.Memory{Peak: 5300, Resident: 5100, File: 3500, Dirty: 2100, Proportional: 2200}, none,
		none)
	add(way{group: smbAnonymous, name: "smbclient -c exit"}, 0.03, 0.02, proc.Memory{Peak: 20000},
		none, none)
	add(ours(nfs3, "clp_nfsmon, watching"), 0.0008, 0.0009,
		proc.Memory{Peak: 5400, Resident: 5120, File: 4200, Dirty: 2048, Proportional: 2100},
		after(3, 1), after(2.4, 1))
	add(way{group: nfs3, name: floorName, floor: []string{"3"}}, 0.0006, 0.0004, proc.Memory{}, none,
		none)
	add(way{group: nfs3, name: "rpcinfo -t"}, 0.001, 0.0008, proc.Memory{Peak: 2890},
		after(30.002, -1), after(10, 1))
	add(way{group: nfs3, name: "check <rpc> & more", plugin: true}, 0.013, 0.012,
		proc.Memory{Peak: 8600}, after(0.2, 0), after(0.1, -1))
	promised := func(what string, bound, goal time.Duration, samba, nfs []time.Duration) {
		b.kept = append(b.kept,
			kept{promise{what: what, bound: bound, goal: goal}, [2][]time.Duration{samba, nfs}})
	}
	const ms = time.Millisecond
	promised("first stalled probe to exit, beyond (c+1)·r", judged, prompt,
		[]time.Duration{9 * ms, 3400 * time.Microsecond, 2 * ms}, []time.Duration{-ms, judged})
	promised("SIGTERM, stderr hangs", inAll, 0, []time.Duration{inAll, inAll + ms, 1803 * ms},
		[]time.Duration{patience})
	return b
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (-update writes it anew), got:\n%s", path, got)
	}
}

func TestTable(t *testing.T) {
	got := fixed().text()
	golden(t, "text.txt", got)
	for line := range strings.Lines(got) {
		if n := len(strings.TrimRight(line, "\n")); n > 110 || strings.HasSuffix(line, " \n") {
			t.Errorf("%d characters, or a blank at the end: %q", n, line)
		}
	}
}

// The head says whether the machine was quiet, and what was not measured is not
// in the text.
func TestCalm(t *testing.T) {
	for want, c := range map[string]calm{
		"was quiet enough": {0.030, 0.022}, "WAS NOT QUIET": {0.031, 0.022}, "not measured": {},
	} {
		head, _, _ := strings.Cut(benchmark{machine: "m", calm: c}.text(), "\n\n")
		if !strings.Contains(head, want) || strings.Contains(head, "targets") {
			t.Errorf("%v: %q", c, head)
		}
	}
	if c := calmOf([]cost{{wall: 3}, {wall: 1}, {wall: 2}}); c != (calm{2, 1}) {
		t.Errorf("%+v", c)
	}
}

// The notes of the README are those of the tables.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, notes := range []string{notes, promiseNotes} {
		if !bytes.Contains(text, []byte(notes)) {
			t.Errorf("the README does not have these notes:\n%s", notes)
		}
	}
}

// The picture is made from the figures and names the bars, also those that were
// not measured or are no bars at all.
func TestChart(t *testing.T) {
	got, err := fixed().chart()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"SMB, as a user:", "smbclient -c exit",
		"check &lt;rpc&gt; &amp; more", "Peak memory, MB",
		"Blackholed ports, s", "2 cores, Linux 6.1.0.", ">4.1<", ">20.0<", "&gt; 30",
		"never: said OK"} {
		if !bytes.Contains(got, []byte(text)) {
			t.Errorf("%q is missing", text)
		}
	}
	if bytes.Contains(got, []byte("SMB, anonymous")) {
		t.Error("a way that meets no fault is drawn")
	}
	nothing := benchmark{rows: []row{{way: way{group: nfs3, name: "nothing", faults: true}}}}
	if got, err := nothing.chart(); err != nil || bytes.Contains(got, []byte("NaN")) ||
		bytes.Contains(got, []byte("Inf")) {
		t.Errorf("%v, %s", err, got)
	}
}
