// Package parse reads the output of the commands that the kits and rejoin run:
// those of Windows, of LifeKeeper and of DataKeeper. It runs nothing and
// reads no file.
//
// Windows is localised, so output is read by its structure, never by its words.
// What does not have the expected structure is not understood, and tells
// nothing: an empty result then means "unknown", not "none". The functions say
// so by their last result, a bool or an error.
package parse

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

var (
	nbtName = regexp.MustCompile(`(?m)^[ \t]*(\S.{0,14}?)[ \t]*<[0-9A-Fa-f]{2}>`)
	// "Node IpAddress: [192.168.0.1] Scope Id: []", in every language.
	nbtAdapter = regexp.MustCompile(`(?m)\[\d{1,3}(?:\.\d{1,3}){3}\][^\[\n]*\[[^\]\n]*\]`)
)

// NetBIOSNames reads the NAME<hh> entries of nbtstat -n. A list without names
// is understood only if it has the line of an adapter.
func NetBIOSNames(output string) (names []string, understood bool) {
	for _, m := range nbtName.FindAllStringSubmatch(output, -1) {
		names = append(names, m[1])
	}
	return names, len(names) > 0 || nbtAdapter.MatchString(output)
}

// SameNetBIOSName compares two names as NetBIOS does: in any case, and only the
// part that a NetBIOS name can hold.
func SameNetBIOSName(a, b string) bool {
	return strings.EqualFold(netBIOSName(a), netBIOSName(b))
}

// MayBeNetBIOSName tells whether a name of which a part could not be decoded may
// be the other name: they are the same up to there, where the other has a
// character that is not ASCII. The code page's own sign for such a part, as
// MultiByteToWideChar puts it in, is "?", or "・" in code page 932.
func MayBeNetBIOSName(undecoded, name string) bool {
	i := strings.IndexAny(undecoded, "\ufffd?・")
	return i >= 0 && len(name) > i && strings.EqualFold(undecoded[:i], name[:i]) &&
		name[i] >= utf8.RuneSelf
}

// netBIOSName cuts a name to 15 bytes in the system's OEM code page, where a
// Japanese character takes two. Half a character is left out.
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

// isWide tells whether a character takes two bytes in the code pages of East
// Asia.
func isWide(c rune) bool {
	return unicode.In(c, unicode.Han, unicode.Hangul) ||
		c >= 0x3000 && c <= 0x30ff || c >= 0xff01 && c <= 0xff60
}

// The states of a service that matter here (SERVICE_STATUS).
const (
	ServiceStopped     = 1
	ServiceStopPending = 3
	ServiceRunning     = 4
)

// The line of the state is "STATE : 4  RUNNING". Its first word may be
// translated; if it is, sc still prints the constant after the number.
var (
	scStateKey = regexp.MustCompile(`(?mi)^[ \t]*STATE[ \t]*:[ \t]*([1-7])\b`)
	scState    = regexp.MustCompile(`(?m)^[ \t]*[^:\r\n]+:[ \t]*([1-7])[ \t]+` +
		`(?:STOPPED|START_PENDING|STOP_PENDING|RUNNING|CONTINUE_PENDING|PAUSE_PENDING|PAUSED)\b`)
)

// ServiceState reads a service's state, 1 to 7, from sc query.
func ServiceState(output string) (state int, understood bool) {
	for _, re := range []*regexp.Regexp{scStateKey, scState} {
		if m := re.FindStringSubmatch(output); m != nil {
			state, _ = strconv.Atoi(m[1])
			return state, true
		}
	}
	return 0, false
}

var (
	pingTTL = regexp.MustCompile(`(?i)\bTTL[=:]\s*\d+`)
	// "(0% loss)", "(perte 0%)"
	pingLoss = regexp.MustCompile(`\([^()\r\n]*(?:\d\s*%|%\s*\d)`)
)

// Ping tells whether a host answered ping -4. A router's "unreachable" has no
// TTL and is no answer.
func Ping(output string) (answered, understood bool) {
	answered = pingTTL.MatchString(output)
	return answered, answered || pingLoss.MatchString(output)
}

// The values of NetConnectionStatus (Win32_NetworkAdapter) that tell the state
// of the cable. All others, such as 0 for a disabled adapter, do not.
const (
	NICConnected    = 2
	NICDisconnected = 7 // media disconnected
)

var nicStatus = regexp.MustCompile(
	`(?mi)^[ \t]*(?:NetConnectionStatus[ \t]*[=:][ \t]*)?(\d{1,2})[ \t\r]*$`)

// NICStatus reads a NetConnectionStatus, from 0 to 99. Two of them are not
// understood.
func NICStatus(output string) (status int, understood bool) {
	m := nicStatus.FindAllStringSubmatch(output, -1)
	if len(m) != 1 {
		return 0, false
	}
	status, _ = strconv.Atoi(m[0][1])
	return status, true
}

var guidText = regexp.MustCompile(
	`\{?[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}\}?`)

// CanonicalGUID returns a GUID in capitals and in braces.
func CanonicalGUID(s string) string {
	return "{" + strings.ToUpper(strings.Trim(s, "{}")) + "}"
}

var (
	// vssadmin's first two lines, in every language.
	vssBanner = regexp.MustCompile(
		`(?i)^\x{FEFF}?\s*vssadmin \d+\.\d+[^\n]*\n[^\n]*Microsoft[^\n]*\n`)
	vssVolume  = regexp.MustCompile(`\\\\\?\\Volume\{`)
	vssShadow  = regexp.MustCompile(`\\\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopy\d+`)
	volumeName = regexp.MustCompile(`\\\\\?\\Volume(\{[0-9A-Fa-f-]{36}\})\\`)
)

// Shadows tells whether vssadmin list shadowstorage or list shadows listed
// something: both name it by a path, which is never translated. If they find
// nothing they say so in a sentence ("No items found that satisfy the query.").
// An error begins with a word and a colon ("Error: ...", "エラー: ...") and is
// not understood: a user who may not ask must not be told that there are none.
func Shadows(output string) (listed, understood bool) {
	if vssVolume.MatchString(output) || vssShadow.MatchString(output) {
		return true, true
	}
	banner := vssBanner.FindString(output)
	said := strings.TrimSpace(output[len(banner):])
	return false, banner != "" && said != "" && !strings.ContainsAny(said, ":：")
}

// VolumeGUID reads the GUID of a volume, in braces, from mountvol E: /L.
func VolumeGUID(output string) (guid string, understood bool) {
	m := volumeName.FindStringSubmatch(output)
	if m == nil {
		return "", false
	}
	return m[1], true
}
