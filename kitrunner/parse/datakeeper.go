package parse

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// The roles of a system in a mirror, and the states of a mirror that works.
const (
	RoleSource = 1
	RoleTarget = 2

	Mirroring       = 1
	Resynchronising = 2
)

// The first and the last state that a mirror can have.
const stateInvalid, stateResyncPending = -1, 5

// Mirror is a line of EMCMD GETMIRRORVOLINFO, "E: 1 SOURCE 172.17.103.134 1":
// the volume, its role, the source system, the target's address, the state.
type Mirror struct {
	Role           int
	Source, Target string // a system's name or address, as EMCMD has it
	// State is from -1 to 5: invalid, none, mirroring, resynchronising, broken,
	// paused, resync pending.
	State int
}

// Mirrors reads the lines of GETMIRRORVOLINFO for a volume ("E"), one for each
// target. Volumes are switched over and locked because of these lines, so a
// line of another layout, or one that contradicts another's role, makes all of
// them not understood.
func Mirrors(output, volume string) (mirrors []Mirror, understood bool) {
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
		mirrors = append(mirrors, Mirror{role, f[2], f[3], state})
	}
	return mirrors, len(mirrors) > 0
}

var emcmdStatus = regexp.MustCompile(`(?mi)^[ \t]*Status[ \t]*=[ \t]*(-?\d+)`)

// Status reads EMCMD's reply "Status = N".
func Status(output string) (status int, understood bool) {
	m := emcmdStatus.FindStringSubmatch(output)
	if m == nil {
		return 0, false
	}
	status, err := strconv.Atoi(m[1])
	return status, err == nil
}

// Job is a DataKeeper job (REJOIN 5).
type Job struct {
	ID   string // a GUID without braces
	Ends []End
}

// End is one end of a job's mirrors.
type End struct {
	System  string
	Volume  string // a drive letter, in capitals
	Address string // of the system, as the job has it
}

var (
	guidForm  = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)
	jobLine   = regexp.MustCompile(`^(ID|Name|Description|MirrorEndPoints|Status)\s*=\s*(.*)$`)
	driveForm = regexp.MustCompile(`^[A-Za-z]$`)
)

// IsDrive tells whether a text is a drive letter, without a colon.
func IsDrive(s string) bool { return driveForm.MatchString(s) }

// Jobs reads "emcmd . getjobinfoforvol" (REJOIN 5), which prints nothing if the
// volume is in no job; the result is never nil then. Every job must name the
// volume on this system, since its ID becomes part of a registry key that is
// deleted.
func Jobs(output, system, volume string) ([]Job, error) {
	jobs := []Job{}
	var endpoints []string // of each job, with its lines joined
	key := ""
	for line := range strings.SplitSeq(output, "\n") {
		line = strings.Trim(line, " \t\r")
		m := jobLine.FindStringSubmatch(line)
		switch {
		case line == "":
		case m != nil && m[1] == "ID":
			if !guidForm.MatchString(m[2]) {
				return nil, fmt.Errorf("the job's ID %q is not a GUID", m[2])
			}
			jobs, endpoints, key = append(jobs, Job{ID: m[2]}), append(endpoints, ""), "ID"
		case m != nil && m[1] == "Status":
			if m[2] != "0" {
				return nil, fmt.Errorf("emcmd answered %q", line)
			}
		case len(jobs) == 0 || m == nil && key == "ID":
			return nil, fmt.Errorf("%q is no line of a job", line)
		case m != nil && m[1] == "MirrorEndPoints" && endpoints[len(jobs)-1] != "":
			return nil, errors.New("a job with two lists of MirrorEndPoints")
		case m != nil:
			key = m[1]
			if key == "MirrorEndPoints" {
				endpoints[len(jobs)-1] = m[2]
			}
		case key == "MirrorEndPoints":
			// A console breaks long lines anywhere, as REJOIN shows. Another
			// mirror's ends may have a line of their own.
			last := &endpoints[len(jobs)-1]
			if _, err := parseEnds(*last); err == nil {
				*last += " "
			}
			*last += line
		}
	}
	for i := range jobs {
		ends, err := parseEnds(endpoints[i])
		if err != nil {
			return nil, fmt.Errorf("job %s: %w", jobs[i].ID, err)
		}
		jobs[i].Ends = ends
		if !jobs[i].has(system, volume) {
			return nil, fmt.Errorf("job %s does not name volume %s of %s",
				jobs[i].ID, volume, system)
		}
	}
	return jobs, nil
}

// parseEnds reads MirrorEndPoints: for each mirror twice system;volume;address,
// and then the mirror's kind.
func parseEnds(s string) ([]End, error) {
	mirrors := strings.FieldsFunc(s, isBlank)
	if len(mirrors) == 0 {
		return nil, errors.New("no MirrorEndPoints")
	}
	var ends []End
	for _, mirror := range mirrors {
		f := strings.Split(mirror, ";")
		if len(f) != 7 || !IsSystem(f[0]) || !IsDrive(f[1]) || f[2] == "" ||
			!IsSystem(f[3]) || !IsDrive(f[4]) || f[5] == "" || !IsDrive(f[6]) {
			return nil, fmt.Errorf("MirrorEndPoints %q is not "+
				"system;volume;address;system;volume;address;kind", mirror)
		}
		ends = append(ends, End{f[0], strings.ToUpper(f[1]), f[2]},
			End{f[3], strings.ToUpper(f[4]), f[5]})
	}
	return ends, nil
}

func (j Job) has(system, volume string) bool {
	for _, e := range j.Ends {
		if e.Volume == volume && e.IsOf(system) {
			return true
		}
	}
	return false
}

// IsOf tells whether the end is on the system with this name.
func (e End) IsOf(system string) bool { return Names(e.System, system) }

// Names tells whether DataKeeper means the system with this name. In a domain
// it appends the domain.
func Names(name, system string) bool {
	return strings.EqualFold(name, system) ||
		len(name) > len(system) && name[len(system)] == '.' &&
			strings.EqualFold(name[:len(system)], system)
}
