package kitrunner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// fakeCluster plays the commands of REJOIN on the document's system
// BENHOGAN2008. It has a state: what was removed is gone.
type fakeCluster struct {
	equivalencies []string // rows of eqv_list, fields between blanks
	systems       []string
	paths         []string // rows of net_list
	jobs          map[string]string
	endPoints     map[string]string // of a job
	volumes       map[string]string // of a volume, the job
	mirrors       map[string]string // of a volume, its line without the volume; two: with |
	cleared       map[string]bool
	instances     []string          // rows of ins_list
	parents       map[string]string // tag: the tag that depends on it
	synced        int
	separator     string // between the fields of a listing: asked with -f, or this one
	missing       string // a command that is not installed
	onePath       bool   // net_remove removes one path, not all
	files         []string

	ctx     context.Context // of the command under way
	ran     []string        // every command
	changed []string        // those that change something
	n       int             // of the command under way, from 1
	dieAt   int
	after   bool // it dies when the command has done its work
	fault   func(n int, c Command) (Result, bool)
	events  []string
}

// killed is the panic that stands for the end of the process.
type killed struct{}

const (
	jobE = "e829700c-27b0-447f-b852-1a3135da31a7"
	jobF = "1b5e8715-a488-4030-8166-45c9232bc04e"
	jobG = "7d1f4a7c-0a6e-4f0f-9a51-3f0d3c1b2a99"
)

func newFakeCluster(root string) *fakeCluster {
	f := &fakeCluster{
		equivalencies: []string{
			"BENHOGAN2008 LK1-BENHOGAN2K8 GPLAYER2008 LK1-BENHOGAN2K8 SHARED 1 10",
			"BENHOGAN2008 Vol.E GPLAYER2008 Vol.E SHARED 1 10",
			"GPLAYER2008 共有.F BENHOGAN2008 共有.F2 SHARED 1 10",
			"BENHOGAN2008 Vol.G SNEAD2008 Vol.G SHARED 1 10",
		},
		systems: []string{"BENHOGAN2008", "GPLAYER2008", "SNEAD2008"},
		paths: []string{
			"GPLAYER2008 TCP 10.200.8.25 10.200.8.26 1", "GPLAYER2008 TCP 10.1.8.25 10.1.8.26 2",
			"SNEAD2008 TCP 10.200.8.25 10.200.8.27 3",
		},
		endPoints: map[string]string{
			// Broken as REJOIN shows it.
			jobE: "BENHOGAN2008;E;10.200.8.25;GPLAYER2008;E\r\n;10.200.8.26;A",
			jobF: "GPLAYER2008.lab.example;F;10.200.8.26;BENHOGAN2008.lab.example;F;10.200.8.25;S",
			jobG: "BENHOGAN2008;G;10.200.8.25;SNEAD2008;G;10.200.8.27;A",
		},
		jobs:    map[string]string{jobE: "E Vol", jobF: "F Vol", jobG: "共有 G"},
		volumes: map[string]string{"E": jobE, "F": jobF, "G": jobG},
		mirrors: map[string]string{"E": "1 BENHOGAN2008 10.200.8.26 4",
			"F": "2 GPLAYER2008.lab.example 10.200.8.25 5", "G": "1 BENHOGAN2008 10.200.8.27 1"},
		cleared: map[string]bool{},
		instances: []string{
			"BENHOGAN2008 filesys volume Vol.E E: E: ISP",
			"BENHOGAN2008 comm ip IP1 10.0.0.9 x ISP",
			"BENHOGAN2008 comm lanman LK1-BENHOGAN2K8 LK1 x ISP",
		},
		parents: map[string]string{"Vol.E": "LK1-BENHOGAN2K8", "IP1": "Vol.E"},
	}
	dir := filepath.Join(root, "subsys", "filesys", "resources", "volume")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		panic(err)
	}
	for _, v := range []string{"E", "F", "G"} {
		f.files = append(f.files, filepath.Join(dir, "LKDRInfo."+v))
		if err := os.WriteFile(filepath.Join(dir, "LKDRInfo."+v), []byte("x"), 0o644); err != nil {
			panic(err)
		}
	}
	return f
}

