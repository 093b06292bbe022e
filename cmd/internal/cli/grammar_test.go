package cli

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"fsmon/cmd/internal/argv"
)

// sample is the options of a command like clp_sambamon, with a flag and a
// joined number besides.
type sample struct {
	share, address, user, password string
	port                           int
	dry                            bool
}

func (s *sample) declare(o *Options) {
	s.address = "127.0.0.1"
	o.String(&s.share, "share", "s", "the name of a share")
	o.Required("share")
	o.String(&s.address, "address", "a", "a host name or an IP address")
	o.String(&s.user, "user", "u", "the name of a user")
	o.Verbatim("user")
	o.Secret(&s.password, "password", "p")
	o.Int(&s.port, "port", "n", 1, 65535, "")
	o.Bool(&s.dry, "dry", "")
}

// outcome is the result of a command line, in one line: the message and text of
// an error, or what of the request differs from the defaults.
func outcome(args []string) string {
	var s sample
	req, err := parse(args, s.declare)
	if err != nil {
		var wrong *argv.Error
		if !errors.As(err, &wrong) {
			return fmt.Sprintf("not an argv.Error: %v", err)
		}
		return fmt.Sprintf("%d %s", sampleService().misuse(wrong, 1).alert.Number, wrong.Text)
	}
	verb := [...]string{
		"start", "stop", "pause", "continue", "disp", "drill", "del", "check", "list", "help", "version",
	}[req.Verb]
	out := []string{verb}
	add := func(format string, v, usual any) {
		if v != usual {
			out = append(out, fmt.Sprintf(format, v))
		}
	}
	add("ID=%s", req.ID, "")
	add("wait=%v", req.Wait, time.Duration(0))
	add("for=%v", req.For, time.Duration(0))
	if req.Verb == verbStart || req.Verb == verbCheck {
		add("interval=%v", req.Interval, 30*time.Second)
		add("retry-interval=%v", req.RetryInterval, req.Interval)
		add("timeout=%v", req.Timeout, 60*time.Second)
		add("retries=%v", req.Retries, 5)
	} else {
		add("interval=%v", req.Interval, time.Duration(0))
	}
	add("tolerate=%v", fmt.Sprint(req.Tolerate), "[]")
	add("witnesses=%v", fmt.Sprint(req.Witnesses), "[]")
	add("log=%q", req.LogFile, "")
	add("startwait=%v", req.StartWait, time.Duration(0))
	add("metrics=%q", req.MetricsFile, "")
	add("evidence=%q", req.EvidenceDir, "")
	add("noevidence=%v", req.NoEvidence, false)
	add("json=%v", req.JSON, false)
	add("style=%q", req.ExitStyle, "")
	add("every=%v", req.Every, time.Duration(0))
	add("pid=%v", req.PID, false)
	add("share=%q", s.share, "")
	add("address=%q", s.address, "127.0.0.1")
	add("user=%q", s.user, "")
	add("password=%q", s.password, "")
	add("port=%d", s.port, 0)
	add("dry=%v", s.dry, false)
	for _, secret := range req.secrets {
		add("secret=%v", secret, nil)
	}
	return strings.Join(out, " ")
}

// words splits a line of testdata/grammar.txt: a word in double quotes is a Go
// string, and {N} anywhere is N times "a".
func words(t *testing.T, text string) (args []string) {
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimLeft(text, " ") {
		word, rest, _ := strings.Cut(text, " ")
		if text[0] == '"' {
			quoted, err := strconv.QuotedPrefix(text)
			if err != nil {
				t.Fatalf("%v in %s", err, text)
			}
			word, _ = strconv.Unquote(quoted)
			rest = text[len(quoted):]
		}
		if before, number, found := strings.Cut(word, "{"); found {
			number, after, _ := strings.Cut(number, "}")
			n, err := strconv.Atoi(number)
			if err != nil {
				t.Fatalf("%v in %s", err, text)
			}
			word = before + strings.Repeat("a", n) + after
		}
		args, text = append(args, word), rest
	}
	return args
}

