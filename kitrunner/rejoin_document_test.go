package kitrunner

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The sentences of REJOIN, in order, counted as the document has its points
// (a and b are its own letters), and what covers each: a line of a golden file.
// What the document only explains is covered where the explanation matters.
var rejoinSentences = []struct{ no, sentence, golden, line string }{
	{"0", "the system was reinstalled with all patches, then the clean-up", "run",
		"which has its operating system, LifeKeeper and all patches again"},
	{"1", "on each server with hierarchies, list all shared equivalencies with eqv_list", "run",
		`%LKBIN%\eqv_list.exe -f;: exit code 0: LK1-BENHOGAN2K8 of BENHOGAN2008 with LK1-BENHOGAN2K8 of GPLAYER2008; Vol.E`},
	{"1", "on each server", "run", "Run the same on SNEAD2008"},
	{"2", "remove each resource's equivalency with eqv_remove", "run",
		`%LKBIN%\eqv_remove.exe -s BENHOGAN2008 -t LK1-BENHOGAN2K8 -S GPLAYER2008 -o LK1-BENHOGAN2K8 -e SHARED`},
	{"2", "-s this system, -t tag, -S the system that has gone, -o the other tag", "run",
		`%LKBIN%\eqv_remove.exe -s BENHOGAN2008 -t Vol.E -S GPLAYER2008 -o Vol.E -e SHARED`},
	{"3", "run eqv_list again: no shared equivalency is shown", "run",
		"rejoin (3) List them again: none must be left.\n    %LKBIN%\\eqv_list.exe -f;: exit code 0: none"},
	{"3", "and if one is", "equivalency-stays", "equivalencies still there: LK1-BENHOGAN2K8 of"},
	{"4", "clean the LKDRInfo file of every mirrored volume up", "run",
		`kitrunner itself: delete-file DIR/subsys/filesys/resources/volume/LKDRInfo.E: exit code 0`},
	{"4", "every", "run", `kitrunner itself: delete-file DIR/subsys/filesys/resources/volume/LKDRInfo.F: exit code 0`},
	{"5", "emcmd . getjobinfoforvol E shows the job", "run",
		`%ExtMirrBase%\EMCMD.exe . getjobinfoforvol E`},
	{"5", "delete the job from the registry (yes)", "run",
		`%SystemRoot%\System32\reg.exe delete HKLM\System\CurrentControlSet\Services\ExtMirr\Parameters\Jobs\e829700c-27b0-447f-b852-1a3135da31a7 /f`},
	{"5", "not with emcmd . deletejob, which wants all nodes", "third-system-in-the-job",
		"whose mirror would end with it"},
	{"5", "getjobinfoforvol shows nothing any more", "run",
		"rejoin (5E-3) Ask for the job again: none must be left.\n    %ExtMirrBase%\\EMCMD.exe . getjobinfoforvol E: exit code 0: none"},
	{"5", "emcmd . deletelocalmirroronly E: Status = 0", "run",
		`%ExtMirrBase%\EMCMD.exe . deletelocalmirroronly E`},
	{"5", "and if not 0", "mirror-stays", "Status = 5"},
	{"5", "emcmd . clearswitchover E: Status = 0", "run",
		`%ExtMirrBase%\EMCMD.exe . clearswitchover E`},
	{"5", "repeat for every mirrored volume", "run", `%ExtMirrBase%\EMCMD.exe . clearswitchover F`},
	{"5", "mirrors and jobs must be made anew when extending", "run",
		"this makes their mirrors and DataKeeper jobs anew"},
	{"6 a", "list all systems with sys_list", "run",
		"rejoin (6a) List the systems of the cluster.\n    %LKBIN%\\sys_list.exe: exit code 0: BENHOGAN2008, GPLAYER2008, SNEAD2008"},
	{"6 b", "remove the old system with sys_remove", "run",
		`%LKBIN%\sys_remove.exe -s GPLAYER2008`},
	{"6 b", "on all systems of the cluster", "run", "Run the same on SNEAD2008"},
	{"6 b", "on the local system: error 424", "", "TestRejoinRefusesArguments"},
	{"7 a", "see that communication paths exist: net_list", "run", `%LKBIN%\net_list.exe`},
	{"7 b", "remove them: net_remove", "run", `%LKBIN%\net_remove.exe -s GPLAYER2008`},
	{"8", "lcdsync writes the changes to the disk", "run", `%LKBIN%\lcdsync.exe`},
	{"8", "to remove all resources: ins_list", "run-all-resources", `%LKBIN%\ins_list.exe`},
	{"8", "then ins_remove for every instance", "run-all-resources",
		`%LKBIN%\ins_remove.exe -t LK1-BENHOGAN2K8`},
	{"9", "close the LifeKeeper GUI and start it again", "run", "(REJOIN 9)"},
	{"10 a", "connect to the reinstalled server; make communication paths again", "run", "10 a)"},
	{"10 b", "extend the hierarchies", "run", "(REJOIN 10 b)"},
	{"10 c", "add or extend mirror resources", "run", "10 c)"},
	{"10", "done: all resources are protected again", "run",
		"is in service and protected again (REJOIN 10)"},
}

func TestRejoinCoversTheDocument(t *testing.T) {
	source, err := os.ReadFile("rejoin_test.go")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, s := range rejoinSentences {
		seen[strings.Fields(s.no)[0]] = true
		text := string(source)
		if s.golden != "" {
			data, err := os.ReadFile(filepath.Join("testdata", "rejoin", s.golden+".txt"))
			if err != nil {
				t.Fatal(err)
			}
			text = string(data)
		}
		if !strings.Contains(text, s.line) {
			t.Errorf("REJOIN %s (%s): %q is not in %s", s.no, s.sentence, s.line, s.golden)
		}
	}
	var all strings.Builder
	files, err := filepath.Glob(filepath.Join("testdata", "rejoin", "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(data)
	}
	for _, e := range rejoinEvents {
		if !strings.Contains(all.String(), fmt.Sprintf("event %s %d ", e.Severity, e.Number)) {
			t.Errorf("no run logs %d %s", e.Number, e.Text)
		}
	}
	for _, no := range strings.Fields("0 1 2 3 4 5 6 7 8 9 10") {
		if !seen[no] {
			t.Errorf("REJOIN %s is not covered", no)
		}
	}
}
