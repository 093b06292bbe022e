// Package argv is the grammar of a command line: an ID followed by options or
// by a verb, or no ID but a verb that goes without one. Words with one dash are
// whole words (-stop is not -s top), and no secret is ever shown, however badly
// its option was written.
package argv

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// Verb is what a command line asks for, by a number of its owner. 0 is what a
// line without a verb's word asks for.
type Verb int

// Word is a verb as it is written, with one dash or two.
type Word struct {
	Name    string
	Verb    Verb
	Seconds int  // the largest number of seconds that may follow; 0: none may
	NoID    bool // goes without an ID, anywhere among its options
	Alone   bool // goes without an ID, as the first word; what follows is not judged
}

// Grammar is what is the same for every line of a command.
type Grammar struct {
	Words   []Word
	Default string // how error lines name verb 0: "a watch"
	Usual   []Verb // what an option goes with unless Options.Only says otherwise
	Help    Verb   // an Alone verb that is also answered among the options of a NoID one

	ValidID func(string) error
	IDRule  string // what ValidID accepts, for error lines
	// Check, if not nil, judges a line that is otherwise accepted. Its error
	// goes to the user as it is.
	Check func(Verb) error
}

// Line is one command line that was read. The values of options are where they
// were declared.
type Line struct {
	Verb    Verb   // beside an error: as far as it was understood
	ID      string // empty for a verb that goes without one
	Seconds int    // the number after the verb; 0: none
	// Secrets are the parts of the arguments to overwrite, so that the process
	// list does not show them. Beside an error they are rather too many: on a
	// wrong line a password may stand anywhere after its option.
	Secrets []Place
}

// Kind says what is wrong with a command line.
type Kind int

// The kinds of wrong lines.
const (
	Invalid    Kind = iota
	NoID            // neither an ID nor a verb that goes without one
	Incomplete      // a required option is missing or empty
)

// Error is a command line that is not accepted.
type Error struct {
	Kind Kind
	// Text is one line for people, naming the option, the value and what is
	// accepted; never a secret's value.
	Text string
}

func (e *Error) Error() string { return e.Text }

// Options returns an empty set of options, to be declared.
func (g Grammar) Options() *Options {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.SortFlags = false
	return &Options{grammar: g, flags: flags}
}

// find reads one word of the command line as a verb: -stop, --stop,
// -stop=VALUE.
func (g *Grammar) find(word string) (w *Word, value string, joined bool) {
	name, ok := strings.CutPrefix(word, "-")
	if !ok {
		return nil, "", false
	}
	name, value, joined = strings.Cut(strings.TrimPrefix(name, "-"), "=")
	for i := range g.Words {
		if g.Words[i].Name == name {
			return &g.Words[i], value, joined
		}
	}
	return nil, "", false
}

// names are the names of verbs in error lines, in the order of the grammar.
func (g *Grammar) names(verbs []Verb) (names []string) {
	if slices.Contains(verbs, 0) {
		names = append(names, g.Default)
	}
	for _, w := range g.Words {
		if slices.Contains(verbs, w.Verb) {
			names = append(names, "-"+w.Name)
		}
	}
	return names
}

// written is a verb as it was written, without a joined value.
func written(word string) string {
	name, _, _ := strings.Cut(word, "=")
	return strings.Clone(name)
}

// Parse reads a command's arguments, without its name, and sets the declared
// options. Every string kept is a copy: args may be overwritten afterwards.
//
// The error is an *Error. A line that is wrong in several ways is judged in
// this order: no ID, a bad ID, a verb in the second place that does not stand
// alone, the options from left to right, a required option missing or empty.
func (o *Options) Parse(args []string) (Line, error) {
	p := &parser{args: args, opts: o}
	for p.doubt < len(args) && o.secretIn(args[p.doubt]) < 0 {
		p.doubt++
	}
	err := p.parse()
	if err == nil && o.grammar.Check != nil {
		if wrong := o.grammar.Check(p.line.Verb); wrong != nil {
			err = invalid("%v", wrong)
		}
	}
	if err != nil {
		return Line{Verb: p.line.Verb, Secrets: p.suspects()}, err
	}
	return p.line, nil
}

