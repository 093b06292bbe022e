package argv

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// maxString is the limit of every string parameter, in bytes (FSM manual 7.4,
// notes on -s, -a, -u, -p, -d).
const maxString = 255

// Options is the set of options that one command accepts. Each option has a
// long name (written --name) and, unless short is empty, a one-letter short
// name (written -x). Make one with Grammar.Options.
type Options struct {
	grammar Grammar
	flags   *pflag.FlagSet
}

// option is one declared option. It is the pflag.Value itself, so that pflag's
// table is the only list of options.
type option struct {
	name, short string
	what        string // what is accepted, for the error line

	text   *string // exactly one of text, list, number and on is set
	list   *[]string
	most   int // of list
	number *int
	on     *bool
	lo, hi int

	required, secret, verbatim bool

	choices []string // the only values accepted; nil: any
	verbs   []Verb   // what it goes with; nil: Grammar.Usual
}

// String declares an option whose value is a string of 1 to 255 bytes. what
// says what the string is ("the name of a share"); error lines add the length.
func (o *Options) String(p *string, name, short, what string) {
	what = fmt.Sprintf("%s, 1 to %d bytes", what, maxString)
	o.declare(&option{name: name, short: short, text: p, what: what})
}

// Secret declares an option like String whose value is never shown, may be
// empty, and is taken even when it begins with a dash. Line.Secrets says where
// on the command line the value stands.
func (o *Options) Secret(p *string, name, short string) {
	what := fmt.Sprintf("at most %d bytes", maxString)
	o.declare(&option{name: name, short: short, text: p, secret: true, what: what})
}

// Int declares an option whose value is a whole number from lo to hi, in
// decimal digits without a sign. what is its unit ("seconds") or empty. The
// number may also be joined to the short name (-i5), as FSM prints it for -n.
func (o *Options) Int(p *int, name, short string, lo, hi int, what string) {
	what = wholeNumber(lo, hi, what)
	o.declare(&option{name: name, short: short, number: p, lo: lo, hi: hi, what: what})
}

// Bool declares an option without a value.
func (o *Options) Bool(p *bool, name, short string) {
	o.declare(&option{name: name, short: short, on: p})
}

// Choice declares an option whose value is one of a few words.
func (o *Options) Choice(p *string, name string, words ...string) {
	o.declare(&option{name: name, text: p, choices: words, what: strings.Join(words, " or ")})
}

// List declares an option whose value is up to most strings, separated by
// commas; it may also be given several times. With words only these are
// accepted. what says what the value is.
func (o *Options) List(p *[]string, name string, most int, what string, words ...string) {
	o.declare(&option{name: name, list: p, most: most, choices: words, what: what})
}

// Only says which verbs a declared option goes with, if not the usual ones.
func (o *Options) Only(name string, verbs ...Verb) { o.named(name).verbs = verbs }

// Required makes a declared string option compulsory: without it, or with an
// empty one, the line is Incomplete.
func (o *Options) Required(name string) { o.named(name).required = true }

// Verbatim lets the value of a declared string option be a word that is also an
// option or a verb (a user called "-pause"). For other options such a word
// means that the value was forgotten, unless it is written as --name=-pause.
func (o *Options) Verbatim(name string) { o.named(name).verbatim = true }

func (o *Options) declare(opt *option) { o.flags.VarP(opt, opt.name, opt.short, opt.what) }

func (o *Options) named(name string) *option { return o.flags.Lookup(name).Value.(*option) }

// Chosen returns the value that a line which was not understood gives an option
// declared with Choice, wherever it stands; empty: none that is accepted.
func (o *Options) Chosen(name string, args []string) string {
	for i, word := range args {
		opt, value, joined := o.find(word)
		if opt == nil || opt.name != name {
			continue
		}
		if !joined && i+1 < len(args) {
			value = args[i+1]
		}
		if slices.Contains(opt.choices, value) {
			return strings.Clone(value)
		}
	}
	return ""
}

