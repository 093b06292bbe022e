// Package cli is what a person meets of the watch commands clp_sambamon and clp_nfsmon: the command line, the verbs, the exit
// codes, and the wiring of the registry, the watch loop and the listeners.
package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"fsmon/watchreg"
)

const idRule = "1 to 255 bytes: letters, digits, '.', '_' and '-', the first a letter or digit"

// parse reads the arguments of a watch command, without the command's name (FSM chapter 7.4). declare registers the
// command's own options. Every string kept is a copy: args may be overwritten afterwards.
//
// The error is a *usageError; the request beside it holds the verb and the exit style as far as they were understood. A line wrong in
// several ways is judged in this order: no ID (13), a bad ID, a verb in the second place that does not stand alone, the options from
// left to right (all 11), a compulsory option missing or empty (12).
func parse(args []string, declare func(*Options)) (request, error) {
	opts := newOptions()
	var req request
	interval, retries, timeout, startWait, every := 30, 5, 60, 0, 0
	opts.Int(&interval, "interval", "i", 1, 10000, "seconds")
	opts.Int(&retries, "retry", "c", 1, 10000, "retries")
	opts.Int(&timeout, "timeout", "r", 1, 10000, "seconds")
	opts.String(&req.LogFile, "log-file", "", "the name of a file")
	opts.Int(&startWait, "start-wait", "", 1, 604800, "seconds")
	opts.String(&req.MetricsFile, "metrics-file", "", "the name of a file")
	opts.String(&req.EvidenceDir, "evidence-dir", "", "the name of a directory")
	opts.Bool(&req.NoEvidence, "no-evidence", "")
	declare(opts)
	opts.Bool(&req.JSON, "json", "")
	opts.only("json", verbCheck, verbList, verbDisp)
	opts.choice(&req.ExitStyle, "exit-style", styleNagios, styleOCF)
	opts.only("exit-style", verbCheck)
	opts.Int(&every, "watch", "", 1, 3600, "seconds")
	opts.only("watch", verbList)
	opts.Bool(&req.PID, "pid", "")
	opts.only("pid", verbDisp)

	l := newLine(args, opts)
	if err := l.parse(&req); err != nil {
		return request{Verb: l.verb, ExitStyle: l.exitStyle(), secrets: l.suspects()}, err
	}
	if req.Verb == verbStart || req.Verb == verbCheck {
		req.Interval = time.Duration(interval) * time.Second
		req.Timeout = time.Duration(timeout) * time.Second
		req.Retries = retries
		req.StartWait = time.Duration(startWait) * time.Second
	}
	req.Every = time.Duration(every) * time.Second
	return req, nil
}

// line is a command line being read.
type line struct {
	args []string
	opts *Options
	// doubt is the index of the first word that looks like a secret option, len(args) if there is none. A password with
	// blanks that lost its quotes continues in the words after it, so those are not shown.
	doubt   int
	secrets []secretArg

	verb verb
	word string // the verb as it was written; empty for Start
	met  bool   // the word of a verb that goes without an ID has been read
}

func newLine(args []string, opts *Options) *line {
	l := &line{args: args, opts: opts}
	for l.doubt < len(args) && opts.secretIn(args[l.doubt]) < 0 {
		l.doubt++
	}
	return l
}

func (l *line) parse(req *request) error {
	if len(l.args) == 0 || l.args[0] == "" || l.args[0][0] == '-' {
		return l.withoutID(req)
	}
	id := l.args[0]
	if watchreg.ValidID(id) != nil {
		return invalid("ID: %s is not accepted (%s)", l.quote(id), idRule)
	}
	req.ID = strings.Clone(id)
	if len(l.args) > 1 {
		if v, value, joined := findVerb(l.args[1]); v != nil && !v.noID {
			return l.control(req, v, value, joined)
		}
	}
	err := l.options(1)
	req.secrets = l.secrets
	return err
}

// withoutID reads a line whose first word is no ID. -check and -list may stand anywhere among their options.
func (l *line) withoutID(req *request) error {
	for i, word := range l.args {
		v, _, joined := findVerb(word)
		if v == nil || !v.noID {
			continue
		}
		if help := v.verb == verbHelp || v.verb == verbVersion; !help {
			l.verb, l.word = v.verb, verbName(word)
			break
		} else if i == 0 && !joined {
			// What follows --help is not judged: who asks for help should get it.
			*req = request{Verb: v.verb, secrets: l.suspects()}
			return nil
		}
	}
	if l.verb == verbStart {
		return noID()
	}
	if err := l.options(0); err != nil {
		return err
	}
	if l.verb == verbHelp {
		*req = request{Verb: verbHelp, secrets: l.suspects()}
		return nil
	}
	if !l.met { // it was the value of an option
		return noID()
	}
	if req.JSON && req.ExitStyle == styleNagios {
		return invalid("--json: does not go with --exit-style nagios (which has a line of its own)")
	}
	req.Verb, req.secrets = l.verb, l.secrets
	return nil
}

