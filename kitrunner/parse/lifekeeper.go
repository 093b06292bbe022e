package parse

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

var (
	ipText      = regexp.MustCompile(`\b\d{1,3}(?:\.\d{1,3}){3}\b`)
	addressText = regexp.MustCompile(`\d+(?:\.\d+)+`) // as long as it is
	contextText = regexp.MustCompile(`(?i)context[ \t]*[=:]?[ \t]*(0x[0-9a-f]+|\d+)\b`)
)

// Address is an address that ips_ipchange -l lists.
type Address struct {
	GUID    string // the adapter's, as CanonicalGUID has it
	IP      netip.Addr
	Context string // "" if none is shown
}

// Addresses reads ips_ipchange -l, whose layout no document shows. An address
// belongs to the GUID on its line, or else to the last GUID above. An address
// above every GUID means another layout, in which every address would seem to
// be on a wrong adapter: it is not understood. What has the form of a netmask
// is none. A context counts only if it is called one and belongs to one address
// of the line, since deleting by a wrong context would remove a wrong address:
// it stands anywhere if the line has one address, or else behind its own.
func Addresses(output string) (addresses []Address, understood bool) {
	guid := ""
	for line := range strings.Lines(output) {
		if g := guidText.FindString(line); g != "" {
			guid, understood = CanonicalGUID(g), true
			line = guidText.ReplaceAllString(line, " ")
		}
		var found []netip.Addr
		var at []int // where each begins, and the end of the line
		for _, m := range ipText.FindAllStringIndex(line, -1) {
			if ip, err := netip.ParseAddr(line[m[0]:m[1]]); err == nil && !isMask(ip) {
				found, at = append(found, ip), append(at, m[0])
			}
		}
		if len(found) == 0 {
			continue
		}
		if guid == "" {
			return nil, false
		}
		if len(found) == 1 || contextText.MatchString(line[:at[0]]) {
			at[0] = 0
		}
		for i, end := range append(at[1:], len(line)) {
			a := Address{GUID: guid, IP: found[i]}
			m := contextText.FindAllStringSubmatch(line[at[i]:end], -1)
			if len(m) == 1 && (len(found) == 1 || at[0] > 0) {
				a.Context = m[0][1]
			}
			addresses = append(addresses, a)
		}
	}
	return addresses, understood
}

// isMask tells whether an IPv4 address has the form of a netmask: ones, then
// zeros.
func isMask(ip netip.Addr) bool {
	b := ip.As4()
	n := binary.BigEndian.Uint32(b[:])
	return ^n&(^n+1) == 0
}

// Mentions tells whether a text has an address in it, even if it cannot be told
// what the text says of it.
func Mentions(text string, ip netip.Addr) bool {
	for _, m := range addressText.FindAllString(text, -1) {
		if m == ip.String() {
			return true
		}
	}
	return false
}

// NamesDrive tells whether the output of volume -d names a drive, "E:", in
// either case.
func NamesDrive(output, letter string) bool {
	before := rune(' ')
	for i, c := range output {
		if strings.EqualFold(string(c), letter) && !unicode.IsLetter(before) &&
			strings.HasPrefix(output[i+len(string(c)):], ":") {
			return true
		}
		before = c
	}
	return false
}

// instanceStates are the states of a resource in ins_list.
var instanceStates = map[string]bool{
	"ISP": true, "ISU": true, "ISS": true, "OSU": true, "OSF": true, "ILLSTATE": true,
}

// InstanceState reads the state of the resource with this tag from ins_list,
// whose fields are separated by ^A, by blanks or by another sign.
func InstanceState(output, tag string) (state string, understood bool) {
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
		if (i == 0 || isSeparator(rune(line[i-1]))) &&
			(after == "" || isSeparator(rune(after[0]))) {
			return after, true
		}
		at = i + 1
	}
	return "", false
}

func isBlank(r rune) bool { return r == ' ' || r == '\t' }

// Separator is the sign for -fC (REJOIN 1): it stands between the fields of a
// list, so that a tag may have blanks. No system's name and no tag has it.
const Separator = ";"

// lcdiRows splits a list of an LCDI command into lines and fields. REJOIN shows
// blanks between the fields; LifeKeeper's other versions print SOH if no
// delimiter is given (-fC). Both are accepted, and tabs, beside Separator. A
// line with a character that no name can have is not a list's, or was not
// decoded.
// separated tells which lines have a sign, not blanks.
func lcdiRows(output string) (rows [][]string, separated []bool, err error) {
	for line := range strings.SplitSeq(output, "\n") {
		line = strings.Trim(line, " \t\r")
		if line == "" {
			continue
		}
		var fields []string
		sign := separatorOf(line)
		if sign != "" {
			for field := range strings.SplitSeq(line, sign) {
				fields = append(fields, strings.Trim(field, " \t"))
			}
		} else {
			// Not strings.Fields: a tag may hold an ideographic space.
			fields = strings.FieldsFunc(line, isBlank)
		}
		if strings.ContainsFunc(strings.Join(fields, " "), func(r rune) bool {
			return r == utf8.RuneError || r == '"' || unicode.IsControl(r)
		}) {
			return nil, nil, fmt.Errorf("unreadable line %q", line)
		}
		rows, separated = append(rows, fields), append(separated, sign != "")
	}
	return rows, separated, nil
}

