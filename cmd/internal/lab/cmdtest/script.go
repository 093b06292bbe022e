package cmdtest

import (
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
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"fsmon/watchreg"
)

// Story is one script of testdata/*.txt while it runs: what an administrator
// does to a machine, and what is seen. Its Lab has the registry, $REGISTRY, and
// a log file for every watch, $LOG/ID.
type Story struct {
	*Lab
	T      testing.TB
	Script *testscript.TestScript // while a command runs
	Server any                    // for the commands of the caller of Scripts

	processes map[string]*Process // the latest, by identifier or "it"
	all       []*Process
	failed    failedCheck
}

// Command is a command of scripts. It fails the test if something is not as the
// script says.
type Command func(s *Story, args []string)

// last names the last command that a script ran to its end, and a -check.
const last = "it"

// Scripts runs testdata/*.txt against a built program. Its name, and that of
// the other command, starts it, with & at the end in the background. There are
// testscript's own commands, storyCommands, and more, by usage as those.
func Scripts(t *testing.T, program string, more map[string]Command) {
	commands := maps.Clone(storyCommands)
	maps.Copy(commands, more)
	for _, name := range []string{"clp_sambamon", "clp_nfsmon"} {
		commands[name+" ARG..."] = func(s *Story, args []string) {
			s.exits(0, append([]string{name}, args...))
		}
	}
	cmds := map[string]func(*testscript.TestScript, bool, []string){}
	for usage, do := range commands {
		words := strings.Fields(usage)
		needed := len(words)
		for i, word := range slices.Backward(words) {
			if strings.HasPrefix(word, "[") || strings.HasSuffix(word, "...") {
				needed = i
			}
		}
		cmds[words[0]] = func(ts *testscript.TestScript, neg bool, args []string) {
			if neg || len(args) < needed-1 {
				ts.Fatalf("usage: %s (for ! see exits)", usage)
			}
			s := ts.Value(storyKey{}).(*Story)
			s.Script = ts
			if do(s, args); s.T.Failed() {
				ts.Fatalf("not as expected") // names the line
			}
		}
	}
	testscript.Run(t, testscript.Params{
		Dir:  "testdata",
		Cmds: cmds,
		Setup: func(env *testscript.Env) error {
			tb := env.T().(testing.TB)
			s := &Story{T: tb, Lab: NewLab(tb, program), processes: map[string]*Process{}}
			env.Values[storyKey{}] = s
			dir := filepath.Dir(s.Registry)
			env.Setenv("LAB", dir)
			env.Setenv("REGISTRY", s.Registry)
			env.Setenv("LOG", filepath.Dir(s.Log))
			env.Setenv("LONG", strings.Repeat("a", 256)) // a byte longer than anything may be
			// Other users may look into it.
			return errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0o755))
		},
	})
}

type storyKey struct{}

