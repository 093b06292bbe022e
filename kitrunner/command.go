package kitrunner

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

// kind tells which deadline a command has.
type kind int

const (
	queries kind = iota
	changes
	switchover
	lockVolume
	deleteShadows
)

// Deadlines are the times after which a command is ended.
type Deadlines struct {
	Query  time.Duration
	Change time.Duration
	// Ending these half-way would be worse than waiting.
	Switchover    time.Duration // EMCMD SWITCHOVERVOLUME
	Lock          time.Duration // EMCMD LOCKVOLUME
	DeleteShadows time.Duration // vssadmin delete shadows
}

// DefaultDeadlines are 30 s for commands that ask and 300 s for those that
// change something.
func DefaultDeadlines() Deadlines {
	const change = 300 * time.Second
	return Deadlines{Query: 30 * time.Second, Change: change, Switchover: change, Lock: change,
		DeleteShadows: change}
}

func (d Deadlines) of(k kind) time.Duration {
	return [...]time.Duration{d.Query, d.Change, d.Switchover, d.Lock, d.DeleteShadows}[k]
}

// cmd is a command in a kit: a Command with variables in its arguments, or the
// name of a template that the user may set.
type cmd struct {
	kind     kind
	place    Place
	name     string
	args     []string
	template string
	native   *cmd // what the place API has for it, see Engine.Native
}

func query(p Place, name string, args ...string) cmd {
	return cmd{kind: queries, place: p, name: name, args: args}
}

func change(p Place, name string, args ...string) cmd {
	return cmd{kind: changes, place: p, name: name, args: args}
}

// within gives a command a deadline of its own.
func (c cmd) within(k kind) cmd { c.kind = k; return c }

// orNative declares what the place API has for a command.
func (c cmd) orNative(name string, args ...string) cmd {
	c.native = &cmd{kind: c.kind, place: API, name: name, args: args}
	return c
}

// templated is a command that the user may set, see Templates.
func templated(k kind, name string) cmd { return cmd{kind: k, template: name} }

// Template is a command that the documents do not give and the user may set.
type Template struct {
	Name    string // the option is --NAME-command
	Command string
	Text    string // what it does, for people
}

// Templates lists the commands that the user may set. A command is one line:
// %LKBIN%\, %LKROOT%\, %ExtMirrBase%\ or %SystemRoot%\System32\ and the file's
// name, then its arguments, split at blanks outside double quotes; variables
// ($PEER) are filled in after that, so that a value is never split.
func Templates() []Template { return slices.Clone(templates) }

var templates = []Template{
	{"nic-state", `%API%\cable $GUID`,
		"ip: prints the NetConnectionStatus of this node's adapter (2 connected, 7 " +
			"cable disconnected)"},
	{"peer-nic-state",
		`%LKBIN%\lcdremexec.exe -d $PEER -- powershell.exe -NoProfile -Command "(Get-CimInstance Win32_NetworkAdapter | Where-Object NetConnectionID -eq '$NIC').NetConnectionStatus"`,
		"ip: the same of the standby node's"},
	// ins_setstate is LifeKeeper for Linux. SIOS's manual page, LCDI-instances,
	// has no OSF among its states.
	{"set-state", `%LKBIN%\ins_setst.exe -d $PEER -t $TAG -S $STATE`,
		"volume: sets the peer's resource state to $STATE, OSU or OSF"},
	{"find-task",
		`%SystemRoot%\System32\schtasks.exe /Query /TN ShadowCopyVolume$VOLUMEGUID /HRESULT`,
		"volume: exits with 0 if there is a scheduled task of the shadow copies, with " +
			"0x80070002 or 2 if there is none"},
	{"enable-task",
		`%SystemRoot%\System32\schtasks.exe /Change /TN ShadowCopyVolume$VOLUMEGUID /ENABLE`,
		"volume: enables it"},
	{"lifekeeper-state", `%SystemRoot%\System32\sc.exe query LifeKeeper`,
		"volume: prints the state of the LifeKeeper service as sc does (3 stopping)"},
}

// templateNames are the variables that a template may have.
var templateNames = []string{
	"TAG", "ID", "NODE", "PEER", "NIC", "GUID", "MASK", "VOLUME", "STATE", "VOLUMEGUID",
}

// badBraces finds what os.Expand would silently leave out.
var badBraces = regexp.MustCompile(`\$\{(?:[^}]*$|\})`)

// parseTemplate reads a command as Templates describes it.
func parseTemplate(line string) (place Place, name string, args []string, err error) {
	words, err := splitWords(line)
	if err != nil {
		return 0, "", nil, err
	}
	if len(words) == 0 {
		return 0, "", nil, fmt.Errorf("names no command")
	}
	for i, prefix := range placeNames {
		n := len(prefix)
		if len(words[0]) > n+1 && strings.EqualFold(words[0][:n], prefix) &&
			strings.ContainsRune(`\/`, rune(words[0][n])) {
			place, name = Place(i), strings.ReplaceAll(words[0][n+1:], `\`, "/")
		}
	}
	if name == "" || place == API && natives[name] == nil ||
		slices.Contains(strings.Split(name, "/"), "..") {
		return 0, "", nil, fmt.Errorf("%q is not accepted (%s\\ and a file's name)", words[0],
			strings.Join(placeNames[:API], `\, `))
	}
	for _, word := range words[1:] {
		os.Expand(word, func(v string) string {
			if !slices.Contains(templateNames, v) && err == nil {
				err = fmt.Errorf("$%s is not a variable (there are %s)", v,
					strings.Join(templateNames, ", "))
			}
			return ""
		})
		if err == nil && badBraces.MatchString(word) {
			err = fmt.Errorf("%q has a ${ that is no variable", word)
		}
	}
	return place, name, words[1:], err
}

// splitWords splits at blanks outside double quotes. A backslash has no special
// meaning, since paths of Windows have it.
func splitWords(line string) (words []string, err error) {
	var word strings.Builder
	var in, quoted bool
	for _, c := range line {
		switch {
		case c == '"':
			quoted, in = !quoted, true
		case !quoted && (c == ' ' || c == '\t'):
			if in {
				words = append(words, word.String())
			}
			word.Reset()
			in = false
		default:
			word.WriteRune(c)
			in = true
		}
	}
	if quoted {
		return nil, fmt.Errorf("a double quote is not closed")
	}
	if in {
		words = append(words, word.String())
	}
	return words, nil
}
