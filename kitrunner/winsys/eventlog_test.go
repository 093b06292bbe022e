package winsys

import (
	"strings"
	"testing"
	"unicode/utf16"
)

func TestInsertion(t *testing.T) {
	for in, want := range map[string]string{
		"100 % sure":  "100 % sure",
		"fe80::1%12":  "fe80::1% 12",
		"%1 and %%":   "% 1 and % %",
		"50%":         "50%",
		"a\x00b":      "a b",
		"[E:] 日本\r\n": "[E:] 日本\r\n",
	} {
		if got := insertion(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
	// ReportEvent takes 31839 characters.
	for _, c := range []string{"x", "日", "😀", "%1"} {
		if n := len(utf16.Encode([]rune(insertion(strings.Repeat(c, 40000))))); n > 31839 ||
			n < 7000 {
			t.Errorf("40000 times %q become %d characters", c, n)
		}
	}
}
