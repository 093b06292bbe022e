package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/nfsprobe/nfstest"
	"fsmon/smbprobe/smbtest"
)

// pair is a lab seen with either command: one registry.
func pair(t *testing.T, network *nfstest.Lab) (nfs, samba *cmdtest.Lab) {
	nfs = newLab(t, network)
	other := *nfs
	other.Command, other.Exec = cmdtest.Program("clp_sambamon"), nil
	return nfs, &other
}

// An identifier belongs to one watch of either command, which a second start
// does not disturb. The verbs of one command work on a watch of the other,
// since it is the identifier that names a watch.
func TestIdentifierOfBothCommands(t *testing.T) {
	t.Parallel()
	network := nfstest.New(t, nfstest.Config{Empty: true})
	h := hostile(t, network)
	smbd := smbtest.Samba(t, smbtest.Config{})
	nfsArgs := []string{"-a", h.Address, "-d", "/export", "-i", "1"}
	smbArgs := []string{"-a", smbd.Address, "--port", fmt.Sprint(smbd.Port), "-s", "share", "-i", "1"}
	for name, c := range map[string]struct {
		nfsFirst bool
		numbers  []int
		said     string
	}{
		"clp_sambamon against a watch of clp_nfsmon": {true, []int{1, 2, 111}, "clp_sambamon w -stop"},
		"clp_nfsmon against a watch of clp_sambamon": {false, []int{1, 2}, "clp_nfsmon w -stop"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mine, other := pair(t, network)
			mineArgs, otherArgs := nfsArgs, smbArgs
			if !c.nfsFirst {
				mine, other = other, mine
				mineArgs, otherArgs = smbArgs, nfsArgs
			}
			w := mine.Watch(mineArgs...)
			mine.Healthy()
			second := other.Watch(otherArgs...)
			second.Exits(3)
			second.Told("in-use line")
			if text := second.Last(cmdtest.InUse).Text; text != "The specified monitor id is already under use in other processes." {
				t.Error(text)
			}
			if text := second.Last(cmdtest.Plain).Text; !strings.Contains(text, fmt.Sprintf(`identifier "w" is in use by process %d `, w.PID)) || !strings.Contains(text, c.said) {
				t.Error(text)
			}
			if st := mine.Healthy(); st.PID != w.PID {
				t.Errorf("the status is now %+v", st)
			}
			w.Want(c.numbers...)

			disp := other.Verb("-disp")
			disp.Exits(0)
			if !strings.HasPrefix(disp.Output(), fmt.Sprintf("pid           %d\n", w.PID)) || !strings.Contains(disp.Output(), "("+filepath.Base(mine.Command)+" ") {
				t.Errorf("%s%s", disp.Output(), disp.Errors())
			}
			del := other.Verb("-del")
			del.Exits(1)
			if !strings.Contains(del.Errors(), "is alive") {
				t.Error(del.Errors())
			}
			other.Silent("-pause")
			w.Message(cmdtest.Paused)
			other.Silent("-continue")
			w.Message(cmdtest.Continued)
			mine.Healthy()
			other.Silent("-stop")
			w.Exits(0)
			w.Want(append(c.numbers, 7, 8, 3)...)
		})
	}
}

// Both commands list the watches of both.
func TestListOfBothKinds(t *testing.T) {
	t.Parallel()
	network := nfstest.New(t, nfstest.Config{Empty: true})
	h := hostile(t, network)
	smbd := smbtest.Samba(t, smbtest.Config{})
	nfs, samba := pair(t, network)
	nfs.ID, samba.ID, samba.Log = "nfswatch", "sambawatch", filepath.Join(filepath.Dir(samba.Log), "samba.log")
	n := nfs.Watch("-a", h.Address, "-d", "/export", "-i", "1")
	s := samba.Watch("-a", smbd.Address, "--port", fmt.Sprint(smbd.Port), "-s", "share", "-i", "1")
	nfs.Healthy()
	samba.Healthy()
	gaps := regexp.MustCompile(`  +`)
	for _, l := range []*cmdtest.Lab{nfs, samba} {
		p := l.Run("-list")
		p.Exits(0)
		got := gaps.ReplaceAllString(p.Output(), "|")
		want := fmt.Sprintf(`^IDENTIFIER\|KIND\|TARGET\|STATE\|LAST PROBE\|FAILED\|PID
nfswatch\|nfs\|%s:/export\|healthy since [^|]*\|\d+ s ago\|0/6\|%d
sambawatch\|samba\|//%s/share\|healthy since [^|]*\|\d+ s ago\|0/6\|%d
$`, regexp.QuoteMeta(h.Address), n.PID, regexp.QuoteMeta(smbd.Addr()), s.PID)
		if !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("%s%s", p.Output(), p.Errors())
		}
		j := l.Run("-list", "--json")
		j.Exits(0)
		var all []struct{ ID, Kind, Note string }
		if err := json.Unmarshal([]byte(j.Output()), &all); err != nil || len(all) != 2 || all[0].Kind != "nfs" || all[0].Note != "NFS version 3" || all[1].Kind != "samba" {
			t.Errorf("%v: %s", err, j.Output())
		}
	}
	for l, w := range map[*cmdtest.Lab]*cmdtest.Process{nfs: n, samba: s} {
		l.Silent("-stop")
		w.Exits(0)
	}
}