// cases reads testdata/grammar.txt: a line of arguments, and below it,
// indented, its outcome.
func cases(t testing.TB) (lines, want []string) {
	text, err := os.ReadFile("testdata/grammar.txt")
	if err != nil {
		t.Fatal(err)
	}
	for text := range strings.Lines(string(text)) {
		text = strings.TrimSuffix(text, "\n")
		switch {
		case strings.HasPrefix(text, "#"):
		case strings.HasPrefix(text, "\t"):
			want = append(want, strings.TrimSpace(text))
		case text != "":
			lines = append(lines, text)
		}
		if len(lines) != len(want) && len(lines) != len(want)+1 {
			t.Fatalf("testdata/grammar.txt: no outcome before %q", text)
		}
	}
	return lines, want
}

func TestGrammar(t *testing.T) {
	lines, want := cases(t)
	if len(lines) != len(want) || len(lines) < 100 {
		t.Fatalf("%d lines and %d outcomes", len(lines), len(want))
	}
	for i, line := range lines {
		args := words(t, strings.TrimPrefix(line, "$"))
		if got := outcome(args); got != want[i] {
			t.Errorf("%s\n got %s\nwant %s", line, got, want[i])
		}
	}
}

// A command without a secret shows every stray word.
func TestNoSecretDeclared(t *testing.T) {
	_, err := parse([]string{"nfswatch", "-d", "/my", "-p", "dir"}, func(o *Options) {
		o.String(new(string), "directory", "d", "a directory")
		o.Int(new(int), "port", "n", 1, 65535, "")
	})
	if err == nil || err.Error() != "-p: unknown option (--help shows all)" {
		t.Errorf("got %v", err)
	}
	_, err = parse([]string{"nfswatch", "-d", "/my", "dir", "-n2049"}, func(o *Options) {
		o.String(new(string), "directory", "d", "a directory")
		o.Int(new(int), "port", "n", 1, 65535, "")
	})
	if err == nil || !strings.Contains(err.Error(), `"dir"`) {
		t.Errorf("got %v", err)
	}
}

const token = "S3CR3T"

// spill puts a secret on a line before the word at index at, in one of the ways
// in which people write passwords, right or wrong.
func spill(args []string, at, way int) []string {
	ways := [][]string{
		{"-p", token}, {"--password", token}, {"--password=" + token},
		{"-p", "my", token}, {"-p", "my", "-" + token}, {"-p", "my", "-i", token},
		{"-p", "my", "--" + token + "=x"},
		{"-p", "my", "-s", strings.Repeat(token, 50)}, {"-p", strings.Repeat(token, 50)},
		{"-p" + token}, {"-p=" + token}, {"--p=" + token}, {"--p" + token}, {"--password" + token},
		{"--password:" + token},
		{"-password", token}, {"-password=" + token}, {"-p " + token}, {"x -p " + token},
		{"--pasword=" + token},
		{"-u", "me", token}, {"-p", "a", "-p", token}, {"-s", "x", "--address", "y", "-p"},
	}
	out := append([]string{}, args[:at]...)
	out = append(out, ways[way%len(ways)]...)
	return append(out, args[at:]...)
}

const spillWays = 23