// separatorOf is the sign between the fields of a line, "" for blanks.
func separatorOf(line string) string {
	for _, sign := range []string{"\x01", Separator} {
		if strings.Contains(line, sign) {
			return sign
		}
	}
	return ""
}

// Equivalency is a row of eqv_list (REJOIN 1): the resource Tag on System is
// equivalent to OtherTag on OtherSystem.
type Equivalency struct{ System, Tag, OtherSystem, OtherTag string }

// Equivalencies reads eqv_list and returns the rows of type SHARED that name
// the gone system in either column. The result is not nil if err is.
func Equivalencies(output, gone string) ([]Equivalency, error) {
	rows, _, err := lcdiRows(output)
	if err != nil {
		return nil, err
	}
	found := []Equivalency{}
	for _, f := range rows {
		if !isEquivalency(f) {
			return nil, fmt.Errorf("%q is no line of eqv_list "+
				"(system, tag, system, tag, type, two priorities)", f)
		}
		e := Equivalency{f[0], f[1], f[2], f[3]}
		if strings.EqualFold(f[4], "SHARED") &&
			(strings.EqualFold(e.System, gone) || strings.EqualFold(e.OtherSystem, gone)) {
			found = append(found, e)
		}
	}
	return found, nil
}

func isEquivalency(f []string) bool {
	if len(f) < 5 || len(f) > 7 || !IsSystem(f[0]) || f[1] == "" || !IsSystem(f[2]) || f[3] == "" {
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

// IsSystem tells whether a computer can have this name: 1 to 255 bytes, no
// blanks, and none of the characters that Windows forbids.
func IsSystem(name string) bool {
	return name != "" && len(name) <= 255 && name[0] != '-' && utf8.ValidString(name) &&
		!strings.ContainsFunc(name, func(r rune) bool {
			return r == utf8.RuneError || unicode.IsControl(r) || unicode.IsSpace(r) ||
				strings.ContainsRune(`\/:*?"<>|;,=`, r)
		})
}

// Systems reads sys_list (REJOIN 6 a). This system must be in the list: a list
// without it comes from a LifeKeeper that does not run, or from another one.
func Systems(output, system string) ([]string, error) {
	rows, _, err := lcdiRows(output)
	if err != nil {
		return nil, err
	}
	systems := []string{}
	for _, f := range rows {
		if len(f) != 1 || !IsSystem(f[0]) {
			return nil, fmt.Errorf("%q is no line of sys_list (a system's name alone)", f)
		}
		systems = append(systems, f[0])
	}
	if FindName(systems, system) == "" {
		return nil, fmt.Errorf("sys_list does not list this system, %s "+
			"(is it the right --system, and does LifeKeeper run?)", system)
	}
	return systems, nil
}

// FindName returns a name as the list spells it, which may differ in case, or
// "" if it is not in the list.
func FindName(list []string, name string) string {
	for _, v := range list {
		if strings.EqualFold(v, name) {
			return v
		}
	}
	return ""
}

// Path is a communication path: the system at its other end, as the list spells
// it, and its line.
type Path struct{ System, Line string }

// Paths reads net_list (REJOIN 7 a). REJOIN does not show the columns, so a
// path's system is looked for in all of them: the first of systems that the
// line names. A line that names none is not understood.
func Paths(output string, systems []string) ([]Path, error) {
	rows, _, err := lcdiRows(output)
	if err != nil {
		return nil, err
	}
	paths := []Path{}
	for _, f := range rows {
		name := ""
		for i := 0; i < len(systems) && name == ""; i++ {
			name = FindName(f, systems[i])
		}
		if len(f) < 2 || name == "" {
			return nil, fmt.Errorf("%q is no line of net_list (it names none of the systems %s)",
				f, strings.Join(systems, ", "))
		}
		paths = append(paths, Path{name, strings.Join(f, " ")})
	}
	return paths, nil
}

// Addresses are the IPv4 addresses in the path's line: of both its ends.
func (p Path) Addresses() []string { return ipText.FindAllString(p.Line, -1) }

// Instances reads ins_list (REJOIN 8) and returns the tags. A line is system,
// application, type, tag, id and more. All must be of this system. A line with
// blanks between its fields is not understood: a tag that has one would be
// taken for a shorter tag, and that resource removed.
func Instances(output, system string) ([]string, error) {
	rows, separated, err := lcdiRows(output)
	if err != nil {
		return nil, err
	}
	tags := []string{}
	for i, f := range rows {
		if !separated[i] || len(f) < 5 || !strings.EqualFold(f[0], system) || f[3] == "" {
			return nil, fmt.Errorf("%q is no line of ins_list "+
				"(%s, application, type, tag, id, …, with separators between them)", f, system)
		}
		tags = append(tags, f[3])
	}
	return tags, nil
}
