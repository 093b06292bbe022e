package argv

import (
	"strconv"
	"strings"
	"unsafe"
)

// Place is where a secret stands among the arguments: from byte Offset to the
// end of args[Index].
type Place struct{ Index, Offset int }

// Wipe overwrites the memory of these parts of the arguments. On Linux os.Args
// aliases the memory that /proc/PID/cmdline shows, so afterwards the process
// list no longer has the secrets; whoever needs them must hold a copy.
func Wipe(args []string, secrets []Place) {
	for _, s := range secrets {
		part := args[s.Index][s.Offset:]
		clear(unsafe.Slice(unsafe.StringData(part), len(part)))
	}
}

// secretStart returns where in word a secret's value starts, if word begins
// like a secret option, well written or not (-p, -pVALUE, -p=VALUE,
// --passwordVALUE, --p=VALUE), and otherwise -1. Other options and the verbs do
// not count (--port, -pause).
func (o *Options) secretStart(word string) int {
	dashes := len(word) - len(strings.TrimLeft(word, "-"))
	if dashes == 0 {
		return -1
	}
	if v, _, _ := o.grammar.find(word); v != nil {
		return -1
	}
	if opt, _, _ := o.find(word); opt != nil && !opt.secret {
		return -1
	}
	start := -1
	o.each(func(opt *option) {
		// The longer name comes last: it leaves less of the word.
		for _, name := range []string{opt.short, opt.name} {
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

// secretIn is secretStart for a word that may be several words in one pair of
// quotes ("-s share -p VALUE").
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

// suspects are the places of what may be secret on a line that was not
// understood: everything after the first word that looks like a secret option.
func (p *parser) suspects() []Place {
	var all []Place
	for i := p.doubt; i < len(p.args); i++ {
		offset := 0
		if i == p.doubt {
			offset = p.opts.secretIn(p.args[i])
		}
		if offset < len(p.args[i]) {
			all = append(all, Place{i, offset})
		}
	}
	return all
}

// value is how an error line shows the value s of opt at index i. In doubt only
// a number is shown.
func (p *parser) value(i int, opt *option, s string) string {
	if opt.secret || i > p.doubt && strings.Trim(strings.TrimLeft(s, "+-"), "0123456789") != "" {
		return "the value"
	}
	return p.quote(s)
}

// quote is how an error line shows a word: cut to 40 characters, and after the
// name of a secret option.
func (p *parser) quote(word string) string {
	cut := word
	if at := p.opts.secretIn(cut); at >= 0 {
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

// optionName is how an error line names an option-like word: as it was written,
// without the value and cut to 40 characters. Of a word that is no option only
// what reads like a name is shown, and nothing that may be a secret.
func (p *parser) optionName(word string) string {
	if opt, _, _ := p.opts.find(word); opt != nil {
		return opt.spelling(word)
	}
	end := 0
	for end < len(word) && end < 40 && nameByte(word[end]) {
		end++
	}
	if at := p.opts.secretIn(word); at >= 0 {
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
	return b == '-' || b == '_' ||
		b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

// optionLike says whether a word is meant as an option: a dash and more, but
// not a negative number.
func optionLike(word string) bool {
	return len(word) > 1 && word[0] == '-' && (word[1] < '0' || word[1] > '9')
}
