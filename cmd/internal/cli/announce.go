package cli

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"fsmon/cmd/internal/watch"
)

// announce returns a listener that tells people what happens to the watch of
// target, in the catalogue's words.
func (s Service) announce(target string, send func(Alert)) func(watch.Event) {
	c := s.Catalogue
	said := map[string]bool{} // warnings that stand
	note, wasSlow := "", false
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
			if e.Slow && !wasSlow {
				send(slow.Alert(e.Took.Round(time.Millisecond), e.Deadline, slowest(e.Report.Rungs)))
			}
			wasSlow = e.Slow
			if e.Report.Note != "" && e.Report.Note != note {
				note = e.Report.Note
				send(settled.Alert(note))
			}
		case watch.Failed:
			send(probeFailed.Alert(e.Failures, e.Allowed, s.Diagnose(e.Err).Brief, e.Err.Error()))
		case watch.Void:
			send(void.Alert(e.Late.Round(10*time.Millisecond), e.Err.Error()))
		case watch.Forgiven:
			send(forgiven.Alert(e.Until.Format(time.DateTime), s.Diagnose(e.Err).Brief, e.Err.Error()))
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
			for _, a := range s.Diagnose(e.Err).Alerts {
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

// slowest says which rung of a probe took longest.
func slowest(rungs []watch.Rung) string {
	if len(rungs) == 0 {
		return "it named no step"
	}
	r := slices.MaxFunc(rungs, func(a, b watch.Rung) int { return cmp.Compare(a.Took, b.Took) })
	return fmt.Sprintf("%s alone took %s", r.Name, r.Took.Round(time.Millisecond))
}
