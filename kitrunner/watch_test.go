package kitrunner

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// watchLab runs a watch in fake time. act is given the number of the call, from
// 1; the log has a line for every call and every end, with the second.
type watchLab struct {
	Watch
	began time.Time
	log   []string
	busy  bool
}

func newWatchLab(t *testing.T, recovers bool, act func(ctx context.Context, n int,
	action string) int) *watchLab {
	l := &watchLab{began: time.Now()}
	n := 0
	l.Watch = Watch{Quick: DefaultQuickInterval, Deep: DefaultDeepInterval, Recovers: recovers,
		Act: func(ctx context.Context, action string) int {
			if l.busy {
				t.Errorf("%s began while another action ran", action)
			}
			l.busy = true
			defer func() { l.busy = false }()
			n++
			l.say("%s", action)
			return act(ctx, n, action)
		}}
	return l
}

func (l *watchLab) say(format string, args ...any) {
	l.log = append(l.log, fmt.Sprintf("%g ", time.Since(l.began).Seconds())+fmt.Sprintf(format,
		args...))
}

// run returns when the watch ends, or cancels it at the limit.
func (l *watchLab) run(limit time.Duration) int {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	code := l.Run(ctx)
	l.say("end %d", code)
	return code
}

func (l *watchLab) want(t *testing.T, lines ...string) {
	t.Helper()
	if got, want := strings.Join(l.log, "\n"), strings.Join(lines, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestWatchIntervals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newWatchLab(t, true, func(context.Context, int, string) int { return 0 })
		l.run(901 * time.Second)
		l.want(t, "0 quickCheck", "180 quickCheck", "300 deepCheck", "360 quickCheck",
			"540 quickCheck",
			"600 deepCheck", "720 quickCheck", "900 quickCheck", "900 deepCheck", "901 end 0")
	})
}

func TestWatchRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newWatchLab(t, true, func(_ context.Context, n int, action string) int {
			if action == "deepCheck" || n == 2 {
				return 1
			}
			return 0
		})
		l.run(350 * time.Second)
		l.want(t, "0 quickCheck", "180 quickCheck", "180 recover", "300 deepCheck",
			"300 recover", "350 end 0")
	})
}

func TestWatchEnds(t *testing.T) {
	for _, c := range []struct {
		name     string
		recovers bool
		codes    map[string][]int // by action, one for each call; 0 when used up
		want     string
	}{
		{"a failed recovery ends it with 1", true, map[string][]int{"quickCheck": {1},
			"recover": {1}},
			"0 quickCheck, 0 recover, 0 end 1"},
		{"a recovery that ran out of time ends it with 1", true, map[string][]int{"quickCheck": {1},
			"recover": {2}},
			"0 quickCheck, 0 recover, 0 end 1"},
		{"the volume kit has no recover", false, map[string][]int{"deepCheck": {1}},
			"0 quickCheck, 180 quickCheck, 300 deepCheck, 300 end 1"},
		{"three undetermined in a row end it with 3 and never recover", true,
			map[string][]int{"quickCheck": {3, 3, 3}},
			"0 quickCheck, 180 quickCheck, 300 deepCheck, 360 quickCheck, 360 end 3"},
		{"of one action, though the other answers", true, map[string][]int{"deepCheck": {3, 3, 3}},
			"0 quickCheck, 180 quickCheck, 300 deepCheck, 360 quickCheck, 540 quickCheck, 600 " +
				"deepCheck, 720 quickCheck, 900 quickCheck, 900 deepCheck, 900 end 3"},
		{"of recover, though deepCheck always succeeds", true,
			map[string][]int{"quickCheck": {1, 1, 1}, "recover": {3, 3, 3}},
			"0 quickCheck, 0 recover, 180 quickCheck, 180 recover, 300 deepCheck, " +
				"360 quickCheck, 360 recover, 360 end 3"},
		{"an answer between starts the count again", true,
			map[string][]int{"quickCheck": {3, 3, 0, 3, 3, 0}},
			"0 quickCheck, 180 quickCheck, 300 deepCheck, 360 quickCheck, 540 quickCheck, 600 " +
				"deepCheck, 720 quickCheck, 900 quickCheck, 900 deepCheck, 1000 end 0"},
		{"a failure is an answer too", true, map[string][]int{"quickCheck": {3, 3, 1, 3, 3, 0}},
			"0 quickCheck, 180 quickCheck, 300 deepCheck, 360 quickCheck, 360 recover, 540 " +
				"quickCheck, 600 deepCheck, 720 quickCheck, 900 quickCheck, 900 " +
				"deepCheck, 1000 end 0"},
		{"an undetermined recovery is tried again while the check fails", true,
			map[string][]int{"quickCheck": {1, 1, 0}, "recover": {3, 0}},
			"0 quickCheck, 0 recover, 180 quickCheck, 180 recover, 300 deepCheck, 360 " +
				"quickCheck, 540 quickCheck, 600 deepCheck, 720 quickCheck, 900 quickCheck, 900 " +
				"deepCheck, 1000 end 0"},
		{"three undetermined recoveries end it with 3", true, map[string][]int{"quickCheck": {1, 1},
			"deepCheck": {1}, "recover": {3, 3, 3}},
			"0 quickCheck, 0 recover, 180 quickCheck, 180 recover, 300 deepCheck, 300 " +
				"recover, 300 end 3"},
		{"unless a quickCheck succeeded between", true, map[string][]int{"quickCheck": {1, 1},
			"deepCheck": {0, 1}, "recover": {3, 3, 3}},
			"0 quickCheck, 0 recover, 180 quickCheck, 180 recover, 300 deepCheck, 360 " +
				"quickCheck, 540 quickCheck, 600 deepCheck, 600 recover, 720 quickCheck, 900 " +
				"quickCheck, 900 deepCheck, 1000 end 0"},
		{"wrong usage is no verdict on the resource", true, map[string][]int{"quickCheck": {64}},
			"0 quickCheck, 0 end 64"},
		{"nor is an unsupported action", true, map[string][]int{"deepCheck": {69}},
			"0 quickCheck, 180 quickCheck, 300 deepCheck, 300 end 69"},
		{"2 is not 1: nothing is recovered", true, map[string][]int{"quickCheck": {2}},
			"0 quickCheck, 0 end 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := map[string]int{}
				l := newWatchLab(t, c.recovers, func(_ context.Context, _ int, action string) int {
					i := calls[action]
					calls[action]++
					if codes := c.codes[action]; i < len(codes) {
						return codes[i]
					}
					return 0
				})
				l.run(1000 * time.Second)
				if got := strings.Join(l.log, ", "); got != c.want {
					t.Errorf("got  %s\nwant %s", got, c.want)
				}
			})
		})
	}
}

