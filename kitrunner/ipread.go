package kitrunner

import (
	"maps"
	"net/netip"

	"fsmon/kitrunner/parse"
)

// readCable reads a NetConnectionStatus. A command that failed printed none.
func readCable(r *run, res Result) answer {
	if res.Code != 0 {
		return unknown
	}
	switch status, _ := parse.NICStatus(res.Output); status {
	case parse.NICConnected:
		return connected
	case parse.NICDisconnected:
		return disconnected
	}
	return unknown
}

// readList reads whether the address is on the adapter that is checked, on
// another one, or on none. It sets $CONTEXT, which names the address to
// ips_ipchange -d: the context if one is shown, or else the adapter's GUID, as
// documented. As in the document the exit code does not count.
func readList(r *run, res Result) answer {
	addresses, understood := parse.Addresses(res.Output)
	if !understood {
		return unknown
	}
	want, _ := netip.ParseAddr(r.res.ID)
	found := onNone
	for _, a := range addresses {
		if a.IP != want {
			continue
		}
		if found == onNone || a.GUID == parse.CanonicalGUID(r.vars["GUID"]) {
			r.vars["CONTEXT"] = a.Context
			if a.Context == "" {
				r.vars["CONTEXT"] = a.GUID
			}
			r.vars["FOUNDNIC"] = r.nicName(a.GUID)
		}
		if a.GUID == parse.CanonicalGUID(r.vars["GUID"]) {
			return onAdapter
		}
		found = onOther
	}
	if found == onNone && parse.Mentions(res.Output, want) {
		r.why = "the list names " + r.res.ID + " in a way that is not understood"
		return unknown
	}
	return found
}

// readUse is readList, and knows the configured primary adapter too if another
// one is stored.
func readUse(r *run, res Result) answer {
	a := readList(r, res)
	if a != onOther {
		return a
	}
	outer := r.vars
	r.vars = maps.Clone(outer)
	defer func() { r.vars = outer }()
	usePrimary(r.res, r.vars)
	if readList(r, res) == onAdapter {
		return onPrimaryNIC
	}
	return a
}

// nicName is the name of an adapter if the resource has one, or else its GUID.
func (r *run) nicName(guid string) string {
	switch guid {
	case parse.CanonicalGUID(r.res.GUID):
		return r.res.NIC
	case parse.CanonicalGUID(r.res.BackupGUID):
		return r.res.BackupNIC
	}
	return guid
}

// readAnswer reads whether SendARP had an answer.
func readAnswer(r *run, res Result) answer {
	if res.Code == 0 {
		return answered
	}
	return silent
}

func readPing(r *run, res Result) answer {
	switch yes, understood := parse.Ping(res.Output); {
	case !understood:
		return unknown
	case yes:
		return answered
	}
	return silent
}

func localRecovery(r *run) answer {
	if r.res.LocalRecovery {
		return localOn
	}
	return localOff
}

// attempts tells whether the restore is here for the first time, and counts.
func attempts(r *run) answer {
	if r.vars["RETRIED"] != "" {
		return secondTime
	}
	r.vars["RETRIED"] = "yes"
	return firstTime
}

// usePrimary, useBackup and useOther set $GUID and $NIC to an adapter. If there
// is no backup adapter they keep the primary one.
func usePrimary(res Resource, vars map[string]string) {
	if res.GUID != "" {
		vars["GUID"], vars["NIC"] = res.GUID, res.NIC
	}
}

func useBackup(res Resource, vars map[string]string) {
	if res.BackupGUID != "" {
		vars["GUID"], vars["NIC"] = res.BackupGUID, res.BackupNIC
	}
}

func useOther(res Resource, vars map[string]string) {
	if parse.CanonicalGUID(vars["GUID"]) == parse.CanonicalGUID(res.GUID) {
		useBackup(res, vars)
	} else {
		usePrimary(res, vars)
	}
}
