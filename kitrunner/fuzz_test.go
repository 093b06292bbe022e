package kitrunner

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fsmon/kitrunner/parse"
)

// Whatever the file of an address holds, the adapter that is checked is one of
// the resource's two, and the backup adapter only if the file names it.
// Whatever a tag is, its file is in the state directory.
func FuzzState(f *testing.F) {
	res := resources["ip"]
	for _, text := range []string{parse.CanonicalGUID(res.GUID) + "\n",
		parse.CanonicalGUID(res.BackupGUID) + "\n", "", "\x00\x00", "{}", thirdGUID,
		strings.ToLower(backupGUID)} {
		f.Add([]byte(text), "ip-tag")
	}
	for _, tag := range []string{"..", "a/b", `a\b`, "C:x", "営業部", "a*?",
		strings.Repeat("営", 255)} {
		f.Add([]byte(backupGUID+"\r\n"), tag)
	}
	f.Fuzz(func(t *testing.T, stored []byte, tag string) {
		vars := new(Engine).known(res).vars
		if onBackupNIC(stored, res) {
			if !strings.Contains(strings.ToUpper(string(stored)),
				strings.Trim(parse.CanonicalGUID(res.BackupGUID), "{}")) {
				t.Errorf("%q is taken for the backup adapter", stored)
			}
			useBackup(res, vars)
		}
		if guid := vars["GUID"]; guid != res.GUID && guid != res.BackupGUID {
			t.Errorf("%q: GUID %q", stored, guid)
		}
		res := res
		res.BackupGUID = ""
		if onBackupNIC(stored, res) {
			t.Errorf("%q: there is no backup adapter", stored)
		}
		res.Tag = tag
		dir := filepath.Join("state", "dir")
		name := (&Engine{StateDir: dir}).nicFile(res)
		if filepath.Dir(name) != dir || !strings.HasSuffix(name, ".nic") ||
			len(filepath.Base(name)) > 204 || strings.ContainsAny(filepath.Base(name),
			`\/:*?"<>|`) {
			t.Errorf("tag %q: file %q", tag, name)
		}
	})
}

// A journal that is accepted belongs to this rejoin, and the rejoin can go on
// with it: what is done stays done, and is written and read unchanged. If a
// journal is refused, the error tells which rejoin it belongs to, or that this
// is not known.
func FuzzJournal(f *testing.F) {
	want := journal{System: "HERE", Gone: "GONE", Volumes: []string{"E", "F"},
		path: "rejoin-gone.json"}
	encode := func(j journal) []byte {
		data, err := json.MarshalIndent(j, "", "  ")
		if err != nil {
			f.Fatal(err)
		}
		return append(data, '\n')
	}
	whole := want
	whole.Format, whole.Started, whole.Done = journalFormat, time.Unix(1780000000, 0).UTC(),
		[]journalEntry{}
	f.Add(encode(whole))
	for _, step := range []string{"one", "two"} {
		whole.Done = append(whole.Done, journalEntry{step, whole.Started.Add(time.Minute), ""})
		f.Add(encode(whole))
	}
	f.Add(encode(whole)[:100])
	other := whole
	other.Gone, other.AllResources = "X\x1b[2J\n", true
	f.Add(encode(other))
	other = whole
	other.Format = 3
	f.Add(encode(other))
	for _, s := range []string{"", "null", "{}", "[]",
		`{"format":1,"system":"here","gone":"gone","volumes":["E","F"],"done":[null,{"step":"one"}]}`,
		`{"format":1,"system":"HERE","gone":"GONE","volumes":["E","F"],"started":"9999-12-31T23:59:59+23:59","done":null}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		j, err := decodeJournal(data, want)
		if err != nil {
			if j != nil || err.Error() == "" || !strings.Contains(err.Error(), want.path) {
				t.Errorf("%+v, %v", j, err)
			}
			return
		}
		if j.Format != journalFormat || !j.old || j.path != want.path ||
			!strings.EqualFold(j.System, want.System) ||
			!strings.EqualFold(j.Gone, want.Gone) || !slices.Equal(j.Volumes, want.Volumes) ||
			j.AllResources {
			t.Errorf("taken: %+v", j)
		}
		before := len(j.Done)
		j.Done = append(j.Done, journalEntry{"a step", whole.Started, ""})
		written, err := json.MarshalIndent(j, "", "  ")
		if err != nil {
			t.Fatalf("it cannot be gone on with: %v", err)
		}
		again, err := decodeJournal(written, want)
		if err != nil {
			t.Fatalf("written %s: %v", written, err)
		}
		if len(again.Done) != before+1 {
			t.Errorf("%d steps of %d", len(again.Done), before+1)
		}
		for i, e := range j.Done {
			if again.Done[i].Step != e.Step || !again.Done[i].At.Equal(e.At) {
				t.Errorf("step %d is %+v, was %+v", i, again.Done[i], e)
			}
			if _, ok := again.done(e.Step); !ok && e.Skipped == "" {
				t.Errorf("%q is not done any more", e.Step)
			}
		}
	})
}

// A template is split into words before variables are filled in, and only known
// variables and places are accepted.
func FuzzTemplate(f *testing.F) {
	for _, t := range templates {
		f.Add(t.Command)
	}
	for _, s := range []string{"", "cmd", `%LKBIN%\`, `%LKBIN%\..\x.exe`,
		`%lkbin%/x.exe "a b" $PEER`, `%LKBIN%\x.exe $FOO`, `%LKBIN%\x.exe "a`, `%LKBIN%\x.exe ${`,
		"%LKBIN%\\x.exe $"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		oneLine(line)
		place, name, args, err := parseTemplate(line)
		if err != nil {
			return
		}
		if place < System32 || place > API || name == "" || strings.Contains(name, "..") &&
			slices.Contains(strings.Split(name, "/"), "..") {
			t.Errorf("%d %q", place, name)
		}
		for _, a := range args {
			expand(a, map[string]string{"PEER": "two words"})
		}
	})
}
