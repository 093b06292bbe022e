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
	Targets []struct {
		Pattern     words  `yaml:"pattern"`
		Modules     words  `yaml:"modules"`
		Credentials string `yaml:"credentials"`
	} `yaml:"targets"`
}

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
			return errors.New("a word or a list of words is needed here")
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
		m, err := newModule(w.Modules[name])
		if err != nil {
			return nil, fmt.Errorf("module %s: %w", name, err)
		}
		c.modules[name] = m
	}
	if len(c.modules) == 0 {
		return nil, errors.New("there is no module in it")
	}
	for i, t := range w.Targets {
		r := rule{modules: t.Modules}
		if t.Credentials != "" {
			file := t.Credentials
			if !filepath.IsAbs(file) {
				file = filepath.Join(dir, file)
			}
			r.options = append(r.options, "--credentials="+file)
		}
		if err := c.add(r, t.Pattern); err != nil {
			return nil, fmt.Errorf("targets, entry %d: %w", i+1, err)
		}
	}
	return c, nil
}

func newModule(options map[string]words) (*module, error) {
	prober := strings.Join(options["prober"], ",")
	m := &module{protocol: map[string]*protocol{"smb": smb, "nfs": nfs}[prober]}
	if m.protocol == nil {
		return nil, fmt.Errorf("prober: %q is not accepted (smb or nfs)", prober)
	}
	for _, name := range slices.Sorted(maps.Keys(options)) {
		value := strings.Join(options[name], ",")
		switch {
		case name == "prober":
		case !slices.Contains(m.protocol.options, name):
			return nil, fmt.Errorf("%s: unknown to the prober %s (it has %s)", name, m.protocol.name,
				strings.Join(m.protocol.options, ", "))
		case value == "true":
			m.options = append(m.options, "--"+name)
		case value == "false":
		case name == "timeout":
			m.options = append(m.options, "--timeout="+strings.TrimSuffix(value, "s"))
		default:
			m.options = append(m.options, "--"+name+"="+value)
		}
	}
	// Nothing is sent yet: it only says what is wrong.
	_, err := m.prober(target{protocol: m.protocol, host: "127.0.0.1", path: m.anyPath()}, nil)
	return m, err
}

// anyPath is a share or directory for checking the rest.
func (m *module) anyPath() string {
	if m.protocol.shares() {
		return "share"
	}
	return "/"
}

// add checks a rule and adds it.
func (c *config) add(r rule, patterns []string) error {
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
		if !p.shares() && len(r.options) > 0 {
			return errors.New("credentials: are for the prober smb")
		}
		if _, err := m.prober(target{protocol: p, host: "127.0.0.1", path: m.anyPath()}, r.options); err != nil {
			return err
		}
	}
	for _, text := range patterns {
		pat, err := parsePattern(p, text)
		if err != nil {
			return fmt.Errorf("pattern: %w", err)
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
