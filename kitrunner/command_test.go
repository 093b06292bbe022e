package kitrunner

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestTemplates(t *testing.T) {
	for _, c := range []struct {
		line, err string
		place     Place
		name      string
		args      []string
	}{
		{`%LKBIN%\tool.exe -d $PEER "a b" ""`, "", LKBin, "tool.exe",
			[]string{"-d", "$PEER", "a b", ""}},
		{`%lkroot%/Admin/kit/x.exe`, "", LKRoot, "Admin/kit/x.exe", nil},
		{`%SystemRoot%\System32\wbem\wmic.exe "x"y`, "", System32, "wbem/wmic.exe", []string{"xy"}},
		{`tool.exe`, `"tool.exe" is not accepted`, 0, "", nil},
		{`C:\tool.exe`, "is not accepted", 0, "", nil},
		{`%LKBIN%\..\tool.exe`, "is not accepted", 0, "", nil},
		{`%LKBIN%\`, "is not accepted", 0, "", nil},
		{` `, "names no command", 0, "", nil},
		{`%LKBIN%\tool.exe "a`, "not closed", 0, "", nil},
		{`%LKBIN%\tool.exe ${PEER}x $( -eq`, "", LKBin, "tool.exe",
			[]string{"${PEER}x", "$(", "-eq"}},
		{`%LKBIN%\tool.exe ${PEER`, "has a ${ that is no variable", 0, "", nil},
		{`%LKBIN%\tool.exe x${}`, "has a ${ that is no variable", 0, "", nil},
		{`%LKBIN%\tool.exe "${PEER x}"`, "$PEER x is not a variable", 0, "", nil},
		{`%LKBIN%\tool.exe $HOME`, "$HOME is not a variable", 0, "", nil},
	} {
		place, name, args, err := parseTemplate(c.line)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v", c.line, err)
			}
			continue
		}
		if err != nil || place != c.place || name != c.name || !slices.Equal(args, c.args) {
			t.Errorf("%s: %v %q %q, %v", c.line, place, name, args, err)
		}
	}
}

// A value that looks like a variable is not expanded again.
func TestExpandOnce(t *testing.T) {
	vars := map[string]string{"TAG": "$ID and ${ID}", "ID": "x"}
	if got := expand("$TAG: $NODE", vars); got != "$ID and ${ID}: $NODE" {
		t.Error(got)
	}
}

func TestCommandString(t *testing.T) {
	c := Command{Place: LKRoot, Name: "Admin/kit/x.exe", Args: []string{"-a", "b c", ""}}
	if got := c.String(); got != `%LKROOT%\Admin\kit\x.exe -a "b c" ""` {
		t.Error(got)
	}
}

// The catalogue has the documents' numbers and severities, and our own apart
// from them.
func TestCatalogue(t *testing.T) {
	var b strings.Builder
	for _, e := range Catalogue() {
		b.WriteString(string(e.Severity) + " " + strings.Repeat(" ", 11-len(e.Severity)) +
			strings.Join([]string{strconv.Itoa(e.Number), e.Text}, " ") + "\n")
	}
	golden(t, "catalogue.txt", b.String())
	for _, e := range ownEvents {
		if e.Number <= 20000 {
			t.Errorf("%d is not among our own", e.Number)
		}
	}
	for _, e := range slices.Concat(lanEvents, ipEvents, volEvents) {
		if e.Number > 20000 {
			t.Errorf("%d is among our own", e.Number)
		}
	}
}
