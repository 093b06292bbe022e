// Package kitrunner performs the documented actions of three LifeKeeper
// recovery kits, and the clean-up after a node's re-installation. A kit is a
// value; one engine runs its steps through a Runner and an EventLog.
//
// The documents are SIOS's outlines of what the kits of LifeKeeper for Windows
// do: the LAN kit (LAN Manager recovery kit, of v8.6; lanman here), the IP kit
// (of v8.4) and the volume kit (DataKeeper mirrored volumes, of v8.3). Steps
// have the documents' numbers: "LAN kit, quickCheck (2)".
package kitrunner

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"fsmon/kitrunner/winsys"
)

// Place is where a documented command is installed.
type Place int

// The places of the documented commands.
const (
	System32    Place = iota // %SystemRoot%\System32: sc.exe, nbtstat.exe, reg.exe, ...
	LKBin                    // %LKBIN%: the LifeKeeper commands
	LKRoot                   // %LKROOT%
	ExtMirrBase              // %ExtMirrBase%: EMCMD.exe
	API                      // no file: WithNative does it, by its name
)

var placeNames = []string{`%SystemRoot%\System32`, `%LKBIN%`, `%LKROOT%`, `%ExtMirrBase%`, `%API%`}

// String is the place as the documents write it: "%LKBIN%".
func (p Place) String() string { return placeNames[p] }

// Command is one external command: an argument list, never a shell string.
type Command struct {
	Place Place
	// Name is the file name as on Windows, on every system: "nbtstat.exe", or a
	// slash-separated path below the place,
	// "Admin/kit/Ipapp/bin/ips_ipchange.exe".
	Name    string
	Args    []string
	Timeout time.Duration // after which its whole process tree is ended
	Changes bool          // it does more than ask
}

// String is the command as people read it: `%LKBIN%\LmServerNameDel.exe SRV01`.
func (c Command) String() string {
	if c.Place == API {
		return "kitrunner itself: " + strings.Join(append([]string{c.Name}, c.Args...), " ")
	}
	words := []string{c.file()}
	for _, a := range c.Args {
		if a == "" || strings.ContainsAny(a, " \t") {
			a = `"` + a + `"`
		}
		words = append(words, a)
	}
	return strings.Join(words, " ")
}

// file is the command's file as people write it.
func (c Command) file() string {
	return c.Place.String() + `\` + strings.ReplaceAll(c.Name, "/", `\`)
}

// Result is the outcome of a Command.
type Result struct {
	Code   int    // exit code, when Err is nil
	Output string // stdout and stderr, decoded to UTF-8, at most 1 MiB
	Took   time.Duration
	// Err is not nil if the command could not be run, is not installed
	// (fs.ErrNotExist) or was ended at its deadline (context.DeadlineExceeded).
	// Nothing is then known of what it would have answered.
	Err error
}

// Runner executes commands.
type Runner interface {
	Run(ctx context.Context, c Command) Result
}

// Native is what WithNative can do without a command; winsys.API is one. Every
// method honours ctx's deadline. What a system cannot do is an error that wraps
// errors.ErrUnsupported. Nothing here changes what clients see.
type Native interface {
	// WriteTest is CheckVolume.exe: it writes to the volume ("E") and reads
	// back.
	WriteTest(ctx context.Context, volume string) error
	// Trap is EISMEventNotice.exe: it sends an SNMP trap.
	Trap(ctx context.Context, t winsys.Trap) error
	// Cable is the state of a network adapter's cable. The GUID is in capitals
	// and in braces.
	Cable(ctx context.Context, guid string) (winsys.Cable, error)
	// Answers tells whether another host answers for the address on the link.
	// An address of this machine is not asked about.
	Answers(ctx context.Context, address netip.Addr) (bool, error)
	// Addresses is ips_ipchange -l.
	Addresses(ctx context.Context) ([]winsys.Address, error)
}

// Severity is an event's type in the event log.
type Severity string

// The severities that the documents use.
const (
	Info    Severity = "Information"
	Warning Severity = "Warning"
	Error   Severity = "Error"
)

// Event is one entry for the event log.
type Event struct {
	Time     time.Time `json:"time"`
	Kit      string    `json:"kit"`
	Action   string    `json:"action"`
	Tag      string    `json:"tag"`
	Number   int       `json:"number"`
	Severity Severity  `json:"severity"`
	Text     string    `json:"text"`
}

// EventLog takes events.
type EventLog interface {
	Log(Event) error
}
