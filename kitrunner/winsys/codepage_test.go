package winsys

import "testing"

func TestDecode(t *testing.T) {
	for in, want := range map[string]string{
		"":                                   "",
		"SRV01 <20>":                         "SRV01 <20>",
		"\xff\xfeS\x00\x3d\xd8\x00\xde4\x00": "S😀4",
		"\xfe\xff\x00S\x72\xb6":              "S状",
		"\xff\xfeS\x00R":                     "S", // cut off in the middle of a character
		"\xef\xbb\xbf\xe7\x8a\xb6\xff":       "状\uFFFD",
		"\x00<20>":                           "\x00<20>",
	} {
		if got := decode([]byte(in)); got != want {
			t.Errorf("%q is read as %q, want %q", in, got, want)
		}
	}
}
