package alert

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What waits for a sink that can take many goes at once, in order. Of a batch
// that was taken in part the rest is lost, and counted.
func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		s := &batchSink{memorySink: memorySink{name: "log", hold: hold}, most: 100}
		a := NewAlerts(s)
		send := func(numbers ...int) {
			for _, n := range numbers {
				a.Send(Alert{Number: n, Text: "x"})
			}
		}
		send(1)
		synctest.Wait()
		send(2, 3, 4)
		long := strings.Repeat("y", batchBytes)
		a.Send(Alert{Number: 5, Text: long})
		send(6)
		close(hold)
		synctest.Wait()
		s.most = 1
		send(7)
		synctest.Wait()
		a.mu.Lock()
		for _, n := range []int{8, 9, 10} {
			a.others[0].queue <- &Alert{Number: n, Text: "x"}
		}
		a.mu.Unlock()
		a.Close(time.Second)
		same(t, "got", s.texts(), []string{"1 x", "2 x", "3 x", "4 x", "5 " + long, "6 x", "7 x", "8 x",
			"107 2 message(s) could not be delivered to log."})
		if want := []int{1, 4, 1, 1, 3}; !slices.Equal(s.batches, want) {
			t.Errorf("batches %v, want %v", s.batches, want)
		}
	})
}

func TestEntryAlert(t *testing.T) {
	got := Entry{62, Error, "error in Samba [%s] (tree connect error[%d])."}.Alert("pub%s", 67)
	want := Alert{Number: 62, Severity: Error,
		Text: "error in Samba [pub%s] (tree connect error[67])."}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestAlertsReachEverySinkInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // fails if a goroutine is left
		one, two := &memorySink{name: "one"}, &memorySink{name: "two"}
		a := NewAlerts(one, nil, two)
		a.Send(numbered.Alert(1))
		a.Send(numbered.Alert(2))
		a.Close(time.Second)
		a.Send(numbered.Alert(3))
		a.Close(time.Second)
		for _, s := range []*memorySink{one, two} {
			same(t, s.name, s.texts(), []string{"900 message 1", "900 message 2"})
			if !s.closed {
				t.Errorf("%s was not closed", s.name)
			}
		}
		for _, o := range a.outlets() {
			if n := len(o.queue); n > 0 {
				t.Errorf("%d messages wait for ever after Close", n)
			}
		}
	})
}

func TestSendStampsAndEscapes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		lines := make(chan string)
		go func() { b, _ := io.ReadAll(r); lines <- string(b) }()
		a := NewAlerts(Stderr(w, "sambamon"))
		stamp := time.Now().Local().Format("2006-01-02T15:04:05-07:00")
		a.Send(Alert{Number: 62, Severity: Error, Text: "share [a\nb]",
			Detail: strings.Repeat("x", 5000)})
		a.Close(time.Second)
		w.Close()
		got := strings.Split(<-lines, "\n")
		if want := stamp + ` sambamon ERROR 62 share [a\nb]`; got[0] != want {
			t.Errorf("first line %q, want %q", got[0], want)
		}
		if n := strings.Count(strings.Join(got, ""), "x"); n != maxText {
			t.Errorf("%d bytes of a detail of 5000 came through, want %d", n, maxText)
		}
	})
}

// A sink that hangs delays neither the watch nor the other sinks. How many
// messages it has lost is said there as soon as it works again, and once on
// stderr.
func TestHungSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stderr, said := stderrText()
		hung := &memorySink{name: "hung", hold: make(chan struct{})}
		well := &memorySink{name: "well"}
		a := NewAlerts(stderr, hung, well)
		start := time.Now()
		const sent = 1 + queueLen + 10 // one in the sink, a full queue, ten too many
		var all, told []string
		for i := range sent {
			a.Send(numbered.Alert(i))
			synctest.Wait()
			all = append(all, fmt.Sprintf("900 message %d", i))
			told = append(told, fmt.Sprintf("INFO 900 message %d", i))
			if i == 1+queueLen {
				told = slices.Insert(told, len(told)-1,
					"WARN 107 1 message(s) could not be delivered to hung.",
					"WARN 107 ... it hangs or is too slow, 64 messages are waiting for it")
			}
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("Send took %v", d)
		}
		same(t, "the other sink", well.texts(), all)
		// The last alert may reach either of the two sinks first.
		got := said()
		slices.Sort(got)
		slices.Sort(told)
		same(t, "stderr", got, told)

		close(hung.hold)
		a.Close(time.Second)
		want := append([]string{all[0], "107 10 message(s) could not be delivered to hung."},
			all[1:1+queueLen]...)
		same(t, "the sink that hung", hung.texts(), want)
		if d := time.Since(start); d != 0 {
			t.Errorf("Close took %v although nothing hung any more", d)
		}
	})
}

