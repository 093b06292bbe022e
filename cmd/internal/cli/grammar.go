// Package cli is what a person meets of the watch commands clp_sambamon and clp_nfsmon: the command line, the verbs, the exit
// codes, and the wiring of the registry, the watch loop and the listeners.
package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"fsmon/watchreg"
)

// Verb is what a command line asks for.
type Verb int

// The verbs. Start is the one without a word of its own (FSM chapter 7.4).
const (
	Start    Verb = iota // ID -s SHARE …: watch until stopped or until the file server is judged failed
	Stop                 // ID -stop [SECONDS]
	Pause                // ID -pause [SECONDS]
	Continue             // ID -continue
	Disp                 // ID -disp
	Del                  // ID -del
	Help                 // --help, without an ID
	Version              // --version, without an ID
)

// Request is one understood command line. The command's own options are not in it: they are where declare put them.
type Request struct {
	Verb Verb
	ID   string // as watchreg.ValidID accepts it; empty for Help and Version

	Wait time.Duration // Stop: how long to wait for the watch to end, 1 s to 10000 s, default 60 s
	For  time.Duration // Pause: for how long, 1 s to 604800 s; 0 is until -continue

	Interval time.Duration // Start: from one probe's start to the next one's, -i, 1 s to 10000 s, default 30 s
	Timeout  time.Duration // Start: one deadline for the whole probe, -r, 1 s to 10000 s, default 60 s
	Retries  int           // Start: failed retries in a row that make the verdict, -c, 1 to 10000, default 5
	LogFile  string        // Start: --log-file; empty is the default place

	secrets []SecretArg
}

// SecretArg is where in the parsed arguments a secret stands: from byte Offset to the end of args[Index].
type SecretArg struct{ Index, Offset int }

// SecretArgs tells which parts of the arguments to overwrite, so that the process list does not show them. It is complete also when
// Parse returned an error: then it errs on the side of too much, since on a wrong line a password may stand anywhere
// after its option.
func (r Request) SecretArgs() []SecretArg { return r.secrets }

// UsageError is a command line that is not accepted (exit 2).
type UsageError struct {
	// Message is FSM's number: 13 no ID, 12 a compulsory option missing or empty, 11 everything else (FSM chapter 8).
	Message int
	// Text is one line for people, naming the option, the value and the accepted range; never a secret's value.
	Text string
}

func (e *UsageError) Error() string { return e.Text }

// verbWord is a verb as it is written, with one dash or two.
type verbWord struct {
	word    string
	verb    Verb
	seconds int  // the largest number that may follow, in seconds; 0 is none
	noID    bool // stands in the ID's place
}

var verbWords = []verbWord{
	{word: "stop", verb: Stop, seconds: 10000},
	{word: "pause", verb: Pause, seconds: 604800},
	{word: "continue", verb: Continue},
	{word: "disp", verb: Disp},
	{word: "del", verb: Del},
	{word: "help", verb: Help, noID: true},
	{word: "h", verb: Help, noID: true},
	{word: "version", verb: Version, noID: true},
}

// findVerb reads one word of the command line as a verb: -stop, --stop, -stop=VALUE.
func findVerb(word string) (v *verbWord, value string, joined bool) {
	name, ok := strings.CutPrefix(word, "-")
	if !ok {
		return nil, "", false
	}
	name, value, joined = strings.Cut(strings.TrimPrefix(name, "-"), "=")
	for i := range verbWords {
		if verbWords[i].word == name {
			return &verbWords[i], value, joined
		}
	}
	return nil, "", false
}

const idRule = "1 to 255 bytes: letters, digits, '.', '_' and '-', the first a letter or digit"

// Parse reads the arguments of a watch command, without the command's name (FSM chapter 7.4). declare registers the
// command's own options. Every string kept is a copy: args may be overwritten afterwards.
//
// The error is a *UsageError. A line wrong in several ways is judged in this order: no ID (13), a bad ID, a verb in the second place
// that does not stand alone, the options from left to right (all 11), a compulsory option missing or empty (12).
func Parse(args []string, declare func(*Options)) (Request, error) {
	opts := newOptions()
	var logFile string
	interval, retries, timeout := 30, 5, 60
	opts.Int(&interval, "interval", "i", 1, 10000, "seconds")
	opts.Int(&retries, "retry", "c", 1, 10000, "retries")
	opts.Int(&timeout, "timeout", "r", 1, 10000, "seconds")
	opts.String(&logFile, "log-file", "", "the name of a file")
	declare(opts)

	l := newLine(args, opts)
	req, err := l.parse()
	if err != nil {
		return Request{secrets: l.suspects()}, err
	}
	if req.Verb == Start {
		req.Interval = time.Duration(interval) * time.Second
		req.Timeout = time.Duration(timeout) * time.Second
		req.Retries = retries
		req.LogFile = logFile
	}
	return req, nil
}

