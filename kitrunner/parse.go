package kitrunner

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// The outputs of commands are read by structure, never by words: Windows is
// localised. Every function here tells by its second result whether it found
// the structure at all; without it nothing is known.

var (
	nbtName = regexp.MustCompile(`(?m)^[ \t]*(\S.{0,14}?)[ \t]*<[0-9A-Fa-f]{2}>`)
	// "Node IpAddress: [192.168.0.1] Scope Id: []", in every language.
	nbtAdapter = regexp.MustCompile(`(?m)\[\d{1,3}(?:\.\d{1,3}){3}\][^\[\n]*\[[^\]\n]*\]`)
)

// parseNames reads the NAME<hh> entries of nbtstat -n. No name at all is
// understood only next to the line of an adapter.
func parseNames(output string) (names []string, understood bool) {
	for _, m := range nbtName.FindAllStringSubmatch(output, -1) {
		names = append(names, m[1])
	}
	return names, len(names) > 0 || nbtAdapter.MatchString(output)
}

// sameNetBIOSName compares exactly, but for case, on the 15 characters that a
// NetBIOS name has.
func sameNetBIOSName(a, b string) bool {
	return strings.EqualFold(netBIOSName(a), netBIOSName(b))
}

func netBIOSName(s string) string {
	r := []rune(strings.TrimSpace(s))
	return string(r[:min(len(r), 15)])
}

// The states of a service (SERVICE_STATUS).
const (
	serviceStopped     = 1
	serviceStopPending = 3
	serviceRunning     = 4
)

// The line of the state, "STATE : 4  RUNNING": sc does not translate the constant after the number.
var scState = regexp.MustCompile(`(?m)^[ \t]*[^:\r\n]+:[ \t]*([1-7])[ \t]+(?:STOPPED|START_PENDING|STOP_PENDING|RUNNING|CONTINUE_PENDING|PAUSE_PENDING|PAUSED)\b`)

var scStateKey = regexp.MustCompile(`(?mi)^[ \t]*STATE[ \t]*:[ \t]*([1-7])\b`)

// parseState reads the service's state from sc query.
func parseState(output string) (state int, understood bool) {
	for _, re := range []*regexp.Regexp{scStateKey, scState} {
		if m := re.FindStringSubmatch(output); m != nil {
			state, _ = strconv.Atoi(m[1])
			return state, true
		}
	}
	return 0, false
}

// The roles and states in a line of GETMIRRORVOLINFO.
const (
	roleSource = 1
	roleTarget = 2

	mirroring = 1
)

// mirror is one line of EMCMD GETMIRRORVOLINFO: "E: 1 SOURCE 172.17.103.134 1".
type mirror struct {
	Role  int
	State int // -1 invalid, 0 none, 1 mirroring, 2 resynchronising, 3 broken, 4 paused, 5 resync pending
}

// parseMirrors reads the lines for a volume, one for each target. Lines that
// contradict each other in the role are not understood.
func parseMirrors(output, volume string) (mirrors []mirror, understood bool) {
	for line := range strings.Lines(output) {
		f := strings.Fields(line)
		if len(f) < 2 || !strings.EqualFold(strings.TrimSuffix(f[0], ":"), volume) {
			continue
		}
		role, err := strconv.Atoi(f[1])
		if err != nil {
			continue
		}
		m := mirror{Role: role, State: noState}
		if s, err := strconv.Atoi(f[len(f)-1]); err == nil && len(f) == 5 {
			m.State = s
		}
		mirrors = append(mirrors, m)
	}
	for _, m := range mirrors {
		if m.Role != mirrors[0].Role {
			return nil, false
		}
	}
	return mirrors, len(mirrors) > 0
}

// noState is the state of a line that shows none.
const noState = -2

var emcmdStatus = regexp.MustCompile(`(?mi)^[ \t]*Status[ \t]*=[ \t]*(-?\d+)`)

// parseStatus reads EMCMD's generic reply "Status = N".
func parseStatus(output string) (status int, understood bool) {
	m := emcmdStatus.FindStringSubmatch(output)
	if m == nil {
		return 0, false
	}
	status, err := strconv.Atoi(m[1])
	return status, err == nil
}

var guidText = regexp.MustCompile(`\{?[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}\}?`)

// canonicalGUID is a GUID in capitals and braces.
func canonicalGUID(s string) string {
	return "{" + strings.ToUpper(strings.Trim(s, "{}")) + "}"
}

var (
	ipText      = regexp.MustCompile(`\d{1,3}(?:\.\d{1,3}){3}`)
	contextText = regexp.MustCompile(`(?i)context[ \t]*[=:]?[ \t]*(0x[0-9a-f]+|\d+)\b`)
)

// listedAddress is one address in the output of ips_ipchange -l.
type listedAddress struct {
	GUID    string
	IP      netip.Addr
	Context string // "" when none is shown
}

