package kitrunner

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"fsmon/kitrunner/parse"
)

// readEmcmd reads an EMCMD that changes something: the exit code, or, if that
// is 0, the "Status = N" that it printed.
func readEmcmd(r *run, res Result) answer {
	code := res.Code
	if status, understood := parse.Status(res.Output); code == 0 && understood {
		code = status
	}
	r.vars["STATUS"] = strconv.Itoa(code)
	if code != 0 {
		return failed
	}
	return ok
}

// readMirror reads GETMIRRORVOLINFO, and lists the mirror's targets. A single
// one is the peer.
func readMirror(r *run, res Result) answer {
	if readEmcmd(r, res) == failed {
		return failed
	}
	mirrors, understood := parse.Mirrors(res.Output, r.res.Volume)
	if !understood {
		return unknown
	}
	r.vars["ROLE"], r.vars["EMOUT"] = strconv.Itoa(mirrors[0].Role), oneLine(res.Output)
	r.rows[targets], r.rows[trueTargets] = nil, nil
	for _, m := range mirrors {
		peer := m.Target
		if len(mirrors) == 1 {
			peer = r.res.Peer
		}
		r.rows[targets] = append(r.rows[targets],
			row{"PEER": peer, "MIRROR_STATE": strconv.Itoa(m.State)})
	}
	return role(r)
}

// role is the role in the mirror's information.
func role(r *run) answer {
	switch r.vars["ROLE"] {
	case strconv.Itoa(parse.RoleSource):
		return isSource
	case strconv.Itoa(parse.RoleTarget):
		return isTarget
	}
	return otherRole
}

func several(r *run) answer {
	if len(r.rows[targets]) > 1 {
		return moreTargets
	}
	return oneTarget
}

// readTargets reads the names of several targets from the volume's DataKeeper
// job, which has them beside the addresses. One that it does not have keeps its
// address: EMCMD knows it by that, LifeKeeper does not.
func readTargets(r *run, res Result) answer {
	jobs, err := parse.Jobs(res.Output, r.res.Node, r.res.Volume)
	if err != nil || res.Code != 0 {
		return unknown
	}
	named := 0
	for _, target := range r.rows[targets] {
		for _, j := range jobs {
			for _, e := range j.Ends {
				if e.Address == target["PEER"] && !e.IsOf(r.res.Node) {
					target["PEER"], _, _ = strings.Cut(e.System, ".")
					named++
				}
			}
		}
	}
	return answer(fmt.Sprintf("it names %d of %d targets", named, len(r.rows[targets])))
}

// mirroring tells whether the mirror to the target of this row is mirroring.
func mirroring(target row) bool { return target["MIRROR_STATE"] == strconv.Itoa(parse.Mirroring) }

// readPeerState compares the state of the peer's resource with the mirror's,
// and sets $STATE to the one that it should have.
func readPeerState(r *run, res Result) answer {
	state, understood := parse.InstanceState(res.Output, r.res.Tag)
	if !understood || res.Code != 0 {
		return unknown
	}
	if mirroring(r.vars) {
		r.vars["STATE"] = "OSU"
		if state == "OSU" {
			return mirrorsOSU
		}
		return mirrorsNotOSU
	}
	r.vars["STATE"] = "OSF"
	if state == "OSF" {
		return brokenOSF
	}
	return brokenNotOSF
}

// readPeerRole reads the peer's GETMIRRORVOLINFO. Only a target may lose its
// shadow copies.
func readPeerRole(r *run, res Result) answer {
	if readEmcmd(r, res) == failed {
		return failed
	}
	mirrors, understood := parse.Mirrors(res.Output, r.res.Volume)
	if !understood {
		return unknown
	}
	switch mirrors[0].Role {
	case parse.RoleSource:
		return splitBrain
	case parse.RoleTarget:
		r.rows[trueTargets] = append(r.rows[trueTargets], row{"PEER": r.vars["PEER"]})
		return peerTarget
	}
	r.why = fmt.Sprintf("the peer's role is %d", mirrors[0].Role)
	return unknown
}

func isWhole(r *run) answer {
	if len(r.rows[targets]) != len(r.rows[trueTargets]) ||
		slices.ContainsFunc(r.rows[targets], func(t row) bool { return !mirroring(t) }) {
		return notWhole
	}
	return whole
}

// flagExists is flg_create's exit code for a flag that exists already.
const flagExists = 4

func readPeerFlag(r *run, res Result) answer {
	switch res.Code {
	case 0:
		return flagMade
	case flagExists:
		return flagStood
	}
	return failed
}

func readFlag(r *run, res Result) answer {
	r.vars["FLAG"] = strconv.Itoa(res.Code)
	return readPeerFlag(r, res)
}

func readFlagTest(r *run, res Result) answer {
	switch res.Code {
	case 0:
		return flagStood
	case lcdiNotThere:
		return noFlag
	}
	return unknown
}

func readFlagRemoved(r *run, res Result) answer {
	if res.Code == lcdiNotThere {
		return noFlag
	}
	return exitCode(r, res)
}

// split tells whether the split brain is new. As long as the flag exists no
// second trap is sent.
func split(r *run) answer {
	if r.vars["FLAG"] == strconv.Itoa(flagExists) {
		return splitStands
	}
	return splitIsNew
}

// readLocked reads volume -d, which lists the locked volumes. As in the
// document its exit code does not count: the write test of step (5) finds a
// lock that was overlooked.
func readLocked(r *run, res Result) answer {
	if parse.NamesDrive(res.Output, r.res.Volume) {
		return locked
	}
	return notLocked
}

// readShadows reads vssadmin list. Its exit codes are not documented; it ends
// with 0 or 1 if it finds nothing.
func readShadows(r *run, res Result) answer {
	listed, understood := parse.Shadows(res.Output)
	switch {
	case listed:
		return shadows
	case understood && (res.Code == 0 || res.Code == 1):
		return noShadows
	}
	return unknown
}

// noSuchService is ERROR_SERVICE_DOES_NOT_EXIST.
const noSuchService = 1060

func readLifeKeeper(r *run, res Result) answer {
	switch state, understood := parse.ServiceState(res.Output); {
	case understood && state == parse.ServiceStopPending:
		return stopping
	case understood || res.Code == noSuchService:
		return notStopping
	}
	return unknown
}

// fileNotFound is ERROR_FILE_NOT_FOUND, which is also in the low word of its
// HRESULT, 0x80070002.
const fileNotFound = 2

// readTask reads schtasks /Query /HRESULT. Without that switch it exits with 1
// for everything.
func readTask(r *run, res Result) answer {
	switch {
	case res.Code == 0:
		return ok
	case res.Code&0xffff == fileNotFound:
		return noTask
	}
	return unknown
}

func readVolumeGUID(r *run, res Result) answer {
	guid, understood := parse.VolumeGUID(res.Output)
	if !understood {
		return unknown
	}
	r.vars["VOLUMEGUID"] = guid
	return ok
}