// line is a command line being read.
type line struct {
	args []string
	opts *Options
	// doubt is the index of the first word that looks like a secret option, len(args) if there is none. A password with
	// blanks that lost its quotes continues in the words after it, so those are not shown.
	doubt   int
	secrets []SecretArg
}

func newLine(args []string, opts *Options) *line {
	l := &line{args: args, opts: opts}
	for l.doubt < len(args) && opts.secretIn(args[l.doubt]) < 0 {
		l.doubt++
	}
	return l
}

func (l *line) parse() (Request, error) {
	if len(l.args) == 0 || l.args[0] == "" || l.args[0][0] == '-' {
		return l.withoutID()
	}
	id := l.args[0]
	if watchreg.ValidID(id) != nil {
		return Request{}, invalid("ID: %s is not accepted (%s)", l.quote(id), idRule)
	}
	req := Request{ID: strings.Clone(id)}
	if len(l.args) > 1 {
		if v, value, joined := findVerb(l.args[1]); v != nil && !v.noID {
			err := l.verb(&req, v, value, joined)
			return req, err
		}
	}
	err := l.options(1)
	req.secrets = l.secrets
	return req, err
}

// withoutID reads a line whose first word is no ID.
func (l *line) withoutID() (Request, error) {
	if len(l.args) > 0 {
		// What follows --help is not judged: who asks for help should get it.
		if v, _, joined := findVerb(l.args[0]); v != nil && v.noID && !joined {
			return Request{Verb: v.verb, secrets: l.suspects()}, nil
		}
	}
	return Request{}, &UsageError{13, "ID: missing, it must be the first argument (" + idRule + ")"}
}

// verb reads a control line: the verb is the second word, and nothing but its own number may follow.
func (l *line) verb(req *Request, v *verbWord, value string, joined bool) error {
	req.Verb = v.verb
	name, next := verbName(l.args[1]), 2
	if !joined && v.seconds > 0 && next < len(l.args) && !optionLike(l.args[next]) {
		value, joined, next = l.args[next], true, next+1
	}
	seconds := 0
	switch {
	case joined && v.seconds == 0:
		return invalid("%s: takes no value", name)
	case joined:
		n, err := parseNumber(value, 1, v.seconds)
		if err != nil {
			return invalid("%s: %s is not accepted (%s)", name, l.quote(value), wholeNumber(1, v.seconds, "seconds"))
		}
		seconds = n
	}
	if next < len(l.args) {
		word := l.args[next]
		if optionLike(word) {
			return invalid("%s: does not go with %s (a verb stands alone with the ID)", l.optionName(word), name)
		}
		return invalid("%s: %s is one argument too many", name, l.quote(word))
	}
	switch v.verb {
	case Stop:
		req.Wait = time.Minute
		if seconds > 0 {
			req.Wait = time.Duration(seconds) * time.Second
		}
	case Pause:
		req.For = time.Duration(seconds) * time.Second
	}
	return nil
}

// options reads the words from index i on as options and their values.
func (l *line) options(i int) error {
	afterUser := false // the last option read was a verbatim one
	for ; i < len(l.args); i++ {
		word := l.args[i]
		if v, _, _ := findVerb(word); v != nil {
			if v.noID {
				return invalid("%s: does not go with an ID (it stands in the ID's place)", verbName(word))
			}
			return invalid("%s: does not go with other options (a verb stands alone with the ID)", verbName(word))
		}
		opt, value, joined := l.opts.find(word)
		if opt == nil {
			return l.unknown(i, afterUser)
		}
		name := opt.spelling(word)
		if l.opts.flags.Changed(opt.name) {
			return invalid("%s: given more than once", name)
		}
		switch {
		case opt.on != nil && joined:
			return invalid("%s: takes no value", name)
		case opt.on == nil && !joined:
			if i++; i == len(l.args) || !l.opts.takes(opt, l.args[i]) {
				return l.valueless(i, opt, name)
			}
			value = l.args[i]
		}
		if opt.secret {
			l.secrets = append(l.secrets, SecretArg{i, len(l.args[i]) - len(value)})
		}
		// pflag's own error quotes the value, so it is not used.
		if l.opts.flags.Set(opt.name, value) != nil {
			return invalid("%s: %s is not accepted (%s)", name, l.value(i, opt, value), opt.what)
		}
		afterUser = opt.verbatim
	}
	return l.missing()
}