// When a sink begins to fail, that is said once on stderr. When it works again,
// it is told how many messages it has lost.
func TestFailingSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stderr, said := stderrText()
		disk := &memorySink{name: "log file"}
		a := NewAlerts(stderr, disk)
		send := func(i int) { a.Send(numbered.Alert(i)); synctest.Wait() }
		for spell := range 2 {
			disk.breakWith(errors.New("no space left on device"))
			for i := range 3 {
				send(10*spell + i)
			}
			disk.breakWith(nil)
			send(10*spell + 3)
		}
		disk.breakWith(errors.New("no\nspace"))
		send(20)
		disk.breakWith(nil)
		a.Close(time.Second)

		same(t, "the sink", disk.texts(), []string{
			"107 3 message(s) could not be delivered to log file.", "900 message 3",
			"107 3 message(s) could not be delivered to log file.", "900 message 13",
			"107 1 message(s) could not be delivered to log file.",
		})
		named, cause := "WARN 107 1 message(s) could not be delivered to log file.",
			"WARN 107 ... no space left on device"
		same(t, "stderr", said(), []string{
			"INFO 900 message 0", named, cause,
			"INFO 900 message 1", "INFO 900 message 2", "INFO 900 message 3",
			"INFO 900 message 10", named, cause,
			"INFO 900 message 11", "INFO 900 message 12", "INFO 900 message 13",
			"INFO 900 message 20", named, `WARN 107 ... no\nspace`,
		})
	})
}

// A loss of stderr must not cause further messages there.
func TestStderrFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stderr, said := stderrText()
		w := stderr.(*stderrSink).w
		stderr.(*stderrSink).w = brokenWriter{}
		well := &memorySink{name: "well"}
		bad := &memorySink{name: "bad", broken: errors.New("no")}
		a := NewAlerts(stderr, well, bad)
		send := func(i int) { a.Send(numbered.Alert(i)); synctest.Wait() }
		send(0)
		send(1)
		stderr.(*stderrSink).w = w
		send(2)
		a.Close(time.Second)
		same(t, "the other sink", well.texts(),
			[]string{"900 message 0", "900 message 1", "900 message 2"})
		// Lost are messages 0 and 1, and the one that the bad sink fails.
		same(t, "stderr", said(), []string{"WARN 107 3 message(s) could not be delivered to stderr.",
			"INFO 900 message 2"})
	})
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// A failure while the sinks are closed still reaches stderr.
func TestFailureDuringClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stderr, said := stderrText()
		slow := &memorySink{name: "slow", hold: make(chan struct{}),
			broken: errors.New("disk full")}
		a := NewAlerts(stderr, slow)
		a.Send(numbered.Alert(1))
		time.AfterFunc(100*time.Millisecond, func() { close(slow.hold) })
		a.Close(500 * time.Millisecond)
		same(t, "stderr", said(), []string{
			"INFO 900 message 1", "WARN 107 1 message(s) could not be delivered to slow.",
			"WARN 107 ... disk full",
		})
	})
}

// At a stop, sinks that need 300 ms a message get all three that are queued,
// with one that hangs beside them or not. Only that one costs the whole budget.
func TestSlowSinksGetAllAtClose(t *testing.T) {
	for hangs, want := range map[bool]time.Duration{
		false: 900 * time.Millisecond, true: 2 * time.Second,
	} {
		synctest.Test(t, func(t *testing.T) {
			text := &lockedBuilder{takes: 300 * time.Millisecond}
			slow := &memorySink{name: "slow", takes: 300 * time.Millisecond}
			hold := make(chan struct{})
			hung := &memorySink{name: "hung"}
			if hangs {
				hung.hold = hold
			}
			a := NewAlerts(Stderr(text, "sambamon"), hung, slow)
			for i := range 3 {
				a.Send(numbered.Alert(i))
			}
			start := time.Now()
			a.Close(2 * time.Second)
			if d := time.Since(start); d != want {
				t.Errorf("Close took %v, want %v", d, want)
			}
			same(t, "slow", slow.texts(),
				[]string{"900 message 0", "900 message 1", "900 message 2"})
			if n := strings.Count(text.String(), "INFO 900 message"); n != 3 {
				t.Errorf("stderr got %d messages:\n%s", n, text)
			}
			close(hold) // the bubble waits for its goroutine
		})
	}
}

func TestCloseKeepsItsBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stderr, said := stderrText()
		hung := &memorySink{name: "hung", hold: make(chan struct{})}
		well := &memorySink{name: "well"}
		a := NewAlerts(stderr, hung, well)
		for i := range 3 {
			a.Send(numbered.Alert(i))
		}
		start := time.Now()
		a.Close(500 * time.Millisecond)
		if d := time.Since(start); d != 500*time.Millisecond {
			t.Errorf("Close took %v of a budget of 500ms with a sink that hangs", d)
		}
		same(t, "the other sink", well.texts(),
			[]string{"900 message 0", "900 message 1", "900 message 2"})
		same(t, "stderr", said(), []string{"INFO 900 message 0", "INFO 900 message 1",
			"INFO 900 message 2"})
		close(hung.hold) // the bubble waits for its goroutine
	})
}

// With real descriptors: a pipe that nobody reads blocks only stderr.
func TestBlockedPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	defer r.Close()
	path := filepath.Join(t.TempDir(), "watch.log")
	log := LogFile(path, "sambamon")
	well := &memorySink{name: "well"}
	a := NewAlerts(Stderr(w, "sambamon"), log, well)
	const sent = 100 // of 1 kB: more than the 64 kB of a pipe (pipe(7))
	for i := range sent {
		a.Send(Alert{Number: 900, Text: strings.Repeat("x", maxText)})
		waitFor(t, "the other sinks", func() bool {
			b, err := os.ReadFile(path)
			return err == nil && strings.Count(string(b), "x") == (i+1)*maxText &&
				len(well.texts()) == i+1
		})
	}
	if len(a.first.queue) == 0 {
		t.Error("stderr was never blocked")
	}
	r.Close() // ends the write that hangs
	a.Close(time.Minute)
}