// parser is a command line being read.
type parser struct {
	args []string
	opts *Options
	// doubt is the index of the first word that looks like a secret option,
	// len(args) if there is none. A password with blanks that lost its quotes
	// continues in the words after it, so those are not shown.
	doubt int

	line Line
	word string // the verb as it was written; empty for verb 0
	met  bool   // the word of a NoID verb has been read
}

func (p *parser) parse() error {
	if len(p.args) == 0 || p.args[0] == "" || p.args[0][0] == '-' {
		return p.withoutID()
	}
	g := &p.opts.grammar
	id := p.args[0]
	if g.ValidID(id) != nil {
		return invalid("ID: %s is not accepted (%s)", p.quote(id), g.IDRule)
	}
	p.line.ID = strings.Clone(id)
	if len(p.args) > 1 {
		if w, value, joined := g.find(p.args[1]); w != nil && !w.NoID && !w.Alone {
			return p.control(w, value, joined)
		}
	}
	return p.options(1)
}

// withoutID reads a line whose first word is no ID. A NoID verb may stand
// anywhere among its options.
func (p *parser) withoutID() error {
	for i, word := range p.args {
		w, _, joined := p.opts.grammar.find(word)
		if w == nil {
			continue
		}
		if w.NoID {
			p.line.Verb, p.word = w.Verb, written(word)
			break
		}
		if w.Alone && i == 0 && !joined {
			p.line = Line{Verb: w.Verb, Secrets: p.suspects()}
			return nil
		}
	}
	if p.line.Verb == 0 {
		return p.noID()
	}
	if err := p.options(0); err != nil || p.line.Verb == p.opts.grammar.Help {
		return err
	}
	if !p.met { // it was the value of an option
		return p.noID()
	}
	return nil
}

func (p *parser) noID() error {
	rule := p.opts.grammar.IDRule
	return &Error{NoID, "ID: missing, it must be the first argument (" + rule + ")"}
}

// control reads a line whose second word is a verb. Nothing but the verb's own
// number and options may follow.
func (p *parser) control(w *Word, value string, joined bool) error {
	name, next := written(p.args[1]), 2
	p.line.Verb, p.word = w.Verb, name
	if !joined && w.Seconds > 0 && next < len(p.args) && !optionLike(p.args[next]) {
		value, joined, next = p.args[next], true, next+1
	}
	switch {
	case joined && w.Seconds == 0:
		return invalid("%s: takes no value", name)
	case joined:
		n, err := parseNumber(value, 1, w.Seconds)
		if err != nil {
			return invalid("%s: %s is not accepted (%s)",
				name, p.quote(value), wholeNumber(1, w.Seconds, "seconds"))
		}
		p.line.Seconds = n
	}
	for ; next < len(p.args); next++ {
		word := p.args[next]
		opt, value, joined := p.opts.find(word)
		switch {
		case opt != nil && slices.Contains(opt.verbs, w.Verb):
			last, err := p.set(next, opt, value, joined)
			if err != nil {
				return err
			}
			next = last
		case optionLike(word):
			return invalid("%s: does not go with %s (a verb stands alone with the ID)",
				p.optionName(word), name)
		default:
			return invalid("%s: %s is one argument too many", name, p.quote(word))
		}
	}
	return nil
}

// options reads the words from index i on as options and their values.
func (p *parser) options(i int) error {
	g := &p.opts.grammar
	afterUser := false // the last option read was a verbatim one
	for ; i < len(p.args); i++ {
		word := p.args[i]
		if w, _, joined := g.find(word); w != nil {
			if w.Verb == g.Help && p.line.Verb != 0 && !joined {
				p.line = Line{Verb: w.Verb, Secrets: p.suspects()}
				return nil
			}
			if w.Verb != p.line.Verb || p.met || joined {
				return p.stray(w, written(word), joined)
			}
			p.met, afterUser = true, false
			continue
		}
		opt, value, joined := p.opts.find(word)
		if opt == nil {
			return p.unknown(i, afterUser)
		}
		if !p.opts.goesWith(opt, p.line.Verb) {
			what := p.word
			if p.line.Verb == 0 {
				what = g.Default
			}
			return invalid("%s: does not go with %s (it goes with %s)",
				opt.spelling(word), what, p.opts.where(opt))
		}
		last, err := p.set(i, opt, value, joined)
		if err != nil {
			return err
		}
		i, afterUser = last, opt.verbatim
	}
	return p.missing()
}

