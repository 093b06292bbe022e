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

// sameNetBIOSName compares exactly, but for case, on what a NetBIOS name holds
// of a longer one.
func sameNetBIOSName(a, b string) bool {
	return strings.EqualFold(netBIOSName(a), netBIOSName(b))
}

// netBIOSName is what becomes of a name: 15 bytes in the system's OEM code
// page, where a Japanese character takes two. A half one is not shown as one.
func netBIOSName(s string) string {
	s = strings.TrimRight(strings.TrimSpace(s), "\ufffd")
	bytes := 0
	for i, c := range s {
		bytes++
		if isWide(c) {
			bytes++
		}
		if bytes > 15 {
			return s[:i]
		}
	}
	return s
}

// isWide tells whether a character takes two bytes in the code pages of East Asia.
func isWide(c rune) bool {
	return unicode.In(c, unicode.Han, unicode.Hangul) || c >= 0x3000 && c <= 0x30ff || c >= 0xff01 && c <= 0xff60
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

// mirror is one line of EMCMD GETMIRRORVOLINFO: "E: 1 SOURCE 172.17.103.134 1",
// the volume, its role, the source system, the target's address, the state.
type mirror struct {
	Role  int
	State int // from -1 to 5: invalid, none, mirroring, resynchronising, broken, paused, resync pending
}

// The first and the last state there is.
const stateInvalid, stateResyncPending = -1, 5

// parseMirrors reads the lines for a volume, one for each target. A volume is
// switched over and locked on the word of these lines: one that is not made
// like that, or that contradicts another in the role, is not understood.
func parseMirrors(output, volume string) (mirrors []mirror, understood bool) {
	for line := range strings.Lines(output) {
		f := strings.Fields(line)
		if len(f) == 0 || !strings.EqualFold(strings.TrimSuffix(f[0], ":"), volume) {
			continue
		}
		if len(f) != 5 {
			return nil, false
		}
		role, err1 := strconv.Atoi(f[1])
		state, err2 := strconv.Atoi(f[4])
		if err1 != nil || err2 != nil || state < stateInvalid || state > stateResyncPending ||
			len(mirrors) > 0 && role != mirrors[0].Role {
			return nil, false
		}
		mirrors = append(mirrors, mirror{role, state})
	}
	return mirrors, len(mirrors) > 0
}

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
	ipText      = regexp.MustCompile(`\b\d{1,3}(?:\.\d{1,3}){3}\b`)
	contextText = regexp.MustCompile(`(?i)context[ \t]*[=:]?[ \t]*(0x[0-9a-f]+|\d+)\b`)
)

// listedAddress is one address in the output of ips_ipchange -l.
type listedAddress struct {
	GUID    string
	IP      netip.Addr
	Context string // "" when none is shown
}

// parseAddresses reads ips_ipchange -l, whose layout no document shows: an
// address belongs to the GUID on its line, or else to the last one above. One
// above every GUID shows another layout, in which all would be told to be on
// wrong adapters: it is not understood. A context counts only where it is
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
		if err != nil {
			continue
		}
		if guid == "" {
			return nil, false
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
	pingLoss = regexp.MustCompile(`\([^()\r\n]*(?:\d\s*%|%\s*\d)`) // "(0% loss)", "(perte 0%)"
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
	// vssadmin's first two lines, in every language.
	vssBanner  = regexp.MustCompile(`(?i)^\x{FEFF}?\s*vssadmin \d+\.\d+[^\n]*\n[^\n]*Microsoft[^\n]*\n`)
	vssVolume  = regexp.MustCompile(`\\\\\?\\Volume\{`)
	vssShadow  = regexp.MustCompile(`\\\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopy\d+`)
	volumeName = regexp.MustCompile(`\\\\\?\\Volume(\{[0-9A-Fa-f-]{36}\})\\`)
)

// parseShadows tells whether vssadmin list shadowstorage or list shadows has
// listed something: both name it by a path that no language changes. When they
// find nothing they say so in a sentence ("No items found that satisfy the
// query."); an error starts with its word and a colon ("Error: ...", "エラー: ..."),
// and who may not ask would else be told that there are no shadow copies.
func parseShadows(output string) (listed, understood bool) {
	if vssVolume.MatchString(output) || vssShadow.MatchString(output) {
		return true, true
	}
	banner := vssBanner.FindString(output)
	said := strings.TrimSpace(output[len(banner):])
	return false, banner != "" && said != "" && !strings.ContainsAny(said, ":：")
}

// parseVolumeGUID reads the GUID of a volume from mountvol E: /L.
func parseVolumeGUID(output string) (guid string, understood bool) {
	m := volumeName.FindStringSubmatch(output)
	if m == nil {
		return "", false
	}
	return m[1], true
}