// parseAddresses reads ips_ipchange -l: an address belongs to the GUID on its
// line, or else to the last one above. A context counts only where it is
// called one and stands on the address's own line, since deleting by a wrong
// one would remove a wrong address.
func parseAddresses(output string) (addresses []listedAddress, understood bool) {
	guid := ""
	for line := range strings.Lines(output) {
		if g := guidText.FindString(line); g != "" {
			guid, understood = canonicalGUID(g), true
			line = guidText.ReplaceAllString(line, " ")
		}
		// The first of a line is the address, the next its mask.
		ip, err := netip.ParseAddr(ipText.FindString(line))
		if err != nil || guid == "" {
			continue
		}
		a := listedAddress{GUID: guid, IP: ip}
		if m := contextText.FindStringSubmatch(line); m != nil {
			a.Context = m[1]
		}
		addresses = append(addresses, a)
	}
	return addresses, understood
}

var (
	pingTTL  = regexp.MustCompile(`(?i)\bTTL[=:]\s*\d+`)
	pingLoss = regexp.MustCompile(`\(\s*\d{1,3}\s*%`)
)

// parsePing tells whether a host answered ping -4. "Unreachable" from a router
// has no TTL and is no answer.
func parsePing(output string) (answered, understood bool) {
	answered = pingTTL.MatchString(output)
	return answered, answered || pingLoss.MatchString(output)
}

var nicStatus = regexp.MustCompile(`(?mi)^[ \t]*(?:NetConnectionStatus[ \t]*[=:][ \t]*)?(\d{1,2})[ \t\r]*$`)

// parseNIC reads a NetConnectionStatus (Win32_NetworkAdapter): 2 is
// connected, 7 is media disconnected, all else says nothing of the cable.
func parseNIC(output string) Cable {
	m := nicStatus.FindAllStringSubmatch(output, -1)
	if len(m) != 1 {
		return CableUnknown
	}
	switch m[0][1] {
	case "2":
		return CableConnected
	case "7":
		return CableDisconnected
	}
	return CableUnknown
}

// instanceStates are the states of a resource in ins_list.
var instanceStates = map[string]bool{"ISP": true, "ISU": true, "ISS": true, "OSU": true, "OSF": true, "ILLSTATE": true}

// parseInstance reads the state of the resource with this tag from ins_list,
// whose fields are separated by ^A, blanks or another sign that was asked for.
func parseInstance(output, tag string) (state string, understood bool) {
	for line := range strings.Lines(output) {
		rest, found := cutField(line, tag)
		if !found {
			continue
		}
		for _, f := range strings.FieldsFunc(rest, isSeparator) {
			if instanceStates[f] {
				if state != "" && state != f {
					return "", false
				}
				state = f
				break
			}
		}
	}
	return state, state != ""
}

func isSeparator(c rune) bool { return c <= ' ' || c == ';' || c == '|' || c == ',' }

// cutField finds a whole field and returns what follows it.
func cutField(line, field string) (rest string, found bool) {
	for at := 0; field != ""; {
		i := strings.Index(line[at:], field)
		if i < 0 {
			break
		}
		i += at
		after := line[i+len(field):]
		if (i == 0 || isSeparator(rune(line[i-1]))) && (after == "" || isSeparator(rune(after[0]))) {
			return after, true
		}
		at = i + 1
	}
	return "", false
}

// namesDrive tells whether the output names a drive, "E:", in either case.
func namesDrive(output, letter string) bool {
	before := rune(' ')
	for i, c := range output {
		if strings.EqualFold(string(c), letter) && strings.HasPrefix(output[i+len(string(c)):], ":") && !unicode.IsLetter(before) {
			return true
		}
		before = c
	}
	return false
}

var (
	// vssadmin's first line, in every language.
	vssBanner  = regexp.MustCompile(`(?mi)^\x{FEFF}?vssadmin \d+\.\d+`)
	vssVolume  = regexp.MustCompile(`\\\\\?\\Volume\{`)
	vssShadow  = regexp.MustCompile(`\\\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopy\d+`)
	volumeName = regexp.MustCompile(`\\\\\?\\Volume(\{[0-9A-Fa-f-]{36}\})\\`)
)

// parseShadows tells whether vssadmin list shadowstorage or list shadows has
// listed something: both name it by a path that no language changes.
func parseShadows(output string) (listed, understood bool) {
	listed = vssVolume.MatchString(output) || vssShadow.MatchString(output)
	return listed, listed || vssBanner.MatchString(output)
}

// parseVolumeGUID reads the GUID of a volume from mountvol E: /L.
func parseVolumeGUID(output string) (guid string, understood bool) {
	m := volumeName.FindStringSubmatch(output)
	if m == nil {
		return "", false
	}
	return m[1], true
}
