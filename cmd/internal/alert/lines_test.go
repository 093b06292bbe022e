package alert

import (
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSplit(t *testing.T) {
	x := func(n int) string { return strings.Repeat("x", n) }
	tests := []struct {
		name        string
		text        string
		first, rest int
		want        []string
	}{
		{"empty", "", 255, 255, []string{""}},
		{"short", "abc", 255, 255, []string{"abc"}},
		{"exactly one line", x(255), 255, 255, []string{x(255)}},
		{"one byte more", x(256), 255, 255, []string{x(255), "x"}},
		{"a smaller first line", x(40), 10, 20, []string{x(10), x(20), x(10)}},
		{"two bytes each", strings.Repeat("é", 8), 11, 11, []string{"ééééé", "ééé"}},
		{"kana that ends on the limit", strings.Repeat("か", 86), 255, 255,
			[]string{strings.Repeat("か", 85), "か"}},
		{"kana across the limit", "a" + strings.Repeat("か", 85), 255, 255,
			[]string{"a" + strings.Repeat("か", 84), "か"}},
		{"four bytes each", "😀😀😀😀", 10, 13, []string{"😀😀", "😀😀"}},
		{"ideographic space stays", "共有　フォルダ", 255, 255, []string{"共有　フォルダ"}},
		{"backslashes stay", `\\server\share`, 255, 255, []string{`\\server\share`}},
		{"invalid bytes", "a\xe3\x81b\xff", 255, 255, []string{`a\xe3\x81b\xff`}},
		{"an honest replacement character", "\ufffd", 255, 255, []string{"\ufffd"}},
		{"line breaks", "a\r\nb\u2028c\u0085", 255, 255, []string{`a\r\nb\u2028c\u0085`}},
		{"terminal escape", "\x1b[2J\x07\x00\x7f", 255, 255, []string{`\x1b[2J\a\x00\x7f`}},
		{"reordering", "a\u202eb\u2066", 255, 255, []string{`a\u202eb\u2066`}},
		{"no escape is split", "12345678\n\x1b", 10, 10, []string{`12345678\n`, `\x1b`}},
		{"the longest escape", "x\U000e0001", 1, 1, []string{"x", `\U000e0001`}},
		{"limits too small", x(11), -5, 0, []string{x(10), "x"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			same(t, "pieces", split(tt.text, tt.first, tt.rest), tt.want)
		})
	}
}

func FuzzSplit(f *testing.F) {
	f.Add("The clp_sambamon has started watching Samba.", 255, 255)
	f.Add("共有\xe3\x81\n\x1b[0m😀\u202e\U000e0001", 10, 11)
	f.Add("", 0, -1)
	f.Fuzz(func(t *testing.T, text string, first, rest int) {
		pieces := split(text, first, rest)
		limit := max(first, minPiece)
		for i, p := range pieces {
			if len(p) > limit {
				t.Errorf("piece %d has %d bytes of at most %d", i, len(p), limit)
			}
			if len(p) == 0 && (i > 0 || text != "") {
				t.Errorf("piece %d is empty", i)
			}
			if !utf8.ValidString(p) ||
				strings.ContainsFunc(p, func(r rune) bool { return !strconv.IsGraphic(r) }) {
				t.Errorf("piece %d is not printable: %q", i, p)
			}
			limit = max(rest, minPiece)
		}
		whole := strings.Join(pieces, "")
		if !strings.ContainsFunc(text, func(r rune) bool { return !strconv.IsGraphic(r) }) &&
			utf8.ValidString(text) && whole != text {
			t.Errorf("%q came out as %q", text, whole)
		}
		if again := split(whole, len(whole), 0); len(again) != 1 || again[0] != whole {
			t.Errorf("%q is not left alone the second time: %q", whole, again)
		}
	})
}

func TestLines(t *testing.T) {
	const head = "2026-11-21T20:41:00+09:00 sambamon ERROR 62 "
	a := Alert{
		Text:   strings.Repeat("か", 150),
		Detail: "STATUS_BAD_NETWORK_NAME (0xC00000CC)",
	}
	got := lines(head, a)
	same(t, "lines", got, []string{
		head + strings.Repeat("か", 70),
		head + "... " + strings.Repeat("か", 69),
		head + "... " + strings.Repeat("か", 11),
		head + "... STATUS_BAD_NETWORK_NAME (0xC00000CC)",
	})
	for fill := range 600 {
		for i, line := range lines(head,
			Alert{Text: strings.Repeat("x", fill), Detail: strings.Repeat("é", fill)}) {
			if len(line) > lineBytes {
				t.Fatalf("line %d of a text of %d bytes has %d", i, fill, len(line))
			}
		}
	}
}
