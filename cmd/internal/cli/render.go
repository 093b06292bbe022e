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

// lineWidth is where prose is broken without a better reason, in places of a terminal's line.
const lineWidth = 100

// wrapped prints a label and prose behind it, broken between words before width; further lines begin with indent.
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

// printable makes what a server or another process wrote safe for a terminal: one line, no control characters.
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

// colours says whether out takes colours: only a terminal with control sequences does, and only without NO_COLOR (no-color.org).
func colours(out *os.File) palette {
	_, _, steers := screen(out)
	return palette(steers && os.Getenv("NO_COLOR") == "")
}

// screen returns the size of the terminal that out is, in characters, 0 being unknown, and whether it knows control sequences: one that
// calls itself dumb (an editor's, a job server's) does not.
func screen(out *os.File) (width, height int, steers bool) {
	if _, err := unix.IoctlGetTermios(int(out.Fd()), unix.TCGETS); err != nil {
		return 0, 0, false
	}
	if size, err := unix.IoctlGetWinsize(int(out.Fd()), unix.TIOCGWINSZ); err == nil {
		width, height = int(size.Col), int(size.Row)
	}
	return width, height, os.Getenv("TERM") != "dumb"
}

// proseWidth is where prose on a terminal of this width is broken.
func proseWidth(terminal int) int {
	if terminal == 0 {
		return lineWidth
	}
	return min(terminal, lineWidth)
}

// ago is a length of time in its one or two largest units, rounded down: "12 s", "3 min", "2 h 5 min", "4 d 1 h".
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
