package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/smbprobe/smbtest"
)

// Stepping the machine's clock would harm all others who use the machine. So
// the command is built with a changed standard library: some time after the
// start its time.Now shows a wall clock that was stepped. The monotonic clock
// runs on, as the kernel's does (clock_settime(2)).
const stepped = `
var stepAfter, stepBy = stepNumber("FSMON_TEST_STEP_AFTER_MS") * 1000000, stepNumber("FSMON_TEST_STEP_BY_S")

func stepNumber(name string) (n int64) {
	s, _ := syscall.Getenv(name)
	negative := s != "" && s[0] == '-'
	if negative {
		s = s[1:]
	}
	for _, c := range []byte(s) {
		n = n*10 + int64(c-'0')
	}
	if negative {
		return -n
	}
	return n
}
`

// steppedCommand builds clp_sambamon in this way.
func steppedCommand(t *testing.T) string {
	t.Helper()
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	must(t, err)
	original := filepath.Join(strings.TrimSpace(string(goroot)), "src", "time", "time.go")
	source, err := os.ReadFile(original)
	must(t, err)
	const now = "\tsec, nsec, mono := runtimeNow()\n"
	before, after, found := strings.Cut(string(source), "func Now() Time {\n"+now)
	if !found {
		t.Fatalf("time.Now in Go %s does not begin as this test knows it", runtime.Version())
	}
	text := before + "func Now() Time {\n" + now +
		"\tif mono-startNano >= stepAfter {\n\t\tsec += stepBy\n\t}\n" + after + stepped
	text = strings.Replace(text, "import (\n", "import (\n\t\"syscall\"\n", 1)
	dir := t.TempDir()
	replaced, overlay, program := filepath.Join(dir, "time.go"), filepath.Join(dir, "overlay.json"),
		filepath.Join(dir, "clp_sambamon")
	must(t, os.WriteFile(replaced, []byte(text), 0o600))
	list, err := json.Marshal(map[string]map[string]string{"Replace": {original: replaced}})
	must(t, err)
	must(t, os.WriteFile(overlay, list, 0o600))
	build := exec.Command("go", "build", "-overlay", overlay, "-trimpath", "-buildvcs=false", "-o",
		program, "fsmon/cmd/clp_sambamon")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// The machine's clock is stepped by an hour while a watch runs: no probe too
// many, none too few, no verdict, no void probe, and a pause that ends by
// itself ends when it was to end. What is shown to people follows the clock.
func TestSteppedClock(t *testing.T) {
	t.Parallel()
	program := steppedCommand(t)
	s := smbtest.Samba(t, smbtest.Config{})
	for name, by := range map[string]time.Duration{"an hour on": time.Hour,
		"an hour back": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var probes []time.Time
			addr := smbtest.Relay(t, s.Addr(), func(f *smbtest.Frame) smbtest.Behaviour {
				if !f.FromServer && f.Index == 0 {
					mu.Lock()
					probes = append(probes, time.Now())
					mu.Unlock()
				}
				return nil
			})
			_, port, _ := strings.Cut(addr, ":")
			lab := func(after time.Duration) *cmdtest.Lab {
				l := cmdtest.NewLab(t, "clp_sambamon")
				l.Command = program
				l.Env = []string{fmt.Sprintf("FSMON_TEST_STEP_AFTER_MS=%d", after.Milliseconds()),
					fmt.Sprintf("FSMON_TEST_STEP_BY_S=%d", int(by.Seconds()))}
				return l
			}
			args := []string{"-s", "share", "-a", "127.0.0.1", "--port", port, "-i", "1", "-c", "1",
				"-r", "10"}
			// after the start; the first pause must have been asked for by then
			const step = 6 * time.Second
			l, paused := lab(step), lab(step)
			w := l.Watch(args...)
			p := paused.Watch(args...)
			w.Message(cmdtest.Watching)
			p.Message(cmdtest.Watching)

			// The second one's pause, asked for before the step, ends after it.
			before := *paused
			before.Env = nil
			began := time.Now()
			before.Verb("-pause", "8").Exits(0)
			if st, err := paused.Entry(); err != nil {
				t.Error(err)
			} else if until := st.Status.PausedUntil; until.Before(began.Add(8*time.Second)) ||
				until.After(time.Now().Add(8*time.Second)) {
				t.Errorf("at %v for 8 s: the status says paused until %v", began, until)
			}
			p.Message(cmdtest.PauseEnded) // within a minute, and the step is longer
			if took := time.Since(began); took < 7*time.Second {
				t.Errorf("a pause of 8 s over the step took %v", took)
			}
			// By now the step is over, and the status of both is as of then.
			for _, one := range []*cmdtest.Lab{l, paused} {
				cmdtest.Eventually(t, "a status after the step", func() bool {
					e, err := one.Entry()
					return err == nil && e.Status != nil &&
						e.Status.LastProbe.Sub(time.Now().Add(by)).Abs() < 20*time.Second
				})
			}
			// On the stepped machine verbs work as ever.
			after := *paused
			after.Env = []string{"FSMON_TEST_STEP_AFTER_MS=0", paused.Env[1]}
			after.Verb("-pause", "2").Exits(0)
			p.Message(cmdtest.PauseEnded)
			after.Verb("-disp").Exits(0)
			for _, one := range []*cmdtest.Lab{l, paused} {
				stop := *one
				stop.Env = after.Env
				stop.Silent("-stop")
			}
			w.Exits(0)
			p.Exits(0)
			w.Told("started watching stopping")
			const pause = " paused pause-until pause-ended continued"
			p.Told("started watching" + pause + pause + " stopping")

			mu.Lock()
			defer mu.Unlock()
			// of two watches, so never more than three in a second
			for i := 2; i < len(probes); i++ {
				if gap := probes[i].Sub(probes[i-2]); gap > cmdtest.Limit {
					t.Errorf("no probe for %v", gap)
				}
			}
			// 1 a second for the one, and what its pauses leave for the other.
			span := probes[len(probes)-1].Sub(probes[0]).Seconds()
			if float64(len(probes)) > 2*span+6 {
				t.Errorf("%d probes in %.0f s: the step brought some", len(probes), span)
			}
		})
	}
}
