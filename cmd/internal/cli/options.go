package cli

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// maxString is FSM's limit for every string parameter, in bytes (FSM chapter 7.4, notes on -s, -a, -u, -p, -d).
const maxString = 255

// Options is the set of options one command accepts: the shared ones (-i, -c, -r, --log-file and the like) and the command's own. Each
// option has a long name (written --name) and, unless short is empty, a one-letter short name (written -x).
type Options struct {
	flags *pflag.FlagSet
}

// option is one declared option. It is the pflag.Value itself, so that pflag's table is the only list of options.
type option struct {
	name, short string
	what        string // what is accepted, for the error line

	text   *string // exactly one of text, number and on is set
	number *int
	on     *bool
	lo, hi int

	required, secret, verbatim bool

	choices []string // the only values accepted; nil: any
	verbs   []verb   // what it goes with; nil: Start and Check
}

func newOptions() *Options {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.SortFlags = false
	return &Options{flags: flags}
}

// String declares an option whose value is a string of 1 to 255 bytes. what says what the string is ("the name of a share");
// the length is added to it in error lines.
func (o *Options) String(p *string, name, short, what string) {
	o.declare(&option{name: name, short: short, text: p, what: fmt.Sprintf("%s, 1 to %d bytes", what, maxString)})
}

// Secret declares an option like String whose value is never shown, may be empty, and is taken verbatim even when it begins
// with a dash. request.secrets tells where on the command line the value stood.
func (o *Options) Secret(p *string, name, short string) {
	o.declare(&option{name: name, short: short, text: p, secret: true, what: fmt.Sprintf("at most %d bytes", maxString)})
}

// Int declares an option whose value is a whole number from lo to hi, in decimal digits without a sign. what is its unit
// ("seconds") or empty. Joined to the short name (-i5) the number is accepted too, as FSM prints it for -n.
func (o *Options) Int(p *int, name, short string, lo, hi int, what string) {
	o.declare(&option{name: name, short: short, number: p, lo: lo, hi: hi, what: wholeNumber(lo, hi, what)})
}

// Bool declares an option without a value.
func (o *Options) Bool(p *bool, name, short string) {
	o.declare(&option{name: name, short: short, on: p})
}

// choice declares an option whose value is one of a few words.
func (o *Options) choice(p *string, name string, words ...string) {
	o.declare(&option{name: name, text: p, choices: words, what: strings.Join(words, " or ")})
}

// only binds a declared option to the verbs it goes with. All others belong to a watch, and -check takes them too: its line is that of
// a watch with -check in the ID's place.
func (o *Options) only(name string, verbs ...verb) { o.named(name).verbs = verbs }

// Required makes a declared string option compulsory: missing or empty is message 12.
func (o *Options) Required(name string) { o.named(name).required = true }

// Verbatim lets the value of a declared string option be a word that is also an option or a verb (a user called "-pause").
// For other options such a word means that the value was forgotten, unless it is written as --name=-pause.
func (o *Options) Verbatim(name string) { o.named(name).verbatim = true }

func (o *Options) declare(opt *option) { o.flags.VarP(opt, opt.name, opt.short, opt.what) }

func (o *Options) named(name string) *option { return o.flags.Lookup(name).Value.(*option) }

// find reads one word of the command line as a declared option. joined is true when the word also holds the value:
// --name=VALUE, or a number directly after a short name. Everything else with one dash and more than one letter is no option,
// so that -sto never means -s to.
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

// shorthand gives the option whose short name word begins with, whatever follows.
func (o *Options) shorthand(word string) *option {
	if len(word) < 2 || word[0] != '-' {
		return nil
	}
	if flag := o.flags.ShorthandLookup(word[1:2]); flag != nil {
		return flag.Value.(*option)
	}
	return nil
}

// secretStart returns where in word a secret's value starts when word begins like a secret option, well written or not (-p, -pVALUE,
// -p=VALUE, --passwordVALUE, --p=VALUE), and -1 otherwise. Other options and the verbs are not meant (--port, -pause).
func (o *Options) secretStart(word string) int {
	dashes := len(word) - len(strings.TrimLeft(word, "-"))
	if dashes == 0 {
		return -1
	}
	if v, _, _ := findVerb(word); v != nil {
		return -1
	}
	if opt, _, _ := o.find(word); opt != nil && !opt.secret {
		return -1
	}
	start := -1
	o.each(func(opt *option) {
		for _, name := range []string{opt.short, opt.name} { // the longer name last: it leaves less of the word
			if opt.secret && name != "" && strings.HasPrefix(word[dashes:], name) {
				start = dashes + len(name)
			}
		}
	})
	if start >= 0 && start < len(word) && word[start] == '=' {
		start++
	}
	return start
}

// secretIn is secretStart for a word that may be several words in one pair of quotes ("-s share -p VALUE").
func (o *Options) secretIn(word string) int {
	for i := range len(word) {
		if i > 0 && word[i-1] > ' ' {
			continue
		}
		part := word[i:]
		if end := strings.IndexFunc(part, func(r rune) bool { return r <= ' ' }); end >= 0 {
			part = part[:end]
		}
		if start := o.secretStart(part); start >= 0 {
			return i + start
		}
	}
	return -1
}

// each calls f for every option in the order of declaration.
func (o *Options) each(f func(*option)) {
	o.flags.VisitAll(func(flag *pflag.Flag) { f(flag.Value.(*option)) })
}

// takes says whether the next word on the command line can be the value of opt, or whether the value was forgotten. No option
// takes a word that begins like a secret one: "-u $USER -p PASSWORD" with an empty USER must not make the password public.
func (o *Options) takes(opt *option, next string) bool {
	if opt.secret {
		return true
	}
	if o.secretStart(next) >= 0 {
		return false
	}
	verb, _, _ := findVerb(next)
	other, _, _ := o.find(next)
	return opt.verbatim || verb == nil && other == nil && next != "--"
}

var errNotAccepted = errors.New("not accepted")

// Set implements pflag.Value. It copies s, since the caller overwrites the memory of the arguments afterwards. Its error says
// nothing about s: the line for people is written where it is known whether s may be shown.
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
	case len(s) > maxString || s == "" && !opt.secret && !opt.required, opt.choices != nil && !slices.Contains(opt.choices, s):
		return errNotAccepted
	default:
		*opt.text = strings.Clone(s)
	}
	return nil
}

// String implements pflag.Value. It is empty: pflag keeps the result as the default to print, and nothing prints it.
func (opt *option) String() string { return "" }

// Type implements pflag.Value.
func (opt *option) Type() string { return "value" }

// goesWith reports whether the option belongs to what the line asks for.
func (opt *option) goesWith(v verb) bool {
	if opt.verbs == nil {
		return v == verbStart || v == verbCheck
	}
	return slices.Contains(opt.verbs, v)
}

// where says what the option goes with.
func (opt *option) where() string {
	if opt.verbs == nil {
		return "a watch or -check"
	}
	var words []string
	for _, v := range verbWords {
		if slices.Contains(opt.verbs, v.verb) {
			words = append(words, "-"+v.word)
		}
	}
	return strings.Join(words, ", ")
}

// spelling is the option's name in the form of word, in which it was found.
func (opt *option) spelling(word string) string {
	if strings.HasPrefix(word, "--") || opt.short == "" {
		return "--" + opt.name
	}
	return "-" + opt.short
}

// parseNumber reads a whole number from lo to hi written in decimal digits only.
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
