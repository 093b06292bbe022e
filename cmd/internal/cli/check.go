package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"fsmon/cmd/internal/watch"
)

// checked is one probe and what is to be said about it.
type checked struct {
	req    request
	target Target
	report watch.Report
	took   time.Duration
	void   string // about a first probe that said nothing; empty: there was none
	err    error  // nil: healthy
	why    Diagnosis

	witnesses []watch.Witness
	explains  func(watch.Witness) string
}

// says is what a witness said, and beside a failed probe what that means.
func (c *checked) says(w watch.Witness) string {
	if c.err != nil {
		return c.explains(w)
	}
	return strings.Replace(w.String(), "fails too", "fails", 1)
}

// check probes once, without the registry, and says what it found.
func (s Service) check(req request) error {
	target, err := s.target(&req)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	c := checked{req: req, target: target, explains: s.explains}
	asking, noMore := context.WithCancel(ctx)
	defer noMore()
	testimony := make(chan []watch.Witness, 1)
	go func() { testimony <- newWitnesses(asking, req, target).ask() }()
	s.ask(ctx, &c, req.Timeout, func() {})
	if c.err == nil { // nothing is left to explain
		time.AfterFunc(time.Second, noMore)
	}
	if ctx.Err() == nil {
		c.witnesses = <-testimony
	}
	if ctx.Err() != nil {
		text := fmt.Sprintf("interrupted after %s (nothing is known about the server)",
			milliseconds(c.took))
		return &failure{end: endInterrupted, text: text, brief: "interrupted"}
	}
	switch {
	case req.JSON:
		c.json(os.Stdout)
	case req.ExitStyle == styleNagios:
		c.nagios(os.Stdout)
	case req.ExitStyle == styleOCF:
		fmt.Println(c.summary()) // an agent's exit reason is one line
	default:
		width, _, _ := screen(os.Stdout)
		c.ladder(os.Stdout, proseWidth(width), colours(os.Stdout))
	}
	if c.err != nil {
		return &failure{end: c.ending()}
	}
	return nil
}

// ask probes once and puts a failure into words. It calls again before it
// repeats the probe.
func (s Service) ask(ctx context.Context, c *checked, timeout time.Duration, again func()) {
	began := time.Now()
	c.report, c.err = watch.Once(ctx, timeout, c.target.Probe,
		func(late time.Duration, err error) {
			c.void = fmt.Sprintf("a first probe failed while this machine stood still for %s, and "+
				"was repeated (%v)", late.Round(10*time.Millisecond), err)
			again()
			began = time.Now()
		})
	c.took = time.Since(began)
	if c.err != nil {
		c.why = s.diagnose(c.err, c.report)
	}
}

// tolerated reports whether a watch would not count the failure.
func (c *checked) tolerated() bool {
	return c.err != nil && slices.Contains(c.req.Tolerate, c.why.Class)
}

func (c *checked) ending() ending {
	switch {
	case c.err == nil:
		return endOK
	case c.tolerated():
		return endRefused
	case c.why.Class == Local:
		return endLocal
	}
	return endFailed
}

func (c *checked) warnings() []string {
	all := c.report.Warnings
	if c.void != "" {
		all = append(all[:len(all):len(all)], c.void)
	}
	if c.err == nil && watch.Slow(c.took, c.req.Timeout) {
		all = append(all[:len(all):len(all)], fmt.Sprintf(
			"the probe took %s of the %s that -r allows", milliseconds(c.took), c.req.Timeout))
	}
	if _, warning := c.unseen(); warning != "" {
		all = append(all[:len(all):len(all)], warning)
	}
	return all
}

func (c *checked) unseen() (note, warning string) {
	if c.target.Unseen == nil {
		return "", ""
	}
	return c.target.Unseen()
}

// hint is about what the probe's account risks, or does not see.
func (c *checked) hint() string {
	logons := c.req.Retries + 1
	switch {
	case c.err != nil && !c.why.LogonRefused:
		return "" // the failure is what counts now
	case c.target.User == "":
		note, _ := c.unseen()
		return note
	case c.why.LogonRefused:
		return fmt.Sprintf("This was one refused logon of %q. A watch with these options would "+
			"make %d more before its verdict and as many after each restart, which can lock the "+
			"account out: set the password right first, and look at the lockout policy.",
			c.target.User, logons)
	}
	return fmt.Sprintf("Should the password of %q become wrong, each verdict costs "+
		"%d refused logons (-c and one more): mind the lockout policy, "+
		"and give the watch an account of its own.",
		c.target.User, logons)
}
