package winsys

import (
	"strings"
	"unicode/utf8"
)

// maxInsertion is the length of an insertion string that Windows takes, in
// UTF-16 units, rounded down (ReportEventW).
const maxInsertion = 31000

// insertion makes an event's text into one that ReportEvent takes as an
// insertion string and the Event Viewer shows as it is. A NUL would end it, and
// %1 in it would be replaced once more (ReportEventW, remarks).
func insertion(text string) string {
	text = strings.ReplaceAll(text, "\x00", " ")
	var b strings.Builder
	for i, r := range text {
		if b.Len() > maxInsertion-utf8.UTFMax {
			break // no text has more units than bytes
		}
		b.WriteRune(r)
		if r == '%' && i+1 < len(text) && ('0' <= text[i+1] && text[i+1] <= '9' ||
			text[i+1] == '%') {
			b.WriteByte(' ')
		}
	}
	return b.String()
}
