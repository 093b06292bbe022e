package cli

import (
	"strconv"
	"strings"
)

// suspects are the places of what may be secret on a line that was not understood: everything after the first word that
// looks like a secret option.
func (l *line) suspects() []secretArg {
	var all []secretArg
	for i := l.doubt; i < len(l.args); i++ {
		offset := 0
		if i == l.doubt {
			offset = l.opts.secretIn(l.args[i])
		}
		if offset < len(l.args[i]) {
			all = append(all, secretArg{i, offset})
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
