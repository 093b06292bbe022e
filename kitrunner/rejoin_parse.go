package kitrunner

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// lcdiRows splits a listing of an LCDI command into lines and fields. REJOIN
// shows fields between blanks; where no field delimiter is given (-fC),
// LifeKeeper's other versions print SOH. Both are accepted, and tabs. A line
// with a character that no name has was not decoded or is no listing.
func lcdiRows(output string) ([][]string, error) {
	var rows [][]string
	for line := range strings.SplitSeq(output, "\n") {
		line = strings.Trim(line, " \t\r")
		if line == "" {
			continue
		}
		var fields []string
		if strings.Contains(line, "\x01") {
			for field := range strings.SplitSeq(line, "\x01") {
				fields = append(fields, strings.Trim(field, " \t"))
			}
		} else {
			// Not strings.Fields: an ideographic space may be part of a tag.
			fields = strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' })
		}
		for _, field := range fields {
			if strings.ContainsFunc(field, func(r rune) bool { return r == utf8.RuneError || r == '"' || unicode.IsControl(r) }) {
				return nil, fmt.Errorf("unreadable line %q", line)
			}
		}
		rows = append(rows, fields)
	}
	return rows, nil
}

// equivalency is a row of eqv_list (REJOIN 1): the resource tag on system is
// equivalent to otherTag on otherSystem.
type equivalency struct{ system, tag, otherSystem, otherTag string }

// parseEquivalencies reads eqv_list and returns the rows of type SHARED that
// name the gone system in either column, as listed. The result is not nil.
func parseEquivalencies(output, gone string) ([]equivalency, error) {
	rows, err := lcdiRows(output)
	if err != nil {
		return nil, err
	}
	found := []equivalency{}
	for _, f := range rows {
		if !isEquivalency(f) {
			return nil, fmt.Errorf("%q is no line of eqv_list (system, tag, system, tag, type, two priorities)", f)
		}
		e := equivalency{f[0], f[1], f[2], f[3]}
		if strings.EqualFold(f[4], "SHARED") && (strings.EqualFold(e.system, gone) || strings.EqualFold(e.otherSystem, gone)) {
			found = append(found, e)
		}
	}
	return found, nil
}

func isEquivalency(f []string) bool {
	if len(f) < 5 || len(f) > 7 || !isSystem(f[0]) || f[1] == "" || !isSystem(f[2]) || f[3] == "" {
		return false
	}
	for _, priority := range f[5:] {
		if n, err := strconv.Atoi(priority); err != nil || n < 0 {
			return false
		}
	}
	return word.MatchString(f[4])
}

var word = regexp.MustCompile(`^[A-Za-z_]+$`)

// isSystem tells whether a name can be a computer's: 1 to 255 bytes, no
// blanks, and none of the characters that Windows forbids.
func isSystem(name string) bool {
	return name != "" && len(name) <= 255 && name[0] != '-' && utf8.ValidString(name) &&
		!strings.ContainsFunc(name, func(r rune) bool {
			return r == utf8.RuneError || unicode.IsControl(r) || unicode.IsSpace(r) || strings.ContainsRune(`\/:*?"<>|;,=`, r)
		})
}

// parseSystems reads sys_list (REJOIN 6 a). This system must be listed: a list
// without it is the answer of a LifeKeeper that does not run, or of another one.
func parseSystems(output, system string) ([]string, error) {
	rows, err := lcdiRows(output)
	if err != nil {
		return nil, err
	}
	systems := []string{}
	for _, f := range rows {
		if len(f) != 1 || !isSystem(f[0]) {
			return nil, fmt.Errorf("%q is no line of sys_list (a system's name alone)", f)
		}
		systems = append(systems, f[0])
	}
	if !containsFold(systems, system) {
		return nil, fmt.Errorf("sys_list does not list this system, %s (is it the right --system, and does LifeKeeper run?)", system)
	}
	return systems, nil
}

// spelt returns a name as it is spelt in a list, or "" if it is not there.
func spelt(list []string, name string) string {
	for _, v := range list {
		if strings.EqualFold(v, name) {
			return v
		}
	}
	return ""
}

func containsFold(list []string, name string) bool { return spelt(list, name) != "" }

// commPath is a communication path: the system at its other end, spelt as
// listed, and its line.
type commPath struct{ system, line string }