// info writes an LKDRInfo file.
func (f *fakeCluster) info(v, text string) {
	for _, file := range f.files {
		if strings.HasSuffix(file, "."+v) {
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				panic(err)
			}
		}
	}
}

// withoutVolumes makes it a cluster whose only mirror, G, is another system's.
func (f *fakeCluster) withoutVolumes() {
	delete(f.jobs, jobE)
	delete(f.jobs, jobF)
	delete(f.mirrors, "E")
	delete(f.mirrors, "F")
	os.Remove(f.files[0])
	os.Remove(f.files[1])
}

// state is what a clean-up is about, as text.
func (f *fakeCluster) state() string {
	var b strings.Builder
	fmt.Fprintf(&b, "equivalencies %q\nsystems %q\npaths %q\njobs %q\nmirrors %v\ncleared %v\n"+
		"instances %q\nsynced %v\nfiles",
		f.equivalencies, f.systems, f.paths, slices.Sorted(maps.Keys(f.jobs)), f.mirrors, f.cleared,
		f.instances, f.synced > 0)
	for _, file := range f.files {
		if _, err := os.Stat(file); err == nil {
			b.WriteString(" " + filepath.Base(file))
		}
	}
	return b.String() + "\n"
}

func (f *fakeCluster) Run(ctx context.Context, c Command) Result {
	f.n++
	f.ctx = ctx
	if err := ctx.Err(); err != nil {
		return Result{Err: err}
	}
	f.ran = append(f.ran, c.String())
	if f.n == f.dieAt && !f.after {
		panic(killed{})
	}
	if f.fault != nil {
		if r, ok := f.fault(f.n, c); ok {
			return r
		}
	}
	before := f.state()
	code, out := f.play(c)
	if f.state() != before || c.Name == "lcdsync.exe" {
		f.changed = append(f.changed, c.String())
	}
	if f.n == f.dieAt {
		panic(killed{})
	}
	return Result{Code: code, Output: strings.ReplaceAll(out, "\n", "\r\n")}
}

// rows prints a list. In a row "_" stands for a blank within a field.
func (f *fakeCluster) rows(c Command, rows []string) (int, string) {
	sep := " "
	for _, a := range c.Args {
		if len(a) == 3 && a[:2] == "-f" {
			sep = a[2:]
		}
	}
	if f.separator != "" {
		sep = f.separator
	}
	out := ""
	for _, row := range rows {
		out += strings.ReplaceAll(strings.ReplaceAll(row, " ", sep), "_", " ") + "\n"
	}
	return 0, out
}

// Find implements what Dirs has.
func (f *fakeCluster) Find(c Command) error {
	if c.Name == f.missing {
		return fs.ErrNotExist
	}
	return nil
}

// Log implements EventLog.
func (f *fakeCluster) Log(e Event) error {
	f.events = append(f.events, fmt.Sprintf("%s %d %s", e.Severity, e.Number, e.Text))
	return nil
}

func option(c Command, name string) string {
	if i := slices.Index(c.Args, name); i >= 0 {
		return strings.ReplaceAll(c.Args[i+1], " ", "_")
	}
	return ""
}

// removeRows removes rows. If there is none to remove the exit code is 7.
func removeRows(rows *[]string, match func(fields []string) bool) int {
	n := len(*rows)
	*rows = slices.DeleteFunc(*rows, func(row string) bool { return match(strings.Fields(row)) })
	if len(*rows) == n {
		return 7
	}
	return 0
}

