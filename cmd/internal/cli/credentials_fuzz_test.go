package cli

import (
	"bytes"
	"strings"
	"testing"
	"unicode"
)

// What people have in their files, in the words of mount.cifs and of smbclient.
func TestCredentials(t *testing.T) {
	whole := Login{User: "user", Password: "word", Domain: "DOM"}
	for text, want := range map[string]Login{
		"username=user\npassword=word\ndomain=DOM\n":          whole,
		"username = user\npassword = word\nworkgroup = DOM\n": whole,
		"USERNAME=user\r\nPassword=word\r\nDOM=DOM\r\n":       whole,
		"\xef\xbb\xbfusername=DOM\\user\npassword=word\n":     whole,
		"username=DOM/user\npassword=word\n":                  whole,
		"; one\n# two\n\n username=DOM/user\n\tpassword=word": whole,
		"username=a/b\ndomain=DOM\npassword= blanks behind  \n": {User: "a/b",
			Password: "blanks behind  ", Domain: "DOM"},
		"username=user\npassword=a=b;c#d\npassword2=e\n": {User: "user",
			Password: "a=b;c#d", Password2: "e"},
	} {
		if got, err := parseCredentials("FILE", []byte(text)); got != want || err != nil {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"\xff\xfeu\x00":                    "FILE is UTF-16; save it as UTF-8",
		"username=user\nS3cr3t\n":          "FILE: line 2 has no =",
		"\u200busername=user\n":            `FILE: line 1: "\u200busername" is not username, password, password2 or domain`,
		"username=user\npasswort=S3cr3t\n": `FILE: line 2: "passwort" is not username, password, password2 or domain`,
		"password=S3cr3t\n":                "FILE names no user (username=)",
	} {
		if _, err := parseCredentials("FILE", []byte(text)); err == nil || err.Error() != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Whatever a credentials file holds, a login is made of what its lines say,
// within bounds, and an error quotes nothing of it.
func FuzzCredentials(f *testing.F) {
	for _, s := range []string{
		"username=user\npassword=word\ndomain=DOM\n", "user=user\r\npass= w=rd \r\ndom=DOM\r\n",
		"# a comment\n\n \tusername = DOM\\user\npassword=", "password=word\n",
		"username=DOM\\user\ndomain=OTHER\n", "username=\\\n", "username\n", "workgroup=x\n",
		"USERNAME=user\n", "username=" + strings.Repeat("x", 256), "username=a\nusername=\n",
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
			if l != (Login{}) || len(text) > 300 ||
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
			case "FILE: line  has no =", "FILE: the value in line  is longer than  bytes",
				"FILE names no user (username=)", "FILE is UTF-; save it as UTF-":
			default:
				if !strings.HasSuffix(text, " is not username, password, password or domain") {
					t.Errorf("%q", text)
				}
			}
			return
		}
		if l.User == "" {
			t.Errorf("an anonymous login of %q", data)
		}
		for _, s := range []string{l.User, l.Password, l.Password2, l.Domain} {
			if len(s) > 255 || strings.Contains(s, "\n") || !bytes.Contains(data, []byte(s)) {
				t.Errorf("%q of %q", s, data)
			}
		}
	})
}
