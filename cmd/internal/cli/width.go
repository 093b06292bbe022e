package cli

import "unicode"

// Share names in Japanese are usual where these commands come from, and a terminal gives such characters two places.

// wideRanges are the characters that take two places: East Asian Width W and F of UAX #11, by whole blocks where that changes nothing
// for a character that has a shape.
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

// visible counts the places that s takes: colour sequences take none.
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
