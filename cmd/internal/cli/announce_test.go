package cli

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fsmon/cmd/internal/alert"
	"fsmon/cmd/internal/watch"
)

var errBroken = errors.New("negotiate: broken")

func announcer() Service {
	e := func(n int, text string) Message { return entry(n, alert.Info, text) }
	return Service{Catalogue: Catalogue{
		Started: e(1, "started"), Watching: e(2, "watching [%s]"), Stopping: e(3, "stopping [%s]"),
		Terminate: e(6, "terminate"), Paused: e(7, "paused"), Continued: e(8, "continued"),
	}, Diagnose: func(error) Diagnosis {
		return Diagnosis{
			Alerts: []Alert{e(0, "cause of share").Alert(), e(66, "error").Alert()},
			Brief:  "select error[110]",
		}
	}}
}

// Each event in the words of the catalogue.
func TestAnnounce(t *testing.T) {
	until := time.Date(2026, 11, 21, 20, 41, 0, 0, time.Local)
	const broken = "select error[110]: negotiate: broken"
	failed := func(n, allowed int) watch.Event {
		return watch.Event{Kind: watch.Failed, Err: errBroken, Failures: n, Allowed: allowed}
	}
	slowly := func(took time.Duration, r watch.Report) watch.Event {
		return watch.Event{
			Kind: watch.Healthy, Took: took, Deadline: 10 * time.Second, Slow: true, Report: r,
		}
	}
	report := func(warnings ...string) watch.Report { return watch.Report{Warnings: warnings} }
	refusal := func(class Class) watch.Event {
		return watch.Event{Kind: watch.Refused, Err: errBroken, Class: class}
	}
	refuses := func(class string) string {
		return "119 The file server answers, but refuses this watch: not counted, since the other " +
			"node would refuse it too (class " + class + "), " + broken
	}
	const unreached = "119 The file server cannot be asked: not counted, since the other node " +
		"could not ask it either (class path), " + broken
	for _, c := range []struct {
		name   string
		events []watch.Event
		want   []string
	}{
		{"start", []watch.Event{
			{Kind: watch.Started}, {Kind: watch.Healthy, First: true}, {Kind: watch.Healthy}},
			[]string{"1 started", "2 watching [share]"}},
		{"verdict: the cause, then 6", []watch.Event{
			failed(2, 2),
			{Kind: watch.Judged, Err: errBroken, Failures: 2, Allowed: 2}},
			[]string{"101 Probe failed (2 of 2), " + broken,
				"0 cause of share (class server: a failover should help)", "66 error", "6 terminate"}},
		{"witnesses explain the verdict", []watch.Event{{Kind: watch.Judged, Err: errBroken,
			Witnesses: []watch.Witness{
				{Address: "127.0.0.1", Answered: true}, {Address: "node2"}}}},
			[]string{"0 cause of share (class server: a failover should help; witness 127.0.0.1 " +
				"answers the same probe: the server lives, the address or the network is at fault; " +
				"witness node2 has not answered yet)", "66 error", "6 terminate"}},
		{"a drill", []watch.Event{{Kind: watch.Judged, Err: watch.ErrDrill}},
			[]string{"123 This is a drill: the watch ends as if the file server had failed.",
				"6 terminate"}},
		{"recovery", []watch.Event{failed(1, 6), {Kind: watch.Healthy, Failures: 1}},
			[]string{"101 Probe failed (1 of 6), " + broken,
				"102 The file server answers again after 1 failed probe(s)."}},
		{"pause and continue", []watch.Event{{Kind: watch.Paused}, {Kind: watch.Continued}},
			[]string{"7 paused", "8 continued"}},
		{"a pause with an end, then another, then none", []watch.Event{
			{Kind: watch.Paused, Until: until},
			{Kind: watch.Paused, Until: until.Add(time.Minute), Again: true},
			{Kind: watch.Paused, Again: true}},
			[]string{"7 paused", "106 The pause will end by itself at 2026-11-21 20:41:00.",
				"106 The pause will end by itself at 2026-11-21 20:42:00.",
				"106 The pause will last until -continue."}},
		{"a pause that ended by itself", []watch.Event{{Kind: watch.Continued, Expired: true}},
			[]string{"105 The pause has ended by itself.", "8 continued"}},
		{"void", []watch.Event{{Kind: watch.Void, Err: errBroken, Late: 10123 * time.Millisecond}},
			[]string{"103 A failed probe is not counted, since this machine woke the watch " +
				"10.12s late. It is repeated. negotiate: broken"}},
		{"stop", []watch.Event{{Kind: watch.Stopped, Reason: "SIGTERM"}},
			[]string{"3 stopping [share] (asked by SIGTERM)"}},
		{"a warning is said once a spell", []watch.Event{
			{Kind: watch.Healthy, Report: report("a")},
			{Kind: watch.Healthy, Report: report("a", "b")},
			failed(1, 6),
			{Kind: watch.Healthy, Failures: 1, Report: report("a")},
			{Kind: watch.Healthy}, {Kind: watch.Healthy, Report: report("a")}},
			[]string{"104 Healthy, but a.", "104 Healthy, but b.",
				"101 Probe failed (1 of 6), " + broken,
				"102 The file server answers again after 1 failed probe(s).",
				"104 Healthy, but a."}},
		{"slow, once a spell", []watch.Event{
			slowly(9*time.Second, rungs("connect", "tree connect")),
			failed(1, 6),
			slowly(9*time.Second, watch.Report{}),
			{Kind: watch.Healthy},
			slowly(8001*time.Millisecond, watch.Report{})},
			[]string{"114 Healthy, but slow: the probe took 9s of the 10s it has " +
				"(tree connect alone took 2ms).",
				"101 Probe failed (1 of 6), " + broken,
				"114 Healthy, but slow: the probe took 8.001s of the 10s it has " +
					"(it named no step)."}},
		{"start wait", []watch.Event{{Kind: watch.Forgiven, Err: errBroken, Until: until}},
			[]string{"115 Probe failed, not counted before 2026-11-21 20:41:00 (start wait), " +
				broken}},
		{"a refusal that is tolerated is said once a spell", []watch.Event{
			refusal("account"), refusal("account"), refusal("access"), refusal("path"),
			failed(1, 6), refusal("path"), {Kind: watch.Healthy, Failures: 1},
			refusal("account"), {Kind: watch.Healthy}, refusal("account"),
			{Kind: watch.Continued}, refusal("account"), {Kind: watch.Healthy, First: true}},
			[]string{refuses("account"), refuses("access"), unreached,
				"101 Probe failed (1 of 6), " + broken, unreached,
				"102 The file server answers again after 1 failed probe(s).",
				refuses("account"), "120 The file server serves this watch again.",
				refuses("account"), "8 continued", refuses("account"), "2 watching [share]"}},
		{"the end of a grace period", []watch.Event{
			{Kind: watch.Healthy, Report: watch.Report{Grace: true, Warnings: []string{"in grace"}}},
			failed(1, 6),
			{Kind: watch.Healthy, Report: watch.Report{Grace: true, Warnings: []string{"in grace"}}},
			{Kind: watch.Healthy}, {Kind: watch.Healthy}},
			[]string{"104 Healthy, but in grace.", "101 Probe failed (1 of 6), " + broken,
				"122 The grace period of the file server has ended: files can be opened again."}},
		{"what the watch has settled on is said when it changes", []watch.Event{
			{Kind: watch.Failed, Err: errBroken, Failures: 1, Allowed: 6,
				Report: watch.Report{Note: "NFS version 4"}},
			{Kind: watch.Healthy, First: true, Report: watch.Report{Note: "NFS version 3"}},
			{Kind: watch.Healthy, Report: watch.Report{Note: "NFS version 3"}},
			{Kind: watch.Healthy},
			{Kind: watch.Healthy, Report: watch.Report{Note: "NFS version 4.2"}}},
			[]string{"101 Probe failed (1 of 6), " + broken, "2 watching [share]",
				"111 The watch has settled on NFS version 3.",
				"111 The watch has settled on NFS version 4.2."}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			tell := announcer().announce("share", func(a Alert) {
				s := fmt.Sprintf("%d %s", a.Number, a.Text)
				if a.Detail != "" {
					s += " (" + a.Detail + ")"
				}
				got = append(got, s)
			})
			for _, e := range c.events {
				tell(e)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

func rungs(names ...string) watch.Report {
	var r watch.Report
	for i, name := range names {
		took := time.Duration(i+1) * time.Millisecond
		r.Rungs = append(r.Rungs, watch.Rung{Name: name, Took: took})
	}
	return r
}
