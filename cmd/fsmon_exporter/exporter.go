package main

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"fsmon/cmd/internal/cli"
	"fsmon/cmd/internal/observe"
	"fsmon/cmd/internal/watch"
	"fsmon/watchreg"
)

// maxAsked caps how many pairs of module and target are remembered.
const maxAsked = 5000

// exporter asks targets, and remembers what it needs from probe to probe: the
// login that worked, the version of NFS that a server speaks, and the counters.
type exporter struct {
	path   string // of the configuration
	offset time.Duration
	any    bool // --allow-any-target
	log    *slog.Logger
	turns  turns
	own    *ownMetrics

	reloading sync.Mutex

	mu      sync.Mutex
	config  *config
	asked   map[pair]*asked
	counted int // orders asked by time
}

// pair is what is remembered of: a module's name and a target's key.
type pair struct{ module, target string }

// asked is what is known of one pair. Only the holder of the target's turn uses
// it, but for the fields that say so.
type asked struct {
	pair
	target  target
	prober  *cli.Prober
	config  *config // that the prober was made of
	figures observe.Figures

	// Of exporter.mu:
	used     int // exporter.counted at the last request
	busy     int // requests that hold or await the turn
	failures int // failed probes in a row
	asking   bool
	last     *result
	said     []observe.Family // with last
}

// result is the last probe of a pair, for people.
type result struct {
	At      time.Time
	Took    time.Duration
	Healthy bool
	Ladder  string
}

// refusal is a request that is not answered with a probe.
type refusal struct {
	code   int    // of HTTP
	reason string // the label of fsmon_exporter_requests_refused_total
	text   string
}

func (r *refusal) Error() string { return r.text }

func wrong(text string) error { return &refusal{http.StatusBadRequest, "wrong", text} }

func busy(text string) error { return &refusal{http.StatusServiceUnavailable, "busy", text} }

// reload takes the file into use, or keeps the configuration as it is.
func (x *exporter) reload() error {
	x.reloading.Lock()
	defer x.reloading.Unlock()
	c, err := loadConfig(x.path)
	x.own.reloaded(err == nil)
	if err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.config = c
	for p, a := range x.asked { // what is not allowed any more is not shown either
		gone := c.modules[a.module] == nil || !x.any && c.allows(a.module, a.target) == nil
		if gone && a.busy == 0 {
			delete(x.asked, p)
		}
	}
	return nil
}

// reloadAndLog reloads, and logs how that went.
func (x *exporter) reloadAndLog() error {
	err := x.reload()
	if err != nil {
		x.log.Error("the configuration stays as it was", "error", err.Error())
	} else {
		x.log.Info("the configuration was read again", "file", x.path)
	}
	return err
}

// find checks a request, and returns what is to be asked and with which rule's
// options.
func (x *exporter) find(name, text string) (c *config, m *module, t target, more []string, err error) {
	x.mu.Lock()
	c = x.config
	x.mu.Unlock()
	if m = c.modules[name]; m == nil {
		return c, m, t, nil, wrong("module: the configuration has none of this name")
	}
	if t, err = parseTarget(m.protocol, text); err != nil {
		return c, m, t, nil, wrong("target: " + err.Error())
	}
	switch r := c.allows(name, t); {
	case r != nil:
		return c, m, t, r.options, nil
	case x.any:
		return c, m, t, nil, nil
	}
	return c, m, t, nil, &refusal{http.StatusForbidden, "forbidden",
		"target: no entry of targets: in the configuration allows it to this module"}
}

