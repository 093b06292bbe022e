package kitrunner

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A kit that goes nowhere is refused before anything runs.
func TestCheck(t *testing.T) {
	list := query(LKBin, "list.exe")
	for want, a := range map[string]Action{
		"a has no step (9)": {Steps: []Step{{"(1)", "", []Op{ask(list, exitCode,
			on(ok, each("rows", nil, goTo("(9)"))))}}}},
		"other-command: names no command": {Steps: []Step{{"(1)", "",
			[]Op{do(templated(queries, "other"))}}}},
		"there is no command kitrunner itself: other x": {Steps: []Step{{"(1)", "",
			[]Op{do(query(API, "other", "x"))}}}},
		"a has no step (2)":        {Closing: "(2)"},
		"there is no action other": {Steps: []Step{{"(1)", "", []Op{perform("other")}}}},
	} {
		a.Name = "a"
		kit := &Kit{Name: "kit", Actions: []Action{a}}
		e := &Engine{Runner: &scripted{t: t}, Log: new(logged)}
		if err := e.Check(kit); err == nil || err.Error() != "kit a: "+want {
			t.Errorf("%v, not %s", err, want)
		}
		if report := e.Run(t.Context(), kit, &kit.Actions[0],
			Resource{}); report.Code != Undetermined || len(report.Steps) != 1 {
			t.Errorf("%+v", report)
		}
	}
	for _, kit := range Kits() {
		if err := new(Engine).Check(kit); err != nil {
			t.Error(err)
		}
	}
}

// The rows of a list are done in order, those that must wait after the others,
// and each has only its own variables. A plan shows the rows that are known.
func TestEach(t *testing.T) {
	refused := EventText{1, Error, "$ROW is refused"}
	remove := each("rows", end(Failure),
		ask(change(LKBin, "remove.exe", "$ROW"), func(r *run, res Result) answer {
			r.vars["SEEN"] += "x"
			return exitCode(r, res)
		}, on(failed, say(refused), later())))
	kit := &Kit{Name: "kit", Actions: []Action{{Name: "a", Steps: []Step{
		{"(1)", "Remove them.", []Op{remove}}, {"(2)", "Done.", []Op{end(Success)}},
	}}}}
	play := func(s script) (ran []string, report Report, e *Engine, k known) {
		run := &scripted{t: t, script: s, asked: map[string]int{}}
		e = &Engine{Runner: run, Log: new(logged), Deadlines: DefaultDeadlines()}
		k = e.known(Resource{Tag: "t"})
		k.rows["rows"] = []row{{"ROW": "a"}, {"ROW": "b"}, {"ROW": "c"}}
		report = e.perform(t.Context(), kit, &kit.Actions[0], k)
		for _, c := range run.ran {
			ran = append(ran, c.Args[0])
		}
		return ran, report, e, k
	}
	ran, report, e, k := play(script{"remove.exe": fine, "remove.exe a": then(exits(8), exits(8),
		fine), "remove.exe b": then(exits(8), fine)})
	if d := cmp.Diff(strings.Fields("a b c a b a"), ran); d != "" || report.Code != Success {
		t.Errorf("code %d, -want +ran:\n%s", report.Code, d)
	}
	if k.vars["ROW"]+k.vars["SEEN"] != "" {
		t.Errorf("left behind: %v", k.vars)
	}
	ran, report, _, _ = play(script{"remove.exe": exits(8), "remove.exe c": fine})
	if d := cmp.Diff(strings.Fields("a b c a b"), ran); d != "" || report.Code != Failure {
		t.Errorf("code %d, -want +ran:\n%s", report.Code, d)
	}
	p := e.planner(kit, k)
	p.action(&kit.Actions[0])
	delete(k.rows, "rows")
	q := e.planner(kit, k)
	q.action(&kit.Actions[0])
	if len(p.used) != 3 || p.used[2].Args[0] != "c" || len(q.used) != 1 ||
		q.used[0].Args[0] != "$ROW" {
		t.Errorf("planned %v, %v", p.used, q.used)
	}
}
