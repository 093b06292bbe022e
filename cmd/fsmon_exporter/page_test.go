package main

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"fsmon/cmd/internal/cli"
)

// evil is what a server or a request might say to take the page over.
const evil = `"><script>alert(1)</script><img src=x onerror=alert(2)>&amp;` + "\u202e\x1b[31m</pre>{{.}}"

// pageFor is the page with a healthy target and a failed one, both of evil
// words, and the targets.
func pageFor(t *testing.T) (u *underTest, text string, targets []string) {
	t.Helper()
	u = startFake(t, func(ctx context.Context) (cli.Report, error) {
		r := cli.Report{Rungs: []cli.Rung{{Name: "connect"}, {Name: "negotiate", Learnt: evil}},
			Warnings: []string{evil}}
		if ctx.Value(failing{}) == "x" {
			return r, errors.New(evil)
		}
		return r, nil
	})
	u.config.modules[evil] = u.config.modules["fake"]
	for _, name := range []string{"a", "x"} {
		target := "//" + name + `/"><script>alert(1)</script><b onload='x'>&amp;`
		target = strings.ReplaceAll(target, "</", "<")
		targets = append(targets, target)
		ctx := context.WithValue(t.Context(), failing{}, name)
		if _, _, err := u.probe(ctx, evil, target, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	code, text := u.get("/")
	if code != 200 {
		t.Fatal(code)
	}
	return u, text, targets
}

// failing is the key of what makes the probe of pageFor fail.
type failing struct{}

// The page is whole, works without a script, and shows what others say as text.
func TestPage(t *testing.T) {
	t.Parallel()
	u, text, targets := pageFor(t)
	root, err := html.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var tags, links, ladders, options, states []string
	form := map[string]string{}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if !slices.Contains(tags, n.Data) {
			tags = append(tags, n.Data)
		}
		attr := map[string]string{}
		for _, a := range n.Attr {
			if attr[a.Key] = a.Val; strings.HasPrefix(a.Key, "on") {
				t.Errorf("<%s %s>", n.Data, a.Key)
			}
		}
		switch n.Data {
		case "a":
			links = append(links, attr["href"])
		case "pre":
			ladders = append(ladders, content(n))
		case "option":
			options = append(options, content(n)+attr["value"])
		case "form", "input", "select", "button":
			form[n.Data+" "+attr["name"]] = attr["action"] + attr["value"]
		case "span":
			states = append(states, content(n))
		}
	}
	slices.Sort(tags)
	want := strings.Fields("a b body button code datalist details form h1 h2 head html input label " +
		"meta option p pre select small span style summary table tbody td th time title tr")
	if !slices.Equal(tags, want) {
		t.Errorf("the page has %v", tags)
	}
	for name, value := range map[string]string{"form ": "/probe", "input target": "", "select module": "",
		"input debug": "true", "button ": ""} {
		if got, found := form[name]; !found || got != value {
			t.Errorf("the form has %v", form)
		}
	}
	if len(ladders) != 2 || !strings.Contains(ladders[0], "failed at negotiate: "+printable(evil)[:40]) ||
		!strings.Contains(ladders[1], "healthy: the server answered every step") ||
		!strings.Contains(ladders[1], "warning: "+printable(evil)[:40]) || states[0] != "failed" {
		t.Errorf("%q %q", ladders, states)
	}
	for _, word := range append(targets, evil) {
		if !slices.Contains(options, word) {
			t.Errorf("%q is not among %q", word, options)
		}
	}
	// The links lead to the same targets, so they are escaped as they must be.
	again := 0
	for _, link := range links {
		l, err := url.Parse(link)
		if err != nil || l.Host != "" || l.Scheme != "" {
			t.Errorf("%s: %v", link, err)
		}
		if l.Path == "/probe" && slices.Contains(targets, l.Query().Get("target")) &&
			l.Query().Get("module") == evil {
			again++
			continue
		}
		if code, _ := u.get(link); l.Path == "/probe" || code != 200 {
			t.Errorf("%s: %d", link, code)
		}
	}
	if again != 4 {
		t.Errorf("%d links ask again: %q", again, links)
	}
}

func content(n *html.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			b.WriteString(c.Data)
		}
	}
	return b.String()
}

// printable is what the ladder makes of evil words.
func printable(s string) string {
	return strings.NewReplacer("\u202e", "?", "\x1b", "?").Replace(s)
}
