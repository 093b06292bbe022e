package kitrunner

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"fsmon/kitrunner/winsys"
)

var update = flag.Bool("update", false, "write the golden files anew")

// script has the answers of each command, by the beginning of "name arguments";
// the longest that fits counts. A command's answers are taken in order, and the
// last one is repeated.
type script map[string][]Result

func (s script) with(others ...script) script {
	out := script{}
	for _, o := range append([]script{s}, others...) {
		for k, v := range o {
			out[k] = v
		}
	}
	return out
}

func said(outputs ...string) (rs []Result) {
	for _, o := range outputs {
		rs = append(rs, Result{Output: o})
	}
	return rs
}

func exits(code int, outputs ...string) []Result {
	return []Result{{Code: code, Output: strings.Join(outputs, "\n")}}
}

func then(rs ...[]Result) (all []Result) {
	for _, r := range rs {
		all = append(all, r...)
	}
	return all
}

var (
	fine     = []Result{{}}
	notThere = []Result{{Err: winsys.Reworded("it is not installed", fs.ErrNotExist)}}
	timedOut = []Result{{Err: winsys.Reworded("no answer in time", context.DeadlineExceeded)}}
	garbage  = []Result{{Output: "\x00\x1b[2J 0xDEADBEEF \ufffd\ufffd [] <> {} = : " +
		"9999999999999999999999\r\n"}}
)

// scripted is a Runner that answers by a script and records what it was asked.
type scripted struct {
	t      *testing.T
	script script
	asked  map[string]int
	ran    []Command
	at     func(i int) (Result, bool) // replaces the answer of the i-th command
}

// short is a command as scripts name it.
func short(c Command) string {
	return strings.Join(append([]string{filepath.Base(c.Name)}, c.Args...), " ")
}

func (s *scripted) Run(ctx context.Context, c Command) Result {
	i := len(s.ran)
	s.ran = append(s.ran, c)
	if c.Timeout <= 0 {
		s.t.Errorf("%s has no deadline", c)
	}
	best := ""
	for k := range s.script {
		if strings.HasPrefix(short(c), k) && len(k) > len(best) {
			best = k
		}
	}
	if best == "" {
		s.t.Errorf("the script has no answer for %q", short(c))
		return Result{}
	}
	n := min(s.asked[best], len(s.script[best])-1)
	s.asked[best]++
	if s.at != nil {
		if res, ok := s.at(i); ok {
			return res
		}
	}
	return s.script[best][n]
}

// logged is an EventLog that records.
type logged []Event

func (l *logged) Log(e Event) error { *l = append(*l, e); return nil }

// scenario is one way in which an action can go.
type scenario struct {
	kit, action, name string
	script            script
	code              int
	res               func(*Resource) // changes the kit's resource
	engine            func(*Engine)
	stored            string // the adapter that was stored before
	like              string // the golden file has the differences from this one
}

func (c scenario) id() string { return c.kit + "/" + c.action + "/" + c.name }

// transcript is a scenario as it went.
type transcript struct {
	report Report
	text   string // as a person sees it
	ran    []Command
	said   []outcomeOfCommand
}

type outcomeOfCommand struct {
	command Command
	outcome answer
}

// play runs a scenario, in no time.
func (c scenario) play(t *testing.T, at func(i int) (Result, bool)) (tr transcript) {
	t.Helper()
	dir := ""
	if c.kit == "ip" {
		dir = t.TempDir()
	}
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		var events logged
		run := &scripted{t: t, script: c.script, asked: map[string]int{}, at: at}
		kit := FindKit(c.kit)
		e := &Engine{Runner: run, Log: &events, Deadlines: DefaultDeadlines(), StateDir: dir}
		e.Show = func(n Notice) {
			switch n.Kind {
			case StepBegins:
				fmt.Fprintf(&b, "%s %s\n", n.Step, n.Text)
			case CommandBegins:
				fmt.Fprintf(&b, "    > %s\n", n.Text)
			case CommandEnds:
				fmt.Fprintf(&b, "      [of %v] %s\n", run.ran[len(run.ran)-1].Timeout, n.Text)
				tr.said = append(tr.said, outcomeOfCommand{command: run.ran[len(run.ran)-1]})
			case OutcomeIsKnown:
				fmt.Fprintf(&b, "      %s\n", n.Text)
				if i := len(tr.said) - 1; i >= 0 && tr.said[i].outcome == "" {
					tr.said[i].outcome = answer(n.Text)
				}
			case EventLogged:
				fmt.Fprintf(&b, "    event %s\n", n.Text)
			case Waiting:
				fmt.Fprintf(&b, "    %s\n", n.Text)
			}
		}
		res := resources[c.kit]
		if c.res != nil {
			c.res(&res)
		}
		if c.engine != nil {
			c.engine(e)
		}
		if c.stored != "" {
			if err := os.WriteFile(filepath.Join(dir, "ip-tag.nic"), []byte(c.stored),
				0o600); err != nil {
				t.Fatal(err)
			}
		}
		tr.report = e.Run(t.Context(), kit, kit.Action(c.action), res)
		fmt.Fprintf(&b, "%s (%d) after %.0f s\n", tr.report.Outcome, tr.report.Code,
			tr.report.Seconds)
		if b, err := os.ReadFile(filepath.Join(dir, "ip-tag.nic")); dir != "" && err == nil {
			tr.text = "stored: " + string(b)
		}
		tr.text, tr.ran = b.String()+tr.text, run.ran
		var reported []Event
		for _, s := range tr.report.Steps {
			reported = append(reported, s.Events...)
		}
		if d := cmp.Diff(reported, []Event(events)); d != "" {
			t.Errorf("-reported +logged:\n%s", d)
		}
	})
	return tr
}

