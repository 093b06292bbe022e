package cmdtest

import (
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

	"fsmon/watchreg"
)

// Story is one script of testdata/*.txt while it runs: what an administrator does
// to a machine, and what is seen. Its Lab has the registry, $REGISTRY, and a log
// file for every watch, $LOG/ID.
type Story struct {
	*Lab
	T      testing.TB
	Script *testscript.TestScript // while a command runs
	Server any                    // for the commands of the caller of Scripts

	processes map[string]*Process // by identifier; last: of the last command in the foreground
	all       []*Process
	failed    failedCheck
}

// Command is a command of scripts. It fails the test if something is not as the
// script says.
type Command func(s *Story, args []string)

// last names the last command that a script ran to its end, and a -check.
const last = "it"

// Scripts runs testdata/*.txt against a built program. Its name starts it, here or
// with & in the background. The other commands are those below and the caller's.
func Scripts(t *testing.T, program string, more map[string]Command, setUp func(*Story)) {
	commands := maps.Clone(storyCommands)
	maps.Copy(commands, more)
	for _, name := range []string{"clp_sambamon", "clp_nfsmon"} {
		commands[name] = func(s *Story,
			args []string) {
			s.exits(0, append([]string{name}, args...))
		}
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			tb := env.T().(testing.TB)
			s := &Story{T: tb, Lab: NewLab(tb, program), processes: map[string]*Process{}}
			env.Values[Story{}.key()] = s
			env.Setenv("REGISTRY", s.Registry)
			env.Setenv("LOG", filepath.Dir(s.Log))
			env.Setenv("LONG", strings.Repeat("a", 256)) // a byte longer than anything may be
			if setUp != nil {
				setUp(s)
			}
			return nil
		},
		Cmds: testscriptCommands(commands),
	})
}

func (Story) key() any { return "story" }

func testscriptCommands(commands map[string]Command) map[string]func(*testscript.TestScript, bool,
	[]string) {
	all := map[string]func(*testscript.TestScript, bool, []string){}
	for name, do := range commands {
		all[name] = func(ts *testscript.TestScript, neg bool, args []string) {
			if neg {
				ts.Fatalf("! does not go with %s; see exits", name)
			}
			s := ts.Value(Story{}.key()).(*Story)
			s.Script = ts
			if do(s, args); s.T.Failed() {
				ts.Fatalf("not as expected") // names the line
			}
		}
	}
	return all
}