// storyCommands are the commands of every script, by usage. ID is a watch's
// identifier, or "it": the last command that ran to its end, or a -check in the
// background. A MESSAGE is named as in messages.go; "line" is one for people.
// $ID_pid is the process ID.
var storyCommands = map[string]Command{
	// It ends with this code.
	"exits CODE PROGRAM ARG...": func(s *Story, args []string) {
		s.exits(s.code(args[0]), args[1:])
	},
	// It ends with 0 and says nothing.
	"quietly PROGRAM ARG...": func(s *Story, args []string) {
		s.exits(0, args)
		if p := s.Process(last); p.Output()+p.Errors() != "" {
			s.T.Errorf("it said %q", p.Output()+p.Errors())
		}
	},
	// Waits for the next such message; REGEXP is for "SEVERITY TEXT ...
	// DETAIL".
	"says ID MESSAGE [REGEXP]": func(s *Story, args []string) {
		m := s.Process(args[0]).Message(number(s.T, args[1]))
		text := m.Severity + " " + m.Text + " ... " + m.Detail
		if len(args) > 2 && !regexp.MustCompile(args[2]).MatchString(text) {
			s.T.Errorf("it says %q", text)
		}
	},
	// It has said these so far, in this order, and no others but those with a
	// minus.
	"said ID MESSAGE...": func(s *Story, args []string) { s.Process(args[0]).Told(args[1:]...) },
	// See Process.Apart.
	"apart ID MESSAGE MESSAGE SECONDS": func(s *Story, args []string) {
		s.Process(args[0]).Apart(args[1], args[2], s.seconds(args[3]))
	},
	// Shows its stderr as the stdout of this command.
	"told ID": func(s *Story, args []string) {
		io.WriteString(s.Script.Stdout(), s.Process(args[0]).Errors())
	},
	// The last command took no less.
	"lasted SECONDS": func(s *Story, args []string) {
		p := s.Process(last)
		if took := p.Ended().Sub(p.Began()); took < s.seconds(args[0]) {
			s.T.Errorf("it took %v", took)
		}
	},
	// Waits until a line of the file is so.
	"shows FILE REGEXP": func(s *Story, args []string) {
		file, want := s.Script.MkAbs(args[0]), regexp.MustCompile("(?m)"+args[1])
		Eventually(s.T, args[1], func() bool {
			text, err := os.ReadFile(file)
			return err == nil && want.Match(text)
		})
	},
	// It has not ended.
	"alive ID": func(s *Story, args []string) {
		if !s.Process(args[0]).Alive() {
			s.T.Error("it has ended")
		}
	},
	// Waits for the end. If a signal is to end it, CODE is killed.
	"ends ID CODE": func(s *Story, args []string) { s.Process(args[0]).Exits(s.code(args[1])) },
	// A signal's name is without SIG.
	"signal ID NAME": func(s *Story, args []string) {
		s.Process(args[0]).Signal(unix.SignalNum("SIG" + args[1]))
	},
	// Waits for a probe that begins after this and succeeds.
	"healthy ID": func(s *Story, args []string) {
		if st := s.lab(args[0]).Healthy(); st.PID != s.Process(args[0]).PID {
			s.T.Errorf("the status is of process %d", st.PID)
		}
	},
	// It is in this state already.
	"is ID STATE": func(s *Story, args []string) {
		e, err := s.lab(args[0]).Entry()
		if err != nil || e.Status == nil || string(e.Status.State) != args[1] {
			s.T.Errorf("%+v, %v", e.Status, err)
		}
	},
	// Waits until it is in this state.
	"becomes ID STATE": func(s *Story, args []string) {
		Eventually(s.T, args[1], func() bool {
			e, err := s.lab(args[0]).Entry()
			return err == nil && e.Status != nil && string(e.Status.State) == args[1]
		})
	},
	// Nothing is left in the registry.
	"gone ID": func(s *Story, args []string) { s.lab(args[0]).Gone() },
	// What a dead watch left in the registry is still there.
	"leftover ID": func(s *Story, args []string) {
		if e, err := s.lab(args[0]).Entry(); err != nil || e.Live {
			s.T.Errorf("%+v, %v", e, err)
		}
	},
	// What follows runs as this user.
	"as root|nobody": func(s *Story, args []string) {
		s.Attr.Credential = map[string]*syscall.Credential{"nobody": {Uid: 65534, Gid: 65534}}[args[0]]
	},
	// What follows has another registry.
	"registry PATH": func(s *Story, args []string) { s.Registry = args[0] },
	// No file of the registry or the logs, and nothing that was said, has it.
	"hides WORD": func(s *Story, args []string) { s.Hides(args[0], s.all...) },
	// The last command's stdout is the FILE. There 0 stands for any number, …
	// for anything within a line, two spaces for two or more.
	"prints FILE": func(s *Story, args []string) {
		want := regexp.QuoteMeta(s.Script.ReadFile(args[0]))
		want = regexp.MustCompile(`\b0(\D)`).ReplaceAllString(want, `\d+$1`)
		want = strings.ReplaceAll(want, "…", ".*")
		want = regexp.MustCompile("  +").ReplaceAllString(want, "  +")
		if got := s.Process(last).Output(); !regexp.MustCompile("^" + want + "$").MatchString(got) {
			s.T.Errorf("it printed\n%s", got)
		}
	},
	"wrong MESSAGE ARG... => WORD...": (*Story).wrong,
	"fails STEP CAUSE ARG...":         (*Story).fails,
	"look TEXT":                       (*Story).look,
	"mentions TEXT":                   (*Story).mentions,
	"omits TEXT":                      (*Story).omits,
	"sends MESSAGE TEXT":              (*Story).sends,
	"judges DETAIL":                   (*Story).judges,
}

func (s *Story) code(word string) int {
	if word == "killed" {
		return -1
	}
	code, err := strconv.Atoi(word)
	s.Script.Check(err)
	return code
}

func (s *Story) seconds(word string) time.Duration {
	return time.Duration(s.code(word)) * time.Second
}

// Process is the one that a script calls so.
func (s *Story) Process(id string) *Process {
	s.T.Helper()
	p := s.processes[id]
	if p == nil {
		s.T.Fatalf("nothing was started as %q", id)
	}
	return p
}

func (s *Story) track(id string, p *Process) {
	s.processes[id], s.all = p, append(s.all, p)
	s.Script.Setenv(id+"_pid", strconv.Itoa(p.PID))
}

