package kitrunner

import (
	"fmt"
	"strconv"

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

// readMirror reads GETMIRRORVOLINFO and keeps it for the next steps.
func readMirror(r *run, res Result) answer {
	if readEmcmd(r, res) == failed {
		return failed
	}
	mirrors, understood := parse.Mirrors(res.Output, r.res.Volume)
	if !understood {
		return unknown
	}
	r.vars["ROLE"], r.vars["EMOUT"] = strconv.Itoa(mirrors[0].Role), oneLine(res.Output)
	r.vars["MIRRORS"] = ""
	for _, m := range mirrors {
		switch mirroring := map[bool]string{true: "yes", false: "no"}[m.State == parse.Mirroring]; {
		case r.vars["MIRRORS"] == "":
			r.vars["MIRRORS"] = mirroring
		case r.vars["MIRRORS"] != mirroring:
			r.vars["MIRRORS"] = "differ"
		}
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

// readPeerState compares the state of the peer's resource with the mirror's,
// and sets $STATE to the one that it should have. If there are several targets
// nobody knows which one is the peer, so they must agree.
func readPeerState(r *run, res Result) answer {
	if r.vars["MIRRORS"] == "differ" {
		r.why = "the volume has several targets, in different states"
		return unknown
	}
	state, understood := parse.InstanceState(res.Output, r.res.Tag)
	if !understood || res.Code != 0 {
		return unknown
	}
	if r.vars["MIRRORS"] == "yes" {
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
		return peerTarget
	}
	r.why = fmt.Sprintf("the peer's role is %d", mirrors[0].Role)
	return unknown
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

func readVolumeGUID(r *run, res Result) answer {
	guid, understood := parse.VolumeGUID(res.Output)
	if !understood {
		return unknown
	}
	r.vars["VOLUMEGUID"] = guid
	return ok
}