func noID() error {
	return &usageError{13, "ID: missing, it must be the first argument (" + idRule + ")"}
}

// exitStyle is the exit style of a line that was not understood, wherever it stands.
func (l *line) exitStyle() string {
	for i, word := range l.args {
		opt, value, joined := l.opts.find(word)
		if l.verb != verbCheck || opt == nil || opt.name != "exit-style" {
			continue
		}
		if !joined && i+1 < len(l.args) {
			value = l.args[i+1]
		}
		if slices.Contains(opt.choices, value) {
			return strings.Clone(value)
		}
	}
	return ""
}

// control reads a control line: the verb is the second word, and nothing but its own number and options may follow.
func (l *line) control(req *request, v *verbWord, value string, joined bool) error {
	name, next := verbName(l.args[1]), 2
	req.Verb, l.verb, l.word = v.verb, v.verb, name
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
	for next < len(l.args) {
		word := l.args[next]
		if opt, value, joined := l.opts.find(word); opt != nil && slices.Contains(opt.verbs, v.verb) {
			last, err := l.set(next, opt, value, joined)
			if err != nil {
				return err
			}
			next = last + 1
			continue
		}
		if optionLike(word) {
			return invalid("%s: does not go with %s (a verb stands alone with the ID)", l.optionName(word), name)
		}
		return invalid("%s: %s is one argument too many", name, l.quote(word))
	}
	switch v.verb {
	case verbDisp:
		if req.JSON && req.PID {
			return invalid("--pid: does not go with --json (which has the process ID in it)")
		}
	case verbStop:
		req.Wait = time.Minute
		if seconds > 0 {
			req.Wait = time.Duration(seconds) * time.Second
		}
	case verbPause:
		req.For = time.Duration(seconds) * time.Second
	}
	return nil
}

// options reads the words from index i on as options and their values.
func (l *line) options(i int) error {
	afterUser := false // the last option read was a verbatim one
	for ; i < len(l.args); i++ {
		word := l.args[i]
		if v, _, joined := findVerb(word); v != nil {
			if v.verb == verbHelp && l.verb != verbStart && !joined {
				l.verb = verbHelp
				return nil
			}
			if v.verb != l.verb || l.met || joined {
				return l.stray(v, verbName(word), joined)
			}
			l.met, afterUser = true, false
			continue
		}
		opt, value, joined := l.opts.find(word)
		if opt == nil {
			return l.unknown(i, afterUser)
		}
		if !opt.goesWith(l.verb) {
			return invalid("%s: does not go with %s (it goes with %s)", opt.spelling(word), l.what(), opt.where())
		}
		last, err := l.set(i, opt, value, joined)
		if err != nil {
			return err
		}
		i, afterUser = last, opt.verbatim
	}
	return l.missing()
}

// set takes over the option in the word at index i, and returns the index of the last word that belongs to it.
func (l *line) set(i int, opt *option, value string, joined bool) (last int, err error) {
	name := opt.spelling(l.args[i])
	if l.opts.flags.Changed(opt.name) {
		return i, invalid("%s: given more than once", name)
	}
	switch {
	case opt.on != nil && joined:
		return i, invalid("%s: takes no value", name)
	case opt.on == nil && !joined:
		if i++; i == len(l.args) || !l.opts.takes(opt, l.args[i]) {
			return i, l.valueless(i, opt, name)
		}
		value = l.args[i]
	}
	if opt.secret {
		l.secrets = append(l.secrets, secretArg{i, len(l.args[i]) - len(value)})
	}
	// pflag's own error quotes the value, so it is not used.
	if l.opts.flags.Set(opt.name, value) != nil {
		return i, invalid("%s: %s is not accepted (%s)", name, l.value(i, opt, value), opt.what)
	}
	return i, nil
}

// stray is the error for a verb, written as name, among options.
func (l *line) stray(v *verbWord, name string, joined bool) error {
	switch {
	case l.verb == verbStart && v.noID:
		return invalid("%s: does not go with an ID (it stands in the ID's place)", name)
	case l.verb == verbStart:
		return invalid("%s: does not go with other options (a verb stands alone with the ID)", name)
	case v.verb != l.verb:
		return invalid("%s: does not go with %s", name, l.word)
	case joined:
		return invalid("%s: takes no value", name)
	}
	return invalid("%s: given more than once", name)
}

// what is how an error line names what the line asks for.
func (l *line) what() string {
	if l.verb == verbStart {
		return "a watch"
	}
	return l.word
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
		if err == nil && opt.required && opt.goesWith(l.verb) && *opt.text == "" {
			err = &usageError{12, fmt.Sprintf("%s: missing or empty (%s)", opt.spelling(""), opt.what)}
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

func invalid(format string, args ...any) error {
	return &usageError{11, fmt.Sprintf(format, args...)}
}