// set gives the option in the word at index i its value, and returns the index
// of the last word that belongs to it.
func (p *parser) set(i int, opt *option, value string, joined bool) (last int, err error) {
	name := opt.spelling(p.args[i])
	if p.opts.flags.Changed(opt.name) && opt.list == nil {
		return i, invalid("%s: given more than once", name)
	}
	switch {
	case opt.on != nil && joined:
		return i, invalid("%s: takes no value", name)
	case opt.on == nil && !joined:
		if i++; i == len(p.args) || !p.opts.takes(opt, p.args[i]) {
			return i, p.valueless(i, opt, name)
		}
		value = p.args[i]
	}
	if opt.secret {
		p.line.Secrets = append(p.line.Secrets, Place{i, len(p.args[i]) - len(value)})
	}
	// pflag's own error quotes the value, so it is not used.
	if p.opts.flags.Set(opt.name, value) != nil {
		return i, invalid("%s: %s is not accepted (%s)", name, p.value(i, opt, value), opt.what)
	}
	return i, nil
}

// stray is the error for a verb, written as name, among options.
func (p *parser) stray(w *Word, name string, joined bool) error {
	switch {
	case p.line.Verb == 0 && (w.NoID || w.Alone):
		return invalid("%s: does not go with an ID (it stands in the ID's place)", name)
	case p.line.Verb == 0:
		return invalid("%s: does not go with other options (a verb stands alone with the ID)", name)
	case w.Verb != p.line.Verb:
		return invalid("%s: does not go with %s", name, p.word)
	case joined:
		return invalid("%s: takes no value", name)
	}
	return invalid("%s: given more than once", name)
}

// valueless is the error for opt, written as name, when the word at index i
// cannot be its value.
func (p *parser) valueless(i int, opt *option, name string) error {
	if i == len(p.args) || opt.number != nil {
		return invalid("%s: needs a value (%s)", name, opt.what)
	}
	return invalid("%s: needs a value (%s; one like another option is written --%s=VALUE)",
		name, opt.what, opt.name)
}

// missing finds the first required option that was not given or is empty.
func (p *parser) missing() (err error) {
	p.opts.each(func(opt *option) {
		if err == nil && opt.required && p.opts.goesWith(opt, p.line.Verb) && *opt.text == "" {
			text := fmt.Sprintf("%s: missing or empty (%s)", opt.spelling(""),
				p.meant(p.line.ID, opt.what))
			err = &Error{Incomplete, text}
		}
	})
	return err
}

// unknown is the error for the word at index i, which is neither an option nor
// a value. afterUser hides it: what follows a user's name without an option is
// most likely the password.
func (p *parser) unknown(i int, afterUser bool) error {
	word := p.args[i]
	hidden := i > p.doubt || afterUser && !optionLike(word)
	switch {
	case hidden && optionLike(word):
		return invalid("argument %d: unknown option (not shown, it may be part of a password)", i+1)
	case hidden:
		return invalid("argument %d: belongs to no option "+
			"(not shown, it may be a password; a value with blanks needs quotes)", i+1)
	case !optionLike(word):
		advice := "a value with blanks needs quotes"
		if p.word != "" {
			advice = p.word + " takes no ID; " + advice
		}
		return invalid("%s: belongs to no option (%s)", p.quote(word), p.meant(word, advice))
	}
	for _, w := range p.opts.grammar.Words {
		if w.Seconds > 0 && strings.HasPrefix(word, "-"+w.Name) {
			return invalid("-%s…: unknown option (write a space between -%s and its number)",
				w.Name, w.Name)
		}
	}
	name := p.optionName(word)
	if long := p.opts.flags.Lookup(word[1:]); long != nil {
		return invalid("%s: unknown option (write --%s)", name, long.Name)
	}
	if opt := p.opts.shorthand(word); opt != nil {
		return invalid("%s: unknown option (write a space between -%s and its value)",
			name, opt.short)
	}
	return invalid("%s: unknown option (--help shows all)", name)
}

// meant is advice on a word that may be a verb without its dash, else advice.
func (p *parser) meant(word, advice string) string {
	if w, _, _ := p.opts.grammar.find("-" + word); w != nil {
		return "the verb is -" + w.Name
	}
	return advice
}

func invalid(format string, args ...any) error {
	return &Error{Invalid, fmt.Sprintf(format, args...)}
}
