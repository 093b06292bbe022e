package main

import (
	"bytes"
	"strings"
	"testing"
	"unicode"
)

// Whatever a credentials file holds, a login is made of what its lines say,
// within bounds, and an error quotes nothing of it.
func FuzzCredentials(f *testing.F) {
	for _, s := range []string{
		"username=user\npassword=word\ndomain=DOM\n", "user=user\r\npass= w=rd \r\ndom=DOM\r\n", "# a comment\n\n \tusername = DOM\\user\npassword=", "password=word\n",
		"username=DOM\\user\ndomain=OTHER\n", "username=\\\n", "username\n", "workgroup=x\n", "USERNAME=user\n", "username=" + strings.Repeat("x", 256), "username=a\nusername=\n",
		"\xef\xbb\xbfusername=user\n", "username=user\x00\npassword=\xff\n", "",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > maxCredentials {
			return
		}
		l, err := parseCredentials("FILE", data)
		if err != nil {
			text := err.Error()
			if l != (login{}) || len(text) > 100 ||
				strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%+v, %q", l, text)
			}
			// Nothing but the number of a line makes it different.
			text = strings.Map(func(r rune) rune {
				if unicode.IsDigit(r) {
					return -1
				}
				return r
			}, text)
			switch text {
			case "FILE: line  is not username=, password= or domain=", "FILE: the value in line  is longer than  bytes", "FILE names no user (username=)":
			default:
				t.Errorf("%q", text)
			}
			return
		}
		if l.user == "" {
			t.Errorf("an anonymous login of %q", data)
		}
		for _, s := range []string{l.user, l.password, l.domain} {
			if len(s) > 255 || strings.Contains(s, "\n") || !bytes.Contains(data, []byte(s)) {
				t.Errorf("%q of %q", s, data)
			}
		}
	})
}
