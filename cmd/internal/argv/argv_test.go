package argv

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unsafe"
)

// The verbs of a lamp.
const (
	burn Verb = iota
	dim
	off
	test
	help
)

var lamp = Grammar{
	Words: []Word{
		{Name: "dim", Verb: dim, Seconds: 100},
		{Name: "off", Verb: off},
		{Name: "test", Verb: test, NoID: true},
		{Name: "help", Verb: help, Alone: true},
	},
	Default: "a burning lamp",
	Usual:   []Verb{burn, test},
	Help:    help,
	ValidID: func(id string) error {
		if strings.Trim(id, "abc") != "" {
			return errors.New("not a, b and c")
		}
		return nil
	},
	IDRule: "a, b and c",
}

// bulb is the options of a lamp.
type bulb struct {
	colour, owner, pin, shape string
	watts                     int
	quiet                     bool
}

func (b *bulb) options() *Options {
	g := lamp
	g.Check = func(v Verb) error {
		if v == burn && b.quiet && b.watts > 100 {
			return errors.New("--quiet: does not go with more than 100 watts")
		}
		return nil
	}
	o := g.Options()
	o.String(&b.colour, "colour", "c", "a colour")
	o.Required("colour")
	o.String(&b.owner, "owner", "o", "a name")
	o.Verbatim("owner")
	o.Secret(&b.pin, "pin", "p")
	o.Int(&b.watts, "watts", "w", 1, 1000, "watts")
	o.Bool(&b.quiet, "quiet", "q")
	o.Choice(&b.shape, "shape", "round", "flat")
	o.Only("shape", off, test)
	return o
}

// Each kind of line, right and wrong. Package cli has the lines of the watches,
// and the fuzz test of what is hidden on them.
func TestParse(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"abc -c red":                 `{Verb:0 ID:abc Seconds:0 Secrets:[]} {colour:red}`,
		"abc -c red -w60 -q":         `{Verb:0 ID:abc Seconds:0 Secrets:[]} {colour:red watts:60 quiet}`,
		"abc -c red -o -off":         `{Verb:0 ID:abc Seconds:0 Secrets:[]} {colour:red owner:-off}`,
		"abc -c red -p 1234":         `{Verb:0 ID:abc Seconds:0 Secrets:[{Index:4 Offset:0}]} {colour:red pin:1234}`,
		"abc -c red --pin=1234":      `{Verb:0 ID:abc Seconds:0 Secrets:[{Index:3 Offset:6}]} {colour:red pin:1234}`,
		"abc -dim":                   `{Verb:1 ID:abc Seconds:0 Secrets:[]} {}`,
		"abc --dim=7":                `{Verb:1 ID:abc Seconds:7 Secrets:[]} {}`,
		"abc -off --shape flat":      `{Verb:2 ID:abc Seconds:0 Secrets:[]} {shape:flat}`,
		"-c red -test --shape round": `{Verb:3 ID: Seconds:0 Secrets:[]} {colour:red shape:round}`,
		"-help anything":             `{Verb:4 ID: Seconds:0 Secrets:[]} {}`,
		"-test -help anything":       `{Verb:4 ID: Seconds:0 Secrets:[]} {}`,

		"":                     `1 ID: missing, it must be the first argument (a, b and c)`,
		"-c red":               `1 ID: missing, it must be the first argument (a, b and c)`,
		"abd -c red":           `0 ID: "abd" is not accepted (a, b and c)`,
		"abc":                  `2 -c: missing or empty (a colour, 1 to 255 bytes)`,
		"abc -q":               `2 -c: missing or empty (a colour, 1 to 255 bytes)`,
		"abc -dim 101":         `0 -dim: "101" is not accepted (a whole number of seconds from 1 to 100)`,
		"abc -dimmer":          `0 -dim…: unknown option (write a space between -dim and its number)`,
		"abc off":              `0 "off": belongs to no option (the verb is -off)`,
		"abc -c red -x":        `0 -x: unknown option (--help shows all)`,
		"-test abc":            `0 "abc": belongs to no option (-test takes no ID; a value with blanks needs quotes)`,
		"abc -off 3":           `0 -off: "3" is one argument too many`,
		"abc -off -c red":      `0 -c: does not go with -off (a verb stands alone with the ID)`,
		"abc -c red -test":     `0 -test: does not go with an ID (it stands in the ID's place)`,
		"abc -c red -off":      `0 -off: does not go with other options (a verb stands alone with the ID)`,
		"-test -off":           `0 -off: does not go with -test`,
		"abc --shape flat":     `0 --shape: does not go with a burning lamp (it goes with -off, -test)`,
		"abc -q -w 200 -c red": `0 --quiet: does not go with more than 100 watts`,
		"-test --shape oval":   `0 --shape: "oval" is not accepted (round or flat)`,
		"abc -c red -p my pin": `0 argument 6: belongs to no option (not shown, it may be a password; ` +
			`a value with blanks needs quotes)`,
	} {
		var b bulb
		got, err := b.options().Parse(strings.Fields(line))
		said := fmt.Sprintf("%+v %s", got, b.set())
		var wrong *Error
		if errors.As(err, &wrong) {
			said = fmt.Sprintf("%d %s", wrong.Kind, wrong.Text)
		}
		if said != want {
			t.Errorf("%q:\n got %s\nwant %s", line, said, want)
		}
	}
}

// set is what was given of the options.
func (b *bulb) set() string {
	var all []string
	for _, o := range []struct{ name, value string }{
		{"colour:", b.colour}, {"owner:", b.owner}, {"pin:", b.pin}, {"shape:", b.shape},
	} {
		if o.value != "" {
			all = append(all, o.name+o.value)
		}
	}
	if b.watts > 0 {
		all = append(all, fmt.Sprintf("watts:%d", b.watts))
	}
	if b.quiet {
		all = append(all, "quiet")
	}
	return "{" + strings.Join(all, " ") + "}"
}

// Of a line that was not understood, what it asks for is known all the same.
func TestWrongLine(t *testing.T) {
	t.Parallel()
	args := []string{"-test", "--shape", "flat", "--bogus", "-p", "12", "34", "x"}
	o := new(bulb).options()
	line, err := o.Parse(args)
	const want = "{Verb:3 ID: Seconds:0 " +
		"Secrets:[{Index:5 Offset:0} {Index:6 Offset:0} {Index:7 Offset:0}]}"
	if got := fmt.Sprintf("%+v", line); err == nil || got != want {
		t.Errorf("%s, %v", got, err)
	}
	for value, args := range map[string][]string{
		"flat":  args,
		"round": {"x", "--shape=round"},
		"":      {"--shape", "oval", "--shape"},
	} {
		if got := o.Chosen("shape", args); got != value {
			t.Errorf("%q: %q, want %q", args, got, value)
		}
	}
}

func TestWipe(t *testing.T) {
	t.Parallel()
	memory := []byte("--pin=1234") // as that of an argument is, it can be written
	args := []string{"a", unsafe.String(&memory[0], len(memory)), ""}
	Wipe(args, []Place{{1, 6}, {2, 0}})
	if got := string(memory); got != "--pin=\x00\x00\x00\x00" {
		t.Errorf("%q", got)
	}
}
