package observe

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fsmon/cmd/internal/watch"
	"fsmon/watchreg"
)

// everything is the metrics of something that has all of them.
func everything(fixed watchreg.Status) []Family {
	f := NewFigures(fixed)
	f.On(watch.Event{Kind: watch.Healthy, Began: time.Unix(testMoment, 0), Took: time.Second})
	f.On(watch.Event{Kind: watch.Failed, Took: time.Second, Err: errors.New("broken"),
		Report:    watch.Report{Rungs: []watch.Rung{{Name: "connect"}}, Dialect: "SMB 3.1.1"},
		Witnesses: []watch.Witness{{Address: "192.0.2.1"}}})
	return f.Families(time.Unix(testMoment, 0))
}

// The table in fsmon(7) has every metric of a watch and of fsmon_exporter, with
// its labels, and no others.
func TestTableOfMetrics(t *testing.T) {
	row := func(f Family, exporter bool) string {
		var labels []string
		for i := 4; i < len(f.Samples[0].Labels); i += 2 { // after id and kind
			labels = append(labels, f.Samples[0].Labels[i])
		}
		from := "both"
		if !exporter {
			from = "watch"
		}
		return fmt.Sprintf("| %s | %s | %s | %s |", f.Name, strings.Join(labels, ", "), from, f.Help)
	}
	asked := everything(watchreg.Status{})
	var want []string
	for _, f := range everything(watchreg.Status{Interval: 30}) {
		if want := []string{"id", "", "kind", ""}; !slices.Equal(f.Samples[0].Labels[:4], want) {
			t.Errorf("%s has the labels %q", f.Name, f.Samples[0].Labels)
		}
		also := slices.ContainsFunc(asked, func(a Family) bool {
			return a.Name == f.Name && f.Name != "fsmon_witness_up" // it has none
		})
		want = append(want, row(f, also))
	}
	got := regexp.MustCompile(`(?m)^\| fsmon_.*$`).FindAllString(readFile(t, "../../fsmon.7.md"), -1)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-code +fsmon.7.md:\n%s", d)
	}
}
