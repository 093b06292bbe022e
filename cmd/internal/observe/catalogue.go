package observe

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"fsmon/cmd/internal/watch"
)

// Catalogue is the messages of FSM chapter 8 that both commands have, each in
// its own words, and the way from a failed probe to its message.
type Catalogue struct {
	Started   Entry // 1
	Watching  Entry // 2; verb: the target's name
	Stopping  Entry // 3; verb: the target's name, unless the text has none
	Terminate Entry // 6
	Paused    Entry // 7
	Continued Entry // 8
	Invalid   Entry // 11
	Missing   Entry // 12
	NoID      Entry // 13
	InUse     Entry // 14
	NotEnded  Entry // 15
	System    Entry // 42; verbs: function name, error number
	NoName    Entry // 61; verb: error number

	// Failure says what a failed probe of the named target means.
	Failure func(target string, err error) Failure
}

// Failure is a failed probe in the catalogue's words.
type Failure struct {
	Alerts []Alert // at the verdict, before message 6
	Code   string  // short, for the line of one failed probe: "select error[110]"
	Local  bool    // a want of this machine (42, 71): a failover of the server is no cure
}

// Messages of our own, numbered from 101, the same for every command. 107 is
// dropped.
var (
	probeFailed = Entry{101, Warning, "Probe failed (%d of %d), %s: %s"}
	recovered   = Entry{102, Info, "The file server answers again after %d failed probe(s)."}
	void        = Entry{103, Warning, "A failed probe is not counted, since this machine woke the watch %s late. It is repeated. %s"}
	warned      = Entry{104, Warning, "Healthy, but %s."}
	pauseEnded  = Entry{105, Info, "The pause has ended by itself."}
	pauseUntil  = Entry{106, Info, "The pause will end by itself at %s."}
	pauseOpen   = Entry{106, Info, "The pause will last until -continue."}
	TookOver    = Entry{108, Warning, "Took over the identifier from process %d, which was killed or crashed."}
	Unpaused    = Entry{109, Warning, "The watch that was killed was paused. This one is not."}
	statusLost  = Entry{110, Warning, "The status cannot be written, the watch goes on (%v)."}
	Settled     = Entry{111, Info, "The watch has settled on %s."} // at the start, and when it changes
	// 112 and 113 are for Catalogue.Failure; verbs: the target's name, why.
	MarkerFailed = Entry{112, Error, "The file server has failed the marker check of [%s] (%s)."}
	WriteFailed  = Entry{113, Error, "The file server has failed the write test of [%s] (%s)."}
	slow         = Entry{114, Warning, "Healthy, but slow: the probe took %s of the %s it has (%s)."}
	forgiven     = Entry{115, Info, "Probe failed, not counted before %s (start wait), %s: %s"}
	Saved        = Entry{116, Info, "Evidence was saved in %s."}
	notSaved     = Entry{117, Warning, "Evidence could not be saved (%v)."}
	metricsLost  = Entry{118, Warning, "The metrics file cannot be written, the watch goes on (%v)."}
)

// Own lists the messages of our own in order, for the README and the tests.
func Own() []Entry {
	return []Entry{probeFailed, recovered, void, warned, pauseEnded, pauseUntil, pauseOpen, dropped, TookOver, Unpaused, statusLost,
		Settled, MarkerFailed, WriteFailed, slow, forgiven, Saved, notSaved, metricsLost}
}

// Announce returns a listener that tells what happens to the watch of target
// in the catalogue's words.
func Announce(c Catalogue, target string, send func(Alert)) func(watch.Event) {
	said := map[string]bool{} // warnings that stand
	note, dragging := "", false
	return func(e watch.Event) {
		switch e.Kind {
		case watch.Started:
			send(c.Started.Alert())
		case watch.Healthy:
			if e.First {
				send(c.Watching.Alert(target))
			}
			if e.Failures > 0 {
				send(recovered.Alert(e.Failures))
			}
			standing := map[string]bool{}
			for _, w := range e.Report.Warnings {
				if standing[w] = true; !said[w] {
					send(warned.Alert(w))
				}
			}
			said = standing
			if e.Slow && !dragging {
				send(slow.Alert(e.Took.Round(time.Millisecond), e.Deadline, slowest(e.Report.Rungs)))
			}
			dragging = e.Slow
			if e.Report.Note != "" && e.Report.Note != note {
				note = e.Report.Note
				send(Settled.Alert(note))
			}
		case watch.Failed:
			f := c.Failure(target, e.Err)
			send(probeFailed.Alert(e.Failures, e.Allowed, f.Code, e.Err.Error()))
		case watch.Void:
			send(void.Alert(e.Late.Round(10*time.Millisecond), e.Err.Error()))
		case watch.Forgiven:
			send(forgiven.Alert(e.Until.Format(time.DateTime), c.Failure(target, e.Err).Code, e.Err.Error()))
		case watch.Paused:
			if !e.Again {
				send(c.Paused.Alert())
			}
			if !e.Until.IsZero() {
				send(pauseUntil.Alert(e.Until.Format(time.DateTime)))
			} else if e.Again {
				send(pauseOpen.Alert())
			}
		case watch.Continued:
			if e.Expired {
				send(pauseEnded.Alert())
			}
			send(c.Continued.Alert())
		case watch.Judged:
			for _, a := range c.Failure(target, e.Err).Alerts {
				send(a)
			}
			send(c.Terminate.Alert())
		case watch.Stopped:
			a := c.Stopping.Alert(target)
			a.Detail = "asked by " + e.Reason
			send(a)
		}
	}
}

// StatusLost is the message for a status that could not be written.
func StatusLost(err error) Alert { return statusLost.Alert(fmt.Sprint(err)) }

// NotSaved is the message for evidence that was not, or at a verdict would not
// be, saved.
func NotSaved(err error) Alert { return notSaved.Alert(err) }

// MetricsLost is the message for a metrics file that could not be written.
func MetricsLost(err error) Alert { return metricsLost.Alert(err) }

// slowest says which rung of a probe took longest.
func slowest(rungs []watch.Rung) string {
	if len(rungs) == 0 {
		return "it named no step"
	}
	r := slices.MaxFunc(rungs, func(a, b watch.Rung) int { return cmp.Compare(a.Took, b.Took) })
	return fmt.Sprintf("%s alone took %s", r.Name, r.Took.Round(time.Millisecond))
}
