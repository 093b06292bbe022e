package kitrunner

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestJournal(t *testing.T) {
	want := journal{System: "A", Gone: "B", Volumes: []string{"E"}}
	path := filepath.Join(rejoinDir(t), "sub", "rejoin-b.json")
	j, err := openJournal(path, want)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []string{"one", "two"} {
		if err := j.add(step, ""); err != nil {
			t.Fatal(err)
		}
	}
	again, err := openJournal(path, want)
	if err != nil {
		t.Fatal(err)
	}
	at, ok := again.done("two")
	if _, no := again.done("three"); !ok || no || time.Since(at) > time.Minute || !again.old {
		t.Errorf("got %+v", again)
	}
	for _, other := range []journal{
		{System: "C", Gone: "B", Volumes: []string{"E"}},
		{System: "A", Gone: "C", Volumes: []string{"E"}},
		{System: "A", Gone: "B"}, {System: "A", Gone: "B", Volumes: []string{"E"},
			AllResources: true},
	} {
		if _, err := openJournal(path, other); !errors.Is(err, ErrOtherJournal) ||
			!strings.Contains(err.Error(), "--system A --gone B --volume E") {
			t.Errorf("%+v: %v", other, err)
		}
	}
	// Two that finish within a second are both kept.
	var kept []string
	for range 2 {
		name, err := j.finish()
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, name)
		if err := j.write(); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range kept {
		if _, err := os.Stat(name); err != nil {
			t.Error(err)
		}
	}
	for _, damaged := range []string{"", "{", `{"format":3}`, strings.Repeat(" ", maxJournal+1)} {
		if err := os.WriteFile(path, []byte(damaged), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := openJournal(path, want); err == nil || errors.Is(err, ErrOtherJournal) {
			t.Errorf("%.20q: %v", damaged, err)
		}
	}
}