// probe asks a target once its turn has come, within budget (0: as long as the
// module's timeout for each of the two), and returns the metrics and the answer.
func (x *exporter) probe(ctx context.Context, name, text string, budget time.Duration) (
	[]observe.Family, *result, error) {
	c, m, t, more, err := x.find(name, text)
	if err != nil {
		return nil, nil, err
	}
	if budget == 0 {
		budget = 2 * m.timeout
	}
	came := time.Now()
	end := came.Add(budget)
	a, underWay := x.enter(name, t)
	defer x.leave(a)
	// Half of the time is for the probe if it needs so much: with less it would call
	// a healthy server dead.
	patience := budget - min(m.timeout, budget/2)
	if underWay {
		patience = budget
	}
	release, err := x.turns.wait(ctx, t.key(), patience)
	// Who waits for the same probe takes its answer: two Prometheus servers learn
	// the same of a server that hangs.
	if families, last := x.since(a, came); last != nil {
		if err == nil {
			release()
		}
		return families, last, nil
	}
	if err != nil {
		return nil, nil, err
	}
	if a.config != c {
		if a.prober, err = m.prober(t, more); err != nil {
			release()
			return nil, nil, err
		}
		a.config = c
		a.figures.Renew(watchreg.Status{ID: t.String(), Kind: m.protocol.kind,
			Command: "fsmon_exporter", Version: version, Target: a.prober.Where,
			Timeout: int(a.prober.Timeout.Seconds()), Retries: a.prober.Retries})
	}
	x.mu.Lock()
	a.asking = true
	x.mu.Unlock()
	// Not cut short when nobody waits any more: a write test would leave its file
	// behind.
	answer := a.prober.Ask(context.WithoutCancel(ctx), min(a.prober.Timeout, time.Until(end)))
	families, last := x.keep(a, answer)
	go func() { // a probe that was given up keeps its turn until it has ended
		a.prober.Wait()
		release()
	}()
	return families, last, nil
}

// keep remembers an answer.
func (x *exporter) keep(a *asked, answer *cli.Answer) ([]observe.Family, *result) {
	var ladder strings.Builder
	answer.Print(&ladder)
	x.mu.Lock()
	defer x.mu.Unlock()
	e := answer.Event(a.failures)
	switch e.Kind {
	case watch.Healthy:
		a.failures = 0
	case watch.Failed:
		a.failures = e.Failures
	}
	a.figures.On(e)
	if e.Err != nil && (a.last == nil || a.last.Healthy) {
		x.log.Warn("target failed", "module", a.module, "probe", answer.Summary())
	} else if e.Err == nil && a.last != nil && !a.last.Healthy {
		x.log.Info("target is healthy again", "module", a.module, "probe", answer.Summary())
	}
	a.last = &result{At: e.Began, Took: e.Took, Healthy: e.Err == nil, Ladder: ladder.String()}
	a.asking, a.said = false, a.figures.Families(e.At)
	return a.said, a.last
}

// since returns the answer of a probe that ended after a time; nil: there is
// none.
func (x *exporter) since(a *asked, came time.Time) ([]observe.Family, *result) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if a.last == nil || !a.last.At.Add(a.last.Took).After(came) {
		return nil, nil
	}
	return a.said, a.last
}

// enter returns what is known of a pair, and whether it is being asked. It
// forgets the one that was asked least recently if there are too many.
func (x *exporter) enter(name string, t target) (a *asked, underWay bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	p := pair{name, t.key()}
	a = x.asked[p]
	if a == nil {
		a = &asked{pair: p, target: t, figures: observe.NewFigures(watchreg.Status{})}
		x.asked[p] = a
	}
	x.counted++
	a.used = x.counted
	a.busy++
	if len(x.asked) > maxAsked {
		var oldest *asked
		for _, other := range x.asked {
			if other.busy == 0 && (oldest == nil || other.used < oldest.used) {
				oldest = other
			}
		}
		if oldest != nil {
			delete(x.asked, oldest.pair)
		}
	}
	return a, a.asking
}

func (x *exporter) leave(a *asked) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if a.busy--; a.busy == 0 && a.last == nil { // it has never answered
		delete(x.asked, a.pair)
	}
}

// known returns what is remembered, the failed first.
func (x *exporter) known() []shown {
	x.mu.Lock()
	defer x.mu.Unlock()
	var all []shown
	for _, a := range x.asked {
		if a.last != nil {
			all = append(all, shown{a.module, a.target.String(), *a.last})
		}
	}
	slices.SortFunc(all, func(a, b shown) int {
		if a.Healthy != b.Healthy {
			return cmp.Compare(a.Result(), b.Result())
		}
		return cmp.Or(cmp.Compare(a.Target, b.Target), cmp.Compare(a.Module, b.Module))
	})
	return all
}