// valueless is the error for opt, written as name, when the word at index i cannot be its value.
func (l *line) valueless(i int, opt *option, name string) error {
	if i == len(l.args) || opt.number != nil {
		return invalid("%s: needs a value (%s)", name, opt.what)
	}
	return invalid("%s: needs a value (%s; one like another option is written --%s=VALUE)", name, opt.what, opt.name)
}

// missing finds the first compulsory option that was not given or is empty.
func (l *line) missing() (err error) {
	l.opts.each(func(opt *option) {
		if err == nil && opt.required && *opt.text == "" {
			err = &UsageError{12, fmt.Sprintf("%s: missing or empty (%s)", opt.spelling(""), opt.what)}
		}
	})
	return err
}

// unknown is the error for the word at index i, which is neither an option nor a value. afterUser hides it: what follows
// a user's name without an option is most likely the password.
func (l *line) unknown(i int, afterUser bool) error {
	word := l.args[i]
	hidden := i > l.doubt || afterUser && !optionLike(word)
	switch {
	case hidden && optionLike(word):
		return invalid("argument %d: unknown option (not shown, it may be part of a password)", i+1)
	case hidden:
		return invalid("argument %d: belongs to no option (not shown, it may be a password; a value with blanks needs quotes)", i+1)
	case !optionLike(word):
		return invalid("%s: belongs to no option (a value with blanks needs quotes)", l.quote(word))
	}
	for _, v := range verbWords {
		if v.seconds > 0 && strings.HasPrefix(word, "-"+v.word) {
			return invalid("-%s…: unknown option (write a space between -%s and its number)", v.word, v.word)
		}
	}
	name := l.optionName(word)
	if long := l.opts.flags.Lookup(word[1:]); long != nil {
		return invalid("%s: unknown option (write --%s)", name, long.Name)
	}
	if opt := l.opts.shorthand(word); opt != nil {
		return invalid("%s: unknown option (write a space between -%s and its value)", name, opt.short)
	}
	return invalid("%s: unknown option", name)
}

// suspects are the places of what may be secret on a line that was not understood: everything after the first word that
// looks like a secret option.
func (l *line) suspects() []SecretArg {
	var all []SecretArg
	for i := l.doubt; i < len(l.args); i++ {
		offset := 0
		if i == l.doubt {
			offset = l.opts.secretIn(l.args[i])
		}
		if offset < len(l.args[i]) {
			all = append(all, SecretArg{i, offset})
		}
	}
	return all
}

// value is how an error line shows the value of opt at index i. In doubt only a number is shown.
func (l *line) value(i int, opt *option, s string) string {
	if opt.secret || i > l.doubt && strings.Trim(strings.TrimLeft(s, "+-"), "0123456789") != "" {
		return "the value"
	}
	return l.quote(s)
}

// quote is how an error line shows a word: cut to 40 characters, and after the name of a secret option.
func (l *line) quote(word string) string {
	cut := word
	if at := l.opts.secretIn(cut); at >= 0 {
		cut = cut[:at]
	}
	n := 0
	for at := range cut {
		if n++; n > 40 {
			cut = cut[:at]
			break
		}
	}
	if cut != word {
		cut += "…"
	}
	return strconv.Quote(cut)
}

// optionName is how an error line names an option-like word: as it was written, without the value and cut to 40 characters. Of
// a word that is no option only what reads like a name is shown, and nothing that may be a secret.
func (l *line) optionName(word string) string {
	if opt, _, _ := l.opts.find(word); opt != nil {
		return opt.spelling(word)
	}
	end := 0
	for end < len(word) && end < 40 && nameByte(word[end]) {
		end++
	}
	if at := l.opts.secretIn(word); at >= 0 {
		end = min(end, at)
	}
	name := strings.Clone(word[:end])
	switch {
	case end == len(word):
		return name
	case word[end] == '=':
		return name + "=…"
	}
	return name + "…"
}

func nameByte(b byte) bool {
	return b == '-' || b == '_' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

// optionLike says whether a word is meant as an option: a dash and more, but not a negative number.
func optionLike(word string) bool {
	return len(word) > 1 && word[0] == '-' && (word[1] < '0' || word[1] > '9')
}

// verbName is a verb as it was written, without a joined value.
func verbName(word string) string {
	name, _, _ := strings.Cut(word, "=")
	return strings.Clone(name)
}

func invalid(format string, args ...any) error {
	return &UsageError{11, fmt.Sprintf(format, args...)}
}