// section is what a step of an action has shown, each time it ran.
func (tr transcript) section(action, step string) string {
	var b strings.Builder
	for _, s := range tr.report.Steps {
		if s.Action != action || s.Step != step {
			continue
		}
		for _, c := range s.Commands {
			fmt.Fprintf(&b, "> %s\n", c.Command)
		}
		for _, o := range s.Outcomes {
			fmt.Fprintln(&b, o)
		}
		for _, e := range s.Events {
			fmt.Fprintf(&b, "%s %d %s\n", e.Severity, e.Number, e.Text)
		}
		fmt.Fprintln(&b, "was here")
	}
	return b.String()
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	file = filepath.Join("testdata", filepath.FromSlash(file))
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.ReplaceAll(string(want), "\r\n", "\n"), got); d != "" {
		t.Errorf("%s: -golden +run:\n%s", file, d)
	}
}

// goldenName is a scenario's file: its name without the characters that a path
// cannot have.
func (c scenario) goldenName() string {
	name := strings.NewReplacer(" ", "-", ",", "", "'", "", ":", "").Replace(c.name)
	return "kits/" + c.kit + "/" + c.action + "/" + name + ".txt"
}

// differences are the lines of a text that another has not, and the other way
// round, in order.
func differences(name, a, b string) string {
	was, is := strings.SplitAfter(a, "\n"), strings.SplitAfter(b, "\n")
	common := make([][]int, len(was)+1) // of the lines from here on
	for i := range common {
		common[i] = make([]int, len(is)+1)
	}
	for i := len(was) - 1; i >= 0; i-- {
		for j := len(is) - 1; j >= 0; j-- {
			common[i][j] = max(common[i+1][j], common[i][j+1])
			if was[i] == is[j] {
				common[i][j] = common[i+1][j+1] + 1
			}
		}
	}
	out := "as " + name + ", but\n"
	for i, j := 0, 0; i < len(was) || j < len(is); {
		switch {
		case i < len(was) && j < len(is) && was[i] == is[j]:
			i, j = i+1, j+1
		case j == len(is) || i < len(was) && common[i+1][j] >= common[i][j+1]:
			out += "- " + was[i]
			i++
		default:
			out += "+ " + is[j]
			j++
		}
	}
	return out
}

// Every branch of every action: the commands run, the events logged, and the
// outcome.
func TestKits(t *testing.T) {
	seen := map[string]bool{}
	texts := map[string]string{}
	for _, c := range scenarios() {
		if seen[c.id()] {
			t.Errorf("%s stands twice", c.id())
		}
		seen[c.id()] = true
		t.Run(c.id(), func(t *testing.T) {
			tr := c.play(t, nil)
			if tr.report.Code != c.code {
				t.Errorf("exit code %d, not %d", tr.report.Code, c.code)
			}
			texts[c.id()] = tr.text
			if c.like != "" {
				tr.text = differences(c.like, texts[c.like], tr.text)
			}
			golden(t, c.goldenName(), tr.text)
		})
	}
	files, err := filepath.Glob(filepath.Join("testdata", "kits", "*", "*", "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(seen) {
		t.Errorf("%d golden files for %d scenarios", len(files), len(seen))
	}
}

// The plan of every action, with its commands filled in.
func TestPlan(t *testing.T) {
	for _, k := range Kits() {
		for i := range k.Actions {
			a := &k.Actions[i]
			t.Run(k.Name+"/"+a.Name, func(t *testing.T) {
				e := &Engine{Deadlines: DefaultDeadlines()}
				plan, _ := e.Plan(k, a, resources[k.Name])
				golden(t, "plans/"+k.Name+"-"+a.Name+".txt", plan)
			})
		}
	}
}

func scenarios() []scenario {
	return append(append(lanmanScenarios(), ipScenarios()...), volumeScenarios()...)
}