func TestWatchNotes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		codes := []int{0, 3, 1, 0, 3, 1, 1}
		l := newWatchLab(t, true, func(_ context.Context, n int, _ string) int {
			return codes[n-1]
		})
		var notes []string
		l.Note = func(action string, code int, text string) {
			notes = append(notes, fmt.Sprintf("%s %d %s", action, code, text))
		}
		if code := l.run(time.Hour); code != 1 {
			t.Errorf("ended with %d, want 1", code)
		}
		want := `quickCheck 0 succeeded
quickCheck 3 could not determine anything (1 of 3 in a row): tried again at its next turn
deepCheck 1 failed: recovering
recover 0 succeeded
quickCheck 3 could not determine anything (2 of 3 in a row): tried again at its next turn
quickCheck 1 failed: recovering
recover 1 failed: the watch ends`
		if got := strings.Join(notes, "\n"); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	})
}

// A check that takes longer than both intervals delays the others. Checks that
// were missed meanwhile are not made up for.
func TestWatchNeverOverlaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newWatchLab(t, true, func(_ context.Context, n int, _ string) int {
			if n == 1 {
				<-time.After(1000 * time.Second)
			}
			return 0
		})
		l.run(1200 * time.Second)
		l.want(t, "0 quickCheck", "1000 quickCheck", "1000 deepCheck", "1180 quickCheck",
			"1200 end 0")
	})
}

func TestWatchStopsACheckAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newWatchLab(t, true, func(ctx context.Context, _ int, _ string) int {
			<-ctx.Done()
			return 1 // what a killed command is taken for must not start a recover
		})
		l.run(10 * time.Second)
		l.want(t, "0 quickCheck", "10 end 0")
	})
}

func TestWatchStopsBetweenChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newWatchLab(t, true, func(context.Context, int, string) int { return 0 })
		l.run(180 * time.Second) // just when the next check is due
		if got := l.log[len(l.log)-1]; got != "180 end 0" || len(l.log) > 3 {
			t.Errorf("got %q", l.log)
		}
	})
}

func TestWatchLetsARecoverFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newWatchLab(t, true, func(ctx context.Context, _ int, action string) int {
			if action == "recover" {
				select {
				case <-ctx.Done():
					t.Error("the recover was cancelled")
				case <-time.After(60 * time.Second):
				}
				return 0
			}
			return 1
		})
		l.run(10 * time.Second)
		l.want(t, "0 quickCheck", "0 recover", "60 end 0")
	})
}