// storyCommands are the commands of every script. ID is a watch's identifier, or
// "it". A MESSAGE is named as in messages.go; "line" is one for people.
var storyCommands = map[string]Command{
	// exits CODE PROGRAM ARG...: it ends with this code.
	"exits": func(s *Story, args []string) { s.exits(s.code(args[0]), args[1:]) },
	// quietly PROGRAM ARG...: it ends with 0 and has said nothing.
	"quietly": func(s *Story, args []string) {
		s.exits(0, args)
		if p := s.Process(last); p.Output()+p.Errors() != "" {
			s.T.Errorf("it said %q", p.Output()+p.Errors())
		}
	},
	// says ID MESSAGE [REGEXP]: waits for the next one; with REGEXP for its
	// severity, text and detail.
	"says": func(s *Story, args []string) {
		m := s.Process(args[0]).Message(number(s.T, args[1]))
		if text := m.Severity + " " + m.Text + " ... " + m.Detail; len(args) > 2 &&
			!regexp.MustCompile(args[2]).MatchString(text) {
			s.T.Errorf("it says %q", text)
		}
	},
	// said ID MESSAGE...: has said these so far, in this order, and no others, but
	// for those with a minus.
	"said": func(s *Story, args []string) { s.Process(args[0]).Told(args[1:]...) },
	// apart ID MESSAGE MESSAGE SECONDS: see Process.Apart.
	"apart": func(s *Story, args []string) {
		s.Process(args[0]).Apart(args[1], args[2], time.Duration(s.code(args[3]))*time.Second)
	},
	// told ID: shows all of its stderr as the stdout of this command.
	"told": func(s *Story, args []string) {
		io.WriteString(s.Script.Stdout(), s.Process(args[0]).Errors())
	},
	// shows FILE REGEXP: waits until a line of it is so.
	"shows": func(s *Story, args []string) {
		file, want := s.Script.MkAbs(args[0]), regexp.MustCompile("(?m)"+args[1])
		Eventually(s.T, args[1], func() bool {
			text, err := os.ReadFile(file)
			return err == nil && want.Match(text)
		})
	},
	// lasted SECONDS: the last command in the foreground took no less.
	"lasted": func(s *Story, args []string) {
		p := s.Process(last)
		if took := p.Ended().Sub(p.Began()); took < time.Duration(s.code(args[0]))*time.Second {
			s.T.Errorf("it took %v", took)
		}
	},
	// alive ID: has not ended.
	"alive": func(s *Story, args []string) {
		if !s.Process(args[0]).Alive() {
			s.T.Error("it has ended")
		}
	},
	// ends ID CODE: waits for the end; killed is a CODE, too.
	"ends": func(s *Story, args []string) { s.Process(args[0]).Exits(s.code(args[1])) },
	// signal ID NAME: without SIG.
	"signal": func(s *Story, args []string) {
		s.Process(args[0]).Signal(map[string]syscall.Signal{
			"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "HUP": syscall.SIGHUP,
			"PIPE": syscall.SIGPIPE, "KILL": syscall.SIGKILL,
			"STOP": syscall.SIGSTOP, "CONT": syscall.SIGCONT,
		}[args[1]])
	},
	// healthy ID: waits for a probe that begins after this and succeeds; the
	// status is that of the process.
	"healthy": func(s *Story, args []string) {
		if st := s.lab(args[0]).Healthy(); st.PID != s.Process(args[0]).PID {
			s.T.Errorf("the status is of process %d", st.PID)
		}
	},
	// status ID STATE: waits for it.
	"status": func(s *Story, args []string) {
		s.lab(args[0]).Status(args[1],
			State(watchreg.State(args[1])))
	},
	// is ID STATE: it is in this state already.
	"is": func(s *Story, args []string) {
		if e, err := s.lab(args[0]).Entry(); err != nil || e.Status == nil ||
			string(e.Status.State) != args[1] {
			s.T.Errorf("%+v, %v", e.Status, err)
		}
	},
	// gone ID: nothing is left in the registry.
	"gone": func(s *Story, args []string) { s.lab(args[0]).Gone() },
	// leftover ID: a dead watch's entry is still there.
	"leftover": func(s *Story, args []string) {
		if e, err := s.lab(args[0]).Entry(); err != nil || e.Live {
			s.T.Errorf("%+v, %v", e, err)
		}
	},
	// hides WORD: no file of the registry or the logs and nothing that was said
	// has it.
	"hides": func(s *Story, args []string) { s.Hides(args[0], s.all...) },
	// prints FILE: the last command's stdout is FILE. There 0 stands for any
	// number, … for anything within a line, two spaces for two or more.
	"prints": func(s *Story, args []string) {
		want := regexp.QuoteMeta(s.Script.ReadFile(args[0]))
		want = regexp.MustCompile(`\b0(\D)`).ReplaceAllString(want, `\d+$1`)
		want = regexp.MustCompile("  +").ReplaceAllString(strings.ReplaceAll(want, "…", ".*"),
			"  +")
		if got := s.Process(last).Output(); !regexp.MustCompile("^" + want + "$").MatchString(got) {
			s.T.Errorf("it printed\n%s", got)
		}
	},
	"wrong":    (*Story).wrong,
	"fails":    (*Story).fails,
	"look":     (*Story).look,
	"mentions": (*Story).mentions,
	"omits":    (*Story).omits,
	"sends":    (*Story).sends,
	"judges":   (*Story).judges,
}

func (s *Story) code(word string) int {
	if word == "killed" {
		return -1
	}
	code, err := strconv.Atoi(word)
	s.Script.Check(err)
	return code
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
		var p *Process
		if id := args[0]; strings.HasPrefix(id, "-") {
			p = l.Start(args[:n]...)
			s.track(last, p)
		} else {
			l.ID, l.Log = id, filepath.Join(filepath.Dir(s.Log), id)
			p = l.Watch(args[1:n]...)
			s.track(id, p)
		}
		return
	}
	var p *Process
	if len(args) > 0 && args[0] == "-check" {
		p = l.Check(args[1:]...)
	} else {
		p = l.Run(args...)
	}
	s.track(last, p)
	p.Exits(code)
	s.Script.Stdout().Write([]byte(p.Output()))
	s.Script.Stderr().Write([]byte(p.Errors()))
}

// wrong MESSAGE ARG... => WORD...: the command line is wrong usage, answered with
// the message and a line for people that has every WORD.
func (s *Story) wrong(args []string) {
	i := slices.Index(args, "=>")
	if i < 0 {
		s.T.Fatal("wrong MESSAGE ARG... => WORD...")
	}
	n := number(s.T, args[0])
	s.track(last, s.WrongUsage(n, catalogued(s.T, n), args[i+1:], args[1:i]...))
}

// catalogued is the text of a message in the golden file of the command under test.
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

// Apart fails the test if less time than least lies between the first message of
// one name and the last of the other. Their lines have whole seconds only, so one
// second less is not seen.
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

// Hides fails the test if a secret stands anywhere that people or other processes
// can look at: the registry, the directory of the log file, what was said.
func (l *Lab) Hides(secret string, processes ...*Process) {
	l.t.Helper()
	for path, text := range Files(l.t, l.Registry, filepath.Dir(l.Log)) {
		if strings.Contains(text, secret) {
			l.t.Errorf("%q is in %s:\n%s", secret, path, text)
		}
	}
	for _, p := range processes {
		if strings.Contains(p.Errors(), secret) || !p.Alive() &&
			strings.Contains(p.Output(), secret) {
			l.t.Errorf("%q was said:\n%s", secret, p.Errors())
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