// parsePaths reads net_list (REJOIN 7 a) and returns the communication paths
// to the gone system. REJOIN does not show its columns, so
// a path's system is looked for in all of them; a line that names none of the
// systems is not understood.
func parsePaths(output, gone string, systems []string) ([]commPath, error) {
	rows, err := lcdiRows(output)
	if err != nil {
		return nil, err
	}
	paths := []commPath{}
	for _, f := range rows {
		name := spelt(f, gone)
		switch {
		case len(f) >= 2 && name != "":
			paths = append(paths, commPath{name, strings.Join(f, " ")})
		case len(f) < 2 || !namesOne(f, systems):
			return nil, fmt.Errorf("%q is no line of net_list (it names none of the systems %s)", f, strings.Join(systems, ", "))
		}
	}
	return paths, nil
}

func namesOne(fields, systems []string) bool {
	for _, f := range fields {
		if containsFold(systems, f) {
			return true
		}
	}
	return false
}

// parseInstances reads ins_list (REJOIN 8) and returns the tags: system,
// application, type, tag, id and more. All must be this system's.
func parseInstances(output, system string) ([]string, error) {
	rows, err := lcdiRows(output)
	if err != nil {
		return nil, err
	}
	tags := []string{}
	for _, f := range rows {
		if len(f) < 5 || !strings.EqualFold(f[0], system) || f[3] == "" {
			return nil, fmt.Errorf("%q is no line of ins_list (%s, application, type, tag, id, …)", f, system)
		}
		tags = append(tags, f[3])
	}
	return tags, nil
}

// mirrorJob is a DataKeeper job (REJOIN 5).
type mirrorJob struct {
	id   string // a GUID without braces
	ends []mirrorEnd
}

type mirrorEnd struct{ system, volume string }

var (
	guidForm  = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)
	jobLine   = regexp.MustCompile(`^(ID|Name|Description|MirrorEndPoints|Status)\s*=\s*(.*)$`)
	driveForm = regexp.MustCompile(`^[A-Za-z]$`)
)

// parseJobs reads the answer of "emcmd . getjobinfoforvol" (REJOIN 5): nothing
// when the volume is in no job. Every job must name the volume on this system,
// since its ID becomes part of a registry key to be deleted.
func parseJobs(output, system, volume string) ([]mirrorJob, error) {
	jobs := []mirrorJob{}
	var endpoints []string // of each job, its lines joined
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
			jobs, endpoints, key = append(jobs, mirrorJob{id: m[2]}), append(endpoints, ""), "ID"
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
			// A console breaks long lines anywhere, as REJOIN shows; another
			// mirror's ends may stand on a line of their own.
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
			return nil, fmt.Errorf("job %s: %w", jobs[i].id, err)
		}
		jobs[i].ends = ends
		if !jobs[i].has(system, volume) {
			return nil, fmt.Errorf("job %s does not name volume %s of %s", jobs[i].id, volume, system)
		}
	}
	return jobs, nil
}

// parseEnds reads MirrorEndPoints: for each mirror two times system;volume;address, and
// the kind of the mirror.
func parseEnds(s string) ([]mirrorEnd, error) {
	mirrors := strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == '\t' })
	if len(mirrors) == 0 {
		return nil, errors.New("no MirrorEndPoints")
	}
	var ends []mirrorEnd
	for _, mirror := range mirrors {
		f := strings.Split(mirror, ";")
		if len(f) != 7 || !isSystem(f[0]) || !driveForm.MatchString(f[1]) || f[2] == "" ||
			!isSystem(f[3]) || !driveForm.MatchString(f[4]) || f[5] == "" || !driveForm.MatchString(f[6]) {
			return nil, fmt.Errorf("MirrorEndPoints %q is not system;volume;address;system;volume;address;kind", mirror)
		}
		ends = append(ends, mirrorEnd{f[0], strings.ToUpper(f[1])}, mirrorEnd{f[3], strings.ToUpper(f[4])})
	}
	return ends, nil
}

func (j mirrorJob) has(system, volume string) bool {
	for _, e := range j.ends {
		if e.volume == volume && isNamed(e.system, system) {
			return true
		}
	}
	return false
}

// isNamed tells whether an end's system, which in a domain has its domain
// appended, is the one with this name.
func isNamed(end, system string) bool {
	return strings.EqualFold(end, system) ||
		len(end) > len(system) && end[len(system)] == '.' && strings.EqualFold(end[:len(system)], system)
}
