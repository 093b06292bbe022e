package alert

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

const (
	lineBytes = 255    // FSM manual 6.1: a line has at most this many bytes
	minPiece  = 10     // bytes of the longest single thing that is never split: \U0001f600
	further   = "... " // stands before every line of an alert but its first
)

// split cuts text into pieces, the first of at most first bytes and the others
// of at most rest (10 if less is given), never inside a character. The pieces
// are printable, whatever a server sent: control and format characters, which
// could end the line, steer a terminal or reorder the text, and bytes that are
// not UTF-8 become escapes as Go writes them (\n, \x1b, \u202e, \xff). No text
// is one empty piece.
func split(text string, first, rest int) []string {
	var pieces []string
	var piece []byte
	limit := max(first, minPiece)
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		char := text[:size]
		switch {
		case r == utf8.RuneError && size == 1:
			char = fmt.Sprintf(`\x%02x`, text[0])
		case !strconv.IsGraphic(r):
			quoted := strconv.QuoteRuneToGraphic(r)
			char = quoted[1 : len(quoted)-1]
		}
		if len(piece)+len(char) > limit {
			pieces = append(pieces, string(piece))
			piece = piece[:0]
			limit = max(rest, minPiece)
		}
		piece = append(piece, char...)
		text = text[size:]
	}
	return append(pieces, string(piece))
}

// OneLine makes text printable and cuts it after limit bytes.
func OneLine(text string, limit int) string {
	pieces := split(text, limit, limit)
	if len(pieces) > 1 {
		return pieces[0] + "..."
	}
	return pieces[0]
}

// lines returns an alert as lines of at most 255 bytes, each beginning with
// head: the text, then, marked with "... ", its continuation and the detail.
func lines(head string, a Alert) []string {
	first := lineBytes - len(head)
	rest := first - len(further)
	var out []string
	for i, piece := range split(a.Text, first, rest) {
		if i > 0 {
			piece = further + piece
		}
		out = append(out, head+piece)
	}
	if a.Detail != "" {
		for _, piece := range split(a.Detail, rest, rest) {
			out = append(out, head+further+piece)
		}
	}
	return out
}

// logHead is what stderr and the log file put before every line:
// "2026-11-21T20:41:00+09:00 sambamon INFO 1 ", in local time.
func logHead(ident string, a Alert) string {
	return fmt.Sprintf("%s %s %s %d ", a.Time.Local().Format("2006-01-02T15:04:05-07:00"), ident,
		a.Severity, a.Number)
}
