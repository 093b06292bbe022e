package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"fsmon/cmd/internal/cli"
)

// maxConfig caps the configuration's file, in bytes.
const maxConfig = 4 << 20

// config is a configuration that has been checked. It is never changed: a
// reload makes another one.
type config struct {
	modules map[string]*module
	rules   []rule
}

// module is how to ask.
type module struct {
	protocol *protocol
	options  []string // of -check: "--marker=.fsmon"
	timeout  time.Duration
}

// rule allows targets to some modules, and has what belongs to both: the
// credentials.
type rule struct {
	patterns []pattern
	modules  []string
	options  []string
}

// written is the file.
type written struct {
	Modules map[string]map[string]words `yaml:"modules"`
	Targets []map[string]words          `yaml:"targets"`
}

var moduleName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,64}$`)

// words is one scalar or a list of them, as they are spelt: 4.0 is not 4.
type words []string

func (w *words) UnmarshalYAML(node ast.Node) error {
	all := []ast.Node{node}
	if list, is := node.(*ast.SequenceNode); is {
		all = list.Values
	}
	for _, n := range all {
		scalar, is := n.(ast.ScalarNode)
		if !is || n.Type() == ast.NullType {
			at := n.GetToken().Position
			return fmt.Errorf("[%d:%d] a word or a list of words is needed here", at.Line, at.Column)
		}
		*w = append(*w, scalar.GetToken().Value)
	}
	return nil
}

// loadConfig reads a configuration and checks all of it, the credentials files
// too. Its error has no line of any file in it.
func loadConfig(path string) (*config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxConfig {
		return nil, fmt.Errorf("%s is longer than %d bytes", path, maxConfig)
	}
	c, err := parseConfig(data, filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

func parseConfig(data []byte, dir string) (*config, error) {
	var w written
	d := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict())
	if err := d.Decode(&w); err != nil && err != io.EOF {
		// Without the lines: somebody may have written a password into one.
		return nil, errors.New(yaml.FormatError(err, false, false))
	}
	if err := d.Decode(new(any)); err != io.EOF {
		return nil, errors.New("there is more than one document in it")
	}
	c := &config{modules: map[string]*module{}}
	for _, name := range slices.Sorted(maps.Keys(w.Modules)) {
		if !moduleName.MatchString(name) {
			return nil, fmt.Errorf("module %q: letters, digits, '.', '_' and '-' make a name", name)
		}
		m, err := newModule(w.Modules[name], dir)
		if err != nil {
			return nil, fmt.Errorf("module %s: %w", name, err)
		}
		c.modules[name] = m
	}
	if len(c.modules) == 0 {
		return nil, errors.New("there is no module in it")
	}
	for i, t := range w.Targets {
		if err := c.add(t, dir); err != nil {
			return nil, fmt.Errorf("targets, entry %d: %w", i+1, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.modules)) {
		if m := c.modules[name]; m.timeout == 0 { // no entry has it, so nothing logs in with it
			if err := m.check(nil); err != nil {
				return nil, fmt.Errorf("module %s: %w", name, err)
			}
		}
	}
	return c, nil
}

func newModule(w map[string]words, dir string) (*module, error) {
	prober := strings.Join(w["prober"], ",")
	m := &module{protocol: map[string]*protocol{"smb": smb, "nfs": nfs}[prober]}
	if m.protocol == nil {
		return nil, fmt.Errorf("prober: %q is not accepted (smb or nfs)", prober)
	}
	w = maps.Clone(w) // of YAML's aliases, which share it
	delete(w, "prober")
	var err error
	m.options, err = options(w, m.protocol.options, dir)
	return m, err
}

// options turns what is written into options of -check, and refuses the unknown.
// Files are looked for in dir.
func options(w map[string]words, known []string, dir string) (options []string, err error) {
	for _, name := range slices.Sorted(maps.Keys(w)) {
		value := strings.Join(w[name], ",")
		switch {
		case !slices.Contains(known, name):
			return nil, fmt.Errorf("%s: unknown here (known: %s)", name, strings.Join(known, ", "))
		case value == "true":
			options = append(options, "--"+name)
		case value == "false":
		case name == "timeout":
			options = append(options, "--timeout="+strings.TrimSuffix(value, "s"))
		case slices.Contains(files, name) && !filepath.IsAbs(value):
			options = append(options, "--"+name+"="+filepath.Join(dir, value))
		default:
			options = append(options, "--"+name+"="+value)
		}
	}
	return options, nil
}

// check makes the probe of some target, to hear what is wrong with the options.
// Nothing is sent.
func (m *module) check(more []string) error {
	t := target{protocol: m.protocol, host: "host.example", path: "/"}
	if m.protocol.shares() {
		t.path = "share"
	}
	p, err := m.prober(t, more)
	if err == nil {
		m.timeout = p.Timeout
	}
	return err
}

// add checks an entry of targets with its modules, and adds it.
func (c *config) add(w map[string]words, dir string) error {
	r := rule{modules: w["modules"]}
	patterns := w["pattern"]
	w = maps.Clone(w)
	delete(w, "modules")
	delete(w, "pattern")
	if len(patterns) == 0 {
		return errors.New("pattern: missing")
	}
	if len(r.modules) == 0 {
		return errors.New("modules: missing (the modules that may ask these targets)")
	}
	var p *protocol
	for _, name := range r.modules {
		m := c.modules[name]
		if m == nil {
			return fmt.Errorf("modules: there is no module %q", name)
		}
		if p = cmp.Or(p, m.protocol); p != m.protocol {
			return errors.New("modules: both probers in one entry, whose targets are written differently")
		}
	}
	var err error
	if r.options, err = options(w, p.logins, dir); err != nil {
		return err
	}
	for _, name := range r.modules {
		if err := c.modules[name].check(r.options); err != nil {
			return fmt.Errorf("with module %s: %w", name, err)
		}
	}
	for _, text := range patterns {
		pat, err := parsePattern(p, text)
		if err != nil {
			return fmt.Errorf("pattern: %w", err)
		}
		everybody := pat.any || pat.network.IsValid() && pat.network.Bits() == 0
		if everybody && len(r.options) > 0 {
			return fmt.Errorf("pattern: %q with credentials (whoever asks for a server of their own "+
				"would be sent them)", text)
		}
		r.patterns = append(r.patterns, pat)
	}
	c.rules = append(c.rules, r)
	return nil
}

// allows returns the first rule that has the module and a pattern for the
// target; nil: there is none.
func (c *config) allows(name string, t target) *rule {
	for i := range c.rules {
		r := &c.rules[i]
		if slices.Contains(r.modules, name) &&
			slices.ContainsFunc(r.patterns, func(p pattern) bool { return p.matches(t) }) {
			return r
		}
	}
	return nil
}

// prober makes the probe of a target. Its error is about the options, or a
// credentials file that cannot be read.
func (m *module) prober(t target, more []string) (*cli.Prober, error) {
	service := m.protocol.service()
	service.Command = "fsmon_exporter" // in what is said to people
	return service.NewProber(slices.Concat(m.options, t.options(), more)...)
}

// seconds is a number of seconds as the scrape's header has it.
func seconds(text string) (time.Duration, bool) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n > 0 && n < 1e6) {
		return 0, false
	}
	return time.Duration(n * float64(time.Second)), true
}
