package main

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

// fixed is figures of every kind: fast and slow, an answer, a wrong one and none.
func fixed() benchmark {
	b := benchmark{machine: "2 cores, Linux 6.1.0"}
	add := func(w way, wall, cpu float64, m memory, frozen, blackholed notice) {
		w.smb = w.group == smbUser || w.group == smbAnonymous
		w.faults = frozen != notice{}
		b.rows = append(b.rows, row{w, cost{wall, cpu}, m, [2]notice{frozen, blackholed}})
	}
	ours := func(group, name string) way {
		return way{group: group, name: name, ours: true, watch: []string{"w"}}
	}
	after := func(s float64, code int) notice { return notice{time.Duration(s * float64(time.Second)), code} }
	none := notice{}
	add(ours(smbUser, "clp_sambamon, watching"), 0.0041, 0.0012, memory{6656, 6400, 4500, 1880, 2400}, after(2.98, 1), after(3, 1))
	add(way{group: smbUser, name: "smbclient -c exit"}, 0.032, 0.0201, memory{peak: 20480}, after(20.04, 1), after(5, 1))
	add(way{group: smbUser, name: "check_disk_smb", plugin: true}, 0.06, 0.03, memory{peak: 20500}, after(15, 3), after(5.1, 2))
	add(ours(smbAnonymous, "clp_sambamon, watching"), 0.0122, 0.0021, memory{5300, 5100, 3500, 2100, 2200}, none, none)
	add(way{group: smbAnonymous, name: "smbclient -c exit"}, 0.03, 0.02, memory{peak: 20000}, none, none)
	add(ours(nfs3, "clp_nfsmon, watching"), 0.0008, 0.0009, memory{5400, 5120, 4200, 2048, 2100}, after(3, 1), after(2.4, 1))
	add(way{group: nfs3, name: "rpcinfo -t"}, 0.001, 0.0008, memory{peak: 2890}, after(30.002, -1), after(10, 1))
	add(way{group: nfs3, name: "check <rpc> & more", plugin: true}, 0.013, 0.012, memory{peak: 8600}, after(0.2, 0), after(0.1, -1))
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
	got := fixed().table()
	golden(t, "table.txt", got)
	for line := range strings.Lines(got) {
		if n := len(strings.TrimRight(line, "\n")); n > 110 || strings.HasSuffix(line, " \n") {
			t.Errorf("%d characters, or a blank at the end: %q", n, line)
		}
	}
}

func TestChart(t *testing.T) {
	got := fixed().svg()
	golden(t, "chart.svg", got)
	if len(got) > 20000 {
		t.Errorf("%d bytes", len(got))
	}
	wellFormed(t, got)
}

// What has not been measured, or was no time at all, must not break the chart.
func TestChartWithoutFigures(t *testing.T) {
	for name, b := range map[string]benchmark{
		"no rows":    {machine: "1 core, Linux 6.1.0"},
		"no figures": {rows: []row{{way: way{group: nfs3, name: "nothing", faults: true}}}},
	} {
		t.Run(name, func(t *testing.T) {
			got := b.svg()
			wellFormed(t, got)
			if strings.Contains(got, "NaN") || strings.Contains(got, "Inf") {
				t.Error(got)
			}
		})
	}
}

// wellFormed fails the test unless a parser takes the chart, and all that is drawn
// begins and ends inside it.
func wellFormed(t *testing.T, svg string) {
	t.Helper()
	var size struct {
		width, height float64
	}
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		e, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		at := map[string]float64{}
		for _, a := range e.Attr {
			if v, err := strconv.ParseFloat(a.Value, 64); err == nil {
				at[a.Name.Local] = v
			}
		}
		if e.Name.Local == "svg" {
			size.width, size.height = at["width"], at["height"]
		}
		if at["x"] < 0 || at["y"] < 0 || at["x"]+at["width"] > size.width || at["y"]+at["height"] > size.height {
			t.Errorf("<%s> is outside of %v: %v", e.Name.Local, size, at)
		}
	}
}

func TestTicks(t *testing.T) {
	for longest, want := range map[float64]float64{0: 1, 0.004: 0.001, 0.0049: 0.001, 0.005: 0.002, 0.047: 0.01, 0.06: 0.02, 0.9: 0.2, 2.4: 0.5} {
		if got := tickStep(longest); got < want*0.999 || got > want*1.001 {
			t.Errorf("up to %v s: %v, want %v", longest, got, want)
		}
	}
}
