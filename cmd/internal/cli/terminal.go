package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// lineWidth is the usual width of prose, in places of a terminal's line.
const lineWidth = 100

// wrapped prints a label and prose after it, broken between words so that no
// line is longer than width. Further lines begin with indent.
func wrapped(out io.Writer, width int, label, text, indent string) {
	line, used := label, visible(label)
	fresh := true
	for _, word := range strings.Fields(text) {
		n := visible(word)
		if !fresh && used+1+n > width {
			fmt.Fprintln(out, line)
			line, used, fresh = indent, len(indent), true
		}
		if !fresh {
			line, used = line+" ", used+1
		}
		line, used, fresh = line+word, used+n, false
	}
	fmt.Fprintln(out, line)
}

// printable makes what a server or another process wrote safe for a terminal:
// one line, no control characters.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) && r != utf8.RuneError {
			return r
		}
		return '?'
	}, s)
}

// palette colours words, or does not.
type palette bool

func (p palette) paint(colour, s string) string {
	if !p {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}

func (p palette) good(s string) string { return p.paint("32", s) }
func (p palette) odd(s string) string  { return p.paint("33", s) }
func (p palette) bad(s string) string  { return p.paint("1;31", s) }

// colours says whether out takes colours: only a terminal with control
// sequences does, and only without NO_COLOR (no-color.org).
func colours(out *os.File) palette {
	_, _, steers := screen(out)
	return palette(steers && os.Getenv("NO_COLOR") == "")
}

// screen returns the size of out's terminal in characters (0: unknown), and
// whether it knows control sequences. A terminal that calls itself dumb (an
// editor's, a job server's) does not.
func screen(out *os.File) (width, height int, steers bool) {
	if _, err := unix.IoctlGetTermios(int(out.Fd()), unix.TCGETS); err != nil {
		return 0, 0, false
	}
	if size, err := unix.IoctlGetWinsize(int(out.Fd()), unix.TIOCGWINSZ); err == nil {
		width, height = int(size.Col), int(size.Row)
	}
	return width, height, os.Getenv("TERM") != "dumb"
}

// proseWidth is the width of prose on a terminal of this width.
func proseWidth(terminal int) int {
	if terminal == 0 {
		return lineWidth
	}
	return min(terminal, lineWidth)
}

// ago is a length of time in its one or two largest units, rounded down:
// "12 s", "3 min", "2 h 5 min", "4 d 1 h".
func ago(d time.Duration) string {
	d = max(d, 0)
	switch s := int(d.Seconds()); {
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 3600:
		return fmt.Sprintf("%d min", s/60)
	case s < 24*3600:
		return units(s/3600, "h", s%3600/60, "min")
	default:
		return units(s/(24*3600), "d", s%(24*3600)/3600, "h")
	}
}

func units(n int, unit string, m int, smaller string) string {
	if m == 0 {
		return fmt.Sprintf("%d %s", n, unit)
	}
	return fmt.Sprintf("%d %s %d %s", n, unit, m, smaller)
}

// wideRanges are the characters that take two places of a terminal's line;
// Japanese share names have them. They are East Asian Width W and F of UAX #11,
// by whole blocks where that makes no difference for any visible character.
var wideRanges = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x1100, Hi: 0x115F, Stride: 1}, // Hangul Jamo
		{Lo: 0x2E80, Hi: 0x303E, Stride: 1}, // CJK radicals and punctuation
		{Lo: 0x3041, Hi: 0x4DBF, Stride: 1}, // kana, enclosed and compatible forms, extension A
		{Lo: 0x4E00, Hi: 0xA4CF, Stride: 1}, // unified ideographs, Yi
		{Lo: 0xA960, Hi: 0xA97F, Stride: 1}, // Hangul Jamo extended A
		{Lo: 0xAC00, Hi: 0xD7A3, Stride: 1}, // Hangul syllables
		{Lo: 0xF900, Hi: 0xFAFF, Stride: 1}, // compatibility ideographs
		{Lo: 0xFE30, Hi: 0xFE6F, Stride: 1}, // vertical and small forms
		{Lo: 0xFF01, Hi: 0xFF60, Stride: 1}, // full-width forms
		{Lo: 0xFFE0, Hi: 0xFFE6, Stride: 1}, // full-width signs
	},
	R32: []unicode.Range32{
		{Lo: 0x16FE0, Hi: 0x18AFF, Stride: 1}, // Tangut
		{Lo: 0x1AFF0, Hi: 0x1B2FF, Stride: 1}, // kana supplements
		{Lo: 0x1F300, Hi: 0x1F64F, Stride: 1}, // pictographs
		{Lo: 0x1F680, Hi: 0x1F6FF, Stride: 1},
		{Lo: 0x1F900, Hi: 0x1F9FF, Stride: 1},
		{Lo: 0x20000, Hi: 0x3FFFD, Stride: 1}, // further ideographs
	},
}

// places is how many places of a terminal's line the character takes.
func places(r rune) int {
	switch {
	case r < 0x300: // all of Latin
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me): // stands on the one before it
		return 0
	case unicode.Is(wideRanges, r):
		return 2
	}
	return 1
}

// visible counts the places that s takes. Colour sequences take none.
func visible(s string) int {
	n, within := 0, false
	for _, r := range s {
		switch {
		case r == '\x1b':
			within = true
		case within:
			within = r != 'm'
		default:
			n += places(r)
		}
	}
	return n
}

// shorten cuts s, which has no colours, to width places.
func shorten(s string, width int) string {
	if visible(s) <= width {
		return s
	}
	if width < 1 {
		return ""
	}
	room := width - 1 // for the ellipsis
	for i, r := range s {
		if room -= places(r); room < 0 {
			return s[:i] + "…"
		}
	}
	return s
}