// lab is the lab as a watch of this identifier has it.
func (s *Story) lab(id string) *Lab {
	l := *s.Lab
	l.ID, l.Log = id, filepath.Join(filepath.Dir(s.Log), id)
	return &l
}

// exits starts a program. With & at the end it goes on in the background, as a
// watch by its identifier; otherwise its exit code must be this one.
func (s *Story) exits(code int, words []string) {
	program, args := words[0], words[1:]
	l := s.lab(last)
	if program != l.command() {
		l.Command, l.Exec = Program(program), nil // the other command, elsewhere
	}
	if n := len(args) - 1; n >= 0 && args[n] == "&" {
		if id := args[0]; strings.HasPrefix(id, "-") {
			s.track(last, l.Start(args[:n]...))
		} else {
			l.ID, l.Log = id, filepath.Join(filepath.Dir(s.Log), id)
			s.track(id, l.Watch(args[1:n]...))
		}
		return
	}
	run := l.Run
	if len(args) > 0 && args[0] == "-check" {
		run, args = l.Check, args[1:]
	}
	p := run(args...)
	s.track(last, p)
	p.Exits(code)
	io.WriteString(s.Script.Stdout(), p.Output())
	io.WriteString(s.Script.Stderr(), p.Errors())
}

// wrong MESSAGE ARG... => WORD...: the command line is wrong usage, answered
// with the message and a line for people that has every WORD.
func (s *Story) wrong(args []string) {
	i := slices.Index(args, "=>")
	if i < 0 {
		s.T.Fatal("wrong MESSAGE ARG... => WORD...")
	}
	n := number(s.T, args[0])
	s.track(last, s.WrongUsage(n, catalogued(s.T, n), args[i+1:], args[1:i]...))
}

// catalogued is the text of a message in the golden file of the command under
// test.
func catalogued(t testing.TB, number int) string {
	t.Helper()
	golden, err := os.ReadFile("testdata/catalogue.golden")
	if err != nil {
		t.Fatal(err)
	}
	for row := range strings.Lines(string(golden)) {
		if text, ok := strings.CutPrefix(row, strconv.Itoa(number)+" ERROR "); ok {
			return strings.TrimSuffix(text, "\n")
		}
	}
	t.Fatalf("the catalogue has no message %d", number)
	return ""
}

// Apart fails the test if less time than least lies between the first message
// of one name and the last of the other. Their lines have whole seconds only,
// so one second less is not seen.
func (p *Process) Apart(first, last string, least time.Duration) {
	p.t.Helper()
	from, to := p.stamps(first)[0], p.stamps(last)
	if took := to[len(to)-1].Sub(from); took <= least-time.Second {
		p.t.Errorf("%s came %v after %s, want %v at least", last, took, first, least)
	}
}

// stamps is when the messages of this name were made, as their lines say.
func (p *Process) stamps(name string) (at []time.Time) {
	p.t.Helper()
	line := regexp.MustCompile(fmt.Sprintf(`(?m)^(\S+) \S+ (?:INFO|WARN|ERROR) %d `,
		number(p.t, name)))
	for _, m := range line.FindAllStringSubmatch(p.Errors(), -1) {
		when, err := time.Parse(time.RFC3339, m[1])
		if err != nil {
			p.t.Fatal(err)
		}
		at = append(at, when)
	}
	if len(at) == 0 {
		p.t.Fatalf("it has not said %s", name)
	}
	return at
}

// State is for Lab.Status.
func State(want watchreg.State) func(watchreg.Status) bool {
	return func(st watchreg.Status) bool { return st.State == want }
}

// Hides fails the test if a secret stands anywhere that people or other
// processes can look at: the registry, the directory of the log file, what was
// said.
func (l *Lab) Hides(secret string, processes ...*Process) {
	l.t.Helper()
	for path, text := range Files(l.t, l.Registry, filepath.Dir(l.Log)) {
		if strings.Contains(text, secret) {
			l.t.Errorf("%q is in %s:\n%s", secret, path, text)
		}
	}
	for _, p := range processes {
		said := p.Errors()
		if !p.Alive() {
			said += p.Output()
		}
		if strings.Contains(said, secret) {
			l.t.Errorf("%q was said:\n%s", secret, said)
		}
	}
}

// Files is every regular file below the directories, by path.
func Files(t testing.TB, dirs ...string) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() {
				var b []byte
				b, err = os.ReadFile(path)
				files[path] = string(b)
			}
			if os.IsNotExist(err) {
				return nil // a watch replaces its status at any time
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files
}