// checkLine checks what must be true of every command line. If secret, the line
// has token as a secret, and nowhere else.
func checkLine(t *testing.T, args []string, secret bool) {
	t.Helper()
	var s sample
	// As in a process, the arguments have memory of their own, which is
	// overwritten after parsing.
	memory := make([][]byte, len(args))
	own := make([]string, len(args))
	for i, arg := range args {
		memory[i] = []byte(arg)
		own[i] = unsafe.String(unsafe.SliceData(memory[i]), len(arg))
	}
	req, err := parse(own, s.declare)
	text := ""
	if err != nil {
		text = fmt.Sprintf("%s %+v %#v", err, err, err)
	}
	before := fmt.Sprintf("%+v %+v", req, s)
	argv.Wipe(own, req.secrets)
	wiped := strings.Join(own, " ")
	for i := range memory {
		clear(memory[i])
	}
	if after := fmt.Sprintf("%+v %+v", req, s); after != before {
		t.Errorf("%q: overwriting the arguments changed the request from %s to %s",
			args, before, after)
	}
	if err == nil {
		checkRequest(t, args, req, s)
		shown := fmt.Sprintf("%+v %s %s %s", req, s.share, s.address, s.user)
		// After -s the first is a value like any other; the second is on an
		// accepted line only behind --help.
		notSecret := strings.NewReplacer("x -p "+token, "", "-u me "+token, "")
		if secret && strings.Contains(notSecret.Replace(wiped), token) {
			t.Errorf("%q: the secret is still among the arguments: %q", args, wiped)
		}
		if secret && strings.Contains(notSecret.Replace(shown), token) {
			t.Errorf("%q: the secret became something else: %s", args, shown)
		}
		return
	}
	var wrong *argv.Error
	if !errors.As(err, &wrong) || sampleService().misuse(wrong, 1).alert.Number == 0 {
		t.Fatalf("%q: %#v", args, err)
	}
	if wrong.Text == "" || printable(wrong.Text) != wrong.Text || len(wrong.Text) > 400 {
		t.Errorf("%q: not one printable line: %q", args, wrong.Text)
	}
	if !strings.HasPrefix(text, wrong.Text) {
		t.Errorf("%q: overwriting the arguments changed the text to %q", args, wrong.Text)
	}
	if secret && strings.Contains(text, token) {
		t.Errorf("%q: the secret is in the error: %s", args, text)
	}
}

func checkRequest(t *testing.T, args []string, req request, s sample) {
	t.Helper()
	within := func(what string, d time.Duration, lo, hi int) {
		if d < time.Duration(lo)*time.Second || d > time.Duration(hi)*time.Second {
			t.Errorf("%q: %s %v", args, what, d)
		}
	}
	switch req.Verb {
	case verbStart, verbCheck:
		within("interval", req.Interval, 1, 10000)
		within("timeout", req.Timeout, 1, 10000)
		within("retries", time.Duration(req.Retries)*time.Second, 1, 10000)
		within("start wait", req.StartWait, 0, 604800)
		longest := max(len(s.share), len(s.address), len(s.user), len(s.password))
		if s.share == "" || longest > 255 || s.port > 65535 {
			t.Errorf("%q: accepted %+v", args, s)
		}
	case verbStop:
		within("wait", req.Wait, 1, 10000)
	case verbPause:
		within("pause", req.For, 0, 604800)
	case verbList:
		within("watch", req.Every, 0, 3600)
	}
	if noID := req.Verb >= verbCheck; noID != (req.ID == "") {
		t.Errorf("%q: ID %q", args, req.ID)
	}
}

// The password is never in the error, whatever is wrong with the line and
// wherever the password stands.
func TestSecretNeverShown(t *testing.T) {
	lines, _ := cases(t)
	for _, line := range lines {
		args := words(t, strings.TrimPrefix(line, "$"))
		for at := range len(args) + 1 {
			for way := range spillWays {
				checkLine(t, spill(args, at, way), true)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	lines, _ := cases(f)
	for i, line := range lines {
		f.Add(strings.ReplaceAll(line, " ", "\x00"), uint8(i), uint8(i))
	}
	f.Fuzz(func(t *testing.T, line string, at, way uint8) {
		if len(line) > 2000 || strings.Contains(line, token) {
			return
		}
		args := strings.Split(line, "\x00")
		checkLine(t, args, false)
		checkLine(t, spill(args, int(at)%(len(args)+1), int(way)), true)
	})
}
