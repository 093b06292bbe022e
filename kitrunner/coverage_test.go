package kitrunner

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Every numbered sentence of the documents has a scenario, and every step of
// the kits has a sentence.
func TestEverySentence(t *testing.T) {
	played := map[string]transcript{}
	for _, c := range scenarios() {
		played[c.id()] = c.play(t, nil)
	}
	steps := map[string]bool{}
	for _, s := range sentences {
		steps[s.kit+" "+s.action+" "+s.step] = true
		tr, ok := played[s.kit+"/"+s.action+"/"+s.scenario]
		if !ok {
			t.Errorf("%s %s %s: there is no scenario %q", s.kit, s.action, s.step, s.scenario)
			continue
		}
		if got := tr.section(s.action, s.step); got == "" || !strings.Contains(got, s.shows) {
			t.Errorf("%s %s %s, %s: scenario %q shows\n%s, not %q", s.kit, s.action, s.step,
				s.sentence, s.scenario, got, s.shows)
		}
		where := fmt.Sprintf("%s %s %s, %s: scenario %q", s.kit, s.action, s.step,
			s.sentence, s.scenario)
		if m := goesTo.FindStringSubmatch(s.sentence); m != nil &&
			!tr.goes(s.action, s.step, m[1]) {
			t.Errorf("%s does not go to %s", where, m[1])
		}
		if m := returns.FindStringSubmatch(s.sentence); m != nil && !slices.Contains(codes[m[1]],
			tr.report.Code) {
			t.Errorf("%s ends with %d", where, tr.report.Code)
		}
	}
	for _, k := range Kits() {
		for _, a := range k.Actions {
			for _, s := range a.Steps {
				if !steps[k.Name+" "+a.Name+" "+s.No] {
					t.Errorf("%s %s has step %s, of which no sentence tells", k.Name, a.Name, s.No)
				}
			}
		}
	}
	everyEvent(t, played)
	everyBranch(t, played)
}

// What a sentence says of the step that follows, and of the action's end.
var (
	goesTo  = regexp.MustCompile(`go to (\([0-9A-Z-]+\))`)
	returns = regexp.MustCompile(
		`(return value \d|no failure|success all the same|: success|, failure|, end)`)
	codes = map[string][]int{
		"return value 0": {0}, "return value 1": {1}, "return value 2": {2},
		"no failure": {0}, "success all the same": {0}, ": success": {0}, ", failure": {1, 2},
		", end": {1},
	}
)

// goes tells whether a step of an action was followed by another of it.
func (tr transcript) goes(action, from, to string) bool {
	was := ""
	for _, s := range tr.report.Steps {
		if s.Action == action {
			if was == from && s.Step == to {
				return true
			}
			was = s.Step
		}
	}
	return false
}

// everyEvent checks that each message of the catalogue is logged in some
// scenario.
func everyEvent(t *testing.T, played map[string]transcript) {
	var texts []Event
	for _, tr := range played {
		for _, s := range tr.report.Steps {
			texts = append(texts, s.Events...)
		}
	}
	for _, e := range Catalogue() {
		if e.Number == ev20004.Number || slices.Contains(rejoinEvents, e) ||
			slices.Contains(watchEvents, e) {
			continue // TestStoreFails, TestRejoinCoversTheDocument, TestWatchIsSteered
		}
		parts := regexp.MustCompile(`\$[A-Z]+`).Split(e.Text, -1)
		for i, p := range parts {
			parts[i] = regexp.QuoteMeta(p)
		}
		re := regexp.MustCompile(`(?s)^` + strings.Join(parts, ".+") + `$`)
		if !slices.ContainsFunc(texts, func(ev Event) bool {
			return ev.Number == e.Number && ev.Severity == e.Severity && re.MatchString(ev.Text)
		}) {
			t.Errorf("no scenario logs %d %s", e.Number, e.Text)
		}
	}
	for _, ev := range texts {
		if strings.Contains(ev.Text, "$") {
			t.Errorf("a variable is not filled in: %d %s", ev.Number, ev.Text)
		}
		if strings.TrimSpace(oneLine(ev.Text)) != strings.TrimSpace(ev.Text) ||
			strings.Contains(ev.Text, "context ") {
			t.Errorf("not for people: %d %q", ev.Number, ev.Text)
		}
	}
}

// everyBranch checks that each branch of each step is taken in some scenario.
func everyBranch(t *testing.T, played map[string]transcript) {
	taken := map[string]bool{}
	for _, tr := range played {
		for _, s := range tr.report.Steps {
			for _, o := range s.Outcomes {
				taken[tr.report.Kit+" "+s.Action+" "+s.Step+" "+o] = true
			}
		}
	}
	var walk func(where string, ops []Op)
	branches := func(where string, bs []branch) {
		for _, b := range bs {
			for _, a := range b.on {
				if !taken[where+" "+string(a)] {
					t.Errorf("%s: no scenario in which %s", where, a)
				}
			}
			walk(where, b.do)
		}
	}
	walk = func(where string, ops []Op) {
		for _, o := range ops {
			switch o := o.(type) {
			case askOp:
				branches(where, o.branches)
			case actOp:
				branches(where, o.branches)
			case eachOp:
				walk(where, o.ops)
			case performOp:
				if where == "ip recover (4-2)" || where == "ip recover (6-2)" {
					continue // deepCheck never fails
				}
				branches(where, o.branches)
			}
		}
	}
	for _, k := range Kits() {
		for _, a := range k.Actions {
			for _, s := range a.Steps {
				walk(k.Name+" "+a.Name+" "+s.No, s.Do)
			}
		}
	}
}
