package cli

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"fsmon/cmd/internal/watch"
	"fsmon/watchreg"
)

// announce returns a listener that sends the catalogue's message for whatever
// happens to the watch of target.
func (s Service) announce(target string, send func(Alert)) func(watch.Event) {
	c := s.Catalogue
	said := map[string]bool{} // the warnings of the last healthy probe
	note, wasSlow, inGrace := "", false, false
	refusal := Class("") // of the last probe, if it was refused
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
			} else if refusal != "" && !e.First {
				send(accepted.Alert())
			}
			refusal = ""
			if inGrace && !e.Report.Grace {
				send(graceEnded.Alert())
			}
			inGrace = e.Report.Grace // that it begins is among the warnings
			now := map[string]bool{}
			for _, w := range e.Report.Warnings {
				if now[w] = true; !said[w] {
					send(warned.Alert(w))
				}
			}
			said = now
			if e.Slow && !wasSlow {
				took := e.Took.Round(time.Millisecond)
				send(slow.Alert(took, e.Deadline, slowest(e.Report.Rungs)))
			}
			wasSlow = e.Slow
			if e.Report.Note != "" && e.Report.Note != note {
				note = e.Report.Note
				send(settled.Alert(note))
			}
		case watch.Failed:
			refusal = ""
			send(probeFailed.Alert(e.Failures, e.Allowed, s.explain(e.Err).Brief, e.Err.Error()))
		case watch.Refused:
			if e.Class != refusal {
				refusal = e.Class
				send(refusedAs(e.Class).Alert(e.Class, s.explain(e.Err).Brief, e.Err.Error()))
			}
		case watch.Void:
			send(void.Alert(e.Late.Round(10*time.Millisecond), e.Err.Error()))
		case watch.Forgiven:
			until := e.Until.Format(time.DateTime)
			send(forgiven.Alert(until, s.explain(e.Err).Brief, e.Err.Error()))
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
			refusal, inGrace = "", false
			send(c.Continued.Alert())
		case watch.Judged:
			alerts := s.explain(e.Err).Alerts
			for _, w := range e.Witnesses {
				alerts[0].Detail += "; witness " + s.explains(w)
			}
			for _, a := range alerts {
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

func refusedAs(class Class) Message {
	if class == watch.Account || class == watch.Access {
		return refused
	}
	return notReached
}

// announceStart returns a listener that says at the start what the watch takes
// over, what was settled before the first probe, and why its program does not
// stay in memory.
func announceStart(send func(Alert), notes []string, left *watchreg.Status,
	unheld error) func(watch.Event) {
	return func(e watch.Event) {
		if e.Kind != watch.Started {
			return
		}
		if left != nil {
			send(tookOver.Alert(left.PID))
			if left.State == watchreg.Paused {
				send(unpaused.Alert())
			}
		}
		for _, note := range notes {
			send(settled.Alert(note))
		}
		if unheld != nil {
			send(notHeld.Alert(unheld))
		}
	}
}

// slowest says which rung of a probe took longest.
func slowest(rungs []watch.Rung) string {
	if len(rungs) == 0 {
		return "it named no step"
	}
	r := slices.MaxFunc(rungs, func(a, b watch.Rung) int { return cmp.Compare(a.Took, b.Took) })
	return fmt.Sprintf("%s alone took %s", r.Name, r.Took.Round(time.Millisecond))
}