// find reads one word of the command line as a declared option. joined is true
// when the word also holds the value: --name=VALUE, or a number directly after
// a short name. Any other word with one dash and more than one letter is no
// option, so that -sto never means -s to.
func (o *Options) find(word string) (opt *option, value string, joined bool) {
	if long, ok := strings.CutPrefix(word, "--"); ok {
		long, value, joined = strings.Cut(long, "=")
		if o.flags.Lookup(long) == nil {
			return nil, "", false
		}
		return o.named(long), value, joined
	}
	opt = o.shorthand(word)
	switch {
	case opt == nil || len(word) == 2:
		return opt, "", false
	case opt.number != nil && word[2] >= '0' && word[2] <= '9':
		return opt, word[2:], true
	}
	return nil, "", false
}

// shorthand returns the option whose short name begins the word, whatever
// follows it.
func (o *Options) shorthand(word string) *option {
	if len(word) < 2 || word[0] != '-' {
		return nil
	}
	if flag := o.flags.ShorthandLookup(word[1:2]); flag != nil {
		return flag.Value.(*option)
	}
	return nil
}

// each calls f for every option in the order of declaration.
func (o *Options) each(f func(*option)) {
	o.flags.VisitAll(func(flag *pflag.Flag) { f(flag.Value.(*option)) })
}

// takes says whether the next word can be the value of opt; if not, the value
// was forgotten. No option takes a word that begins like a secret one:
// "-u $USER -p PASSWORD" with an empty USER must not make the password public.
func (o *Options) takes(opt *option, next string) bool {
	if opt.secret {
		return true
	}
	if o.secretStart(next) >= 0 {
		return false
	}
	verb, _, _ := o.grammar.find(next)
	other, _, _ := o.find(next)
	return opt.verbatim || verb == nil && other == nil && next != "--"
}

var errNotAccepted = errors.New("not accepted")

// Set implements pflag.Value. It copies s, since the caller overwrites the
// memory of the arguments afterwards. Its error does not quote s: only the
// writer of the error line knows whether s may be shown.
func (opt *option) Set(s string) error {
	switch {
	case opt.on != nil:
		*opt.on = true
	case opt.number != nil:
		n, err := parseNumber(s, opt.lo, opt.hi)
		if err != nil {
			return err
		}
		*opt.number = n
	case opt.list != nil:
		for part := range strings.SplitSeq(s, ",") {
			if part == "" || !opt.fits(part) || len(*opt.list) == opt.most {
				return errNotAccepted
			}
			*opt.list = append(*opt.list, strings.Clone(part))
		}
	case s == "" && !opt.secret && !opt.required, !opt.fits(s):
		return errNotAccepted
	default:
		*opt.text = strings.Clone(s)
	}
	return nil
}

// fits reports whether s is not too long, and one of the choices if there are
// any.
func (opt *option) fits(s string) bool {
	return len(s) <= maxString && (opt.choices == nil || slices.Contains(opt.choices, s))
}

// String implements pflag.Value. It is empty: pflag would print it as the
// default, but nothing asks pflag to print.
func (opt *option) String() string { return "" }

// Type implements pflag.Value.
func (opt *option) Type() string { return "value" }

// goesWith reports whether the option goes with the verb.
func (o *Options) goesWith(opt *option, v Verb) bool {
	if opt.verbs == nil {
		return slices.Contains(o.grammar.Usual, v)
	}
	return slices.Contains(opt.verbs, v)
}

// where says what the option goes with.
func (o *Options) where(opt *option) string {
	if opt.verbs == nil {
		return strings.Join(o.grammar.names(o.grammar.Usual), " or ")
	}
	return strings.Join(o.grammar.names(opt.verbs), ", ")
}

// spelling is the option's name in the form of word, in which it was found.
func (opt *option) spelling(word string) string {
	if strings.HasPrefix(word, "--") || opt.short == "" {
		return "--" + opt.name
	}
	return "-" + opt.short
}

// parseNumber reads a whole number from lo to hi in decimal digits only.
func parseNumber(s string, lo, hi int) (int, error) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, errNotAccepted
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < lo || n > hi {
		return 0, errNotAccepted
	}
	return n, nil
}

func wholeNumber(lo, hi int, unit string) string {
	if unit != "" {
		unit = " of " + unit
	}
	return fmt.Sprintf("a whole number%s from %d to %d", unit, lo, hi)
}