func (f *fakeCluster) play(c Command) (int, string) {
	switch c.Place.String() + " " + c.Name {
	case "%LKBIN% eqv_list.exe":
		return f.rows(c, f.equivalencies)
	case "%LKBIN% eqv_remove.exe":
		return removeRows(&f.equivalencies, func(r []string) bool {
			return r[0] == option(c, "-s") && r[1] == option(c, "-t") && r[2] == option(c, "-S") &&
				r[3] == option(c, "-o") && r[4] == option(c, "-e")
		}), ""
	case "%LKBIN% sys_list.exe":
		return f.rows(c, f.systems)
	case "%LKBIN% sys_remove.exe":
		return removeRows(&f.systems, func(r []string) bool { return r[0] == option(c, "-s") }), ""
	case "%LKBIN% net_list.exe":
		return f.rows(c, f.paths)
	case "%LKBIN% net_remove.exe":
		first := true
		return removeRows(&f.paths, func(r []string) bool {
			hit := r[0] == option(c, "-s") && (first || !f.onePath)
			first = first && !hit
			return hit
		}), ""
	case "%LKBIN% ins_list.exe":
		return f.rows(c, f.instances)
	case "%LKBIN% ins_remove.exe":
		for _, row := range f.instances {
			if strings.Fields(row)[3] == f.parents[option(c, "-t")] {
				return 8, "依存しているリソースがあります"
			}
		}
		return removeRows(&f.instances, func(r []string) bool {
			return r[3] == option(c, "-t")
		}), ""
	case "%LKBIN% lcdsync.exe":
		f.synced++
		return 0, ""
	case "%SystemRoot%\\System32 reg.exe":
		return f.reg(c)
	case "%ExtMirrBase% EMCMD.exe":
		return f.emcmd(c)
	}
	panic("no such command: " + c.String())
}

func (f *fakeCluster) reg(c Command) (int, string) {
	guid, ok := strings.CutPrefix(c.Args[1],
		`HKLM\System\CurrentControlSet\Services\ExtMirr\Parameters\Jobs\`)
	if _, there := f.jobs[guid]; !ok || !there {
		return 1, "エラー: 指定されたレジストリ キーまたは値が見つかりませんでした。\n"
	}
	switch {
	case c.Args[0] == "export" && c.Args[3] == "/y":
		if err := os.WriteFile(c.Args[2], []byte("Windows Registry Editor Version 5.00\r\n"),
			0o600); err != nil {
			return 1, err.Error()
		}
	case c.Args[0] == "delete" && c.Args[2] == "/f":
		delete(f.jobs, guid)
	default:
		panic("no such command: " + c.String())
	}
	return 0, "この操作を正しく終了しました。\n"
}

func (f *fakeCluster) emcmd(c Command) (int, string) {
	if c.Args[0] != "." {
		panic("not this system: " + c.String())
	}
	v := strings.TrimSuffix(c.Args[2], ":")
	switch c.Args[1] {
	case "getjobinfoforvol":
		guid := f.volumes[v]
		if name, ok := f.jobs[guid]; ok {
			return 0, fmt.Sprintf("ID = %s\nName = %s\nDescription =\nMirrorEndPoints = %s\n", guid,
				name, f.endPoints[guid])
		}
		return 0, ""
	case "GETMIRRORVOLINFO":
		if f.mirrors[v] == "" {
			return 2, "Status = 2\n"
		}
		out := ""
		for line := range strings.SplitSeq(f.mirrors[v], "|") {
			out += v + ": " + line + "\n"
		}
		return 0, out
	case "deletelocalmirroronly":
		if f.mirrors[v] == "" {
			return 2, "Status = 2\n"
		}
		delete(f.mirrors, v)
		return 0, "Status = 0\n"
	case "clearswitchover":
		f.cleared[v] = true
		return 0, "Status = 0\n"
	}
	panic("no such command: " + c.String())
}

// The ways in which a command goes wrong.
var faults = []struct {
	name string
	res  Result
}{
	{"missing", Result{Err: fmt.Errorf("x: %w", fs.ErrNotExist)}},
	{"hanging", Result{Err: fmt.Errorf("x: %w", context.DeadlineExceeded)}},
	{"cut off", Result{Output: "BENHOGAN2008\n", Err: errors.New("more than 1 MiB of output")}},
	{"failing", Result{Code: 9, Output: "通信に失敗しました。\r\n"}},
	{"failing without a word", Result{Code: 1}},
	{"garbage", Result{Output: "ＬＫ: 予期しない文字列 \ufffd\x07\r\n"}},
}
