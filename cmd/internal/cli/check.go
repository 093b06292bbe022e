package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"fsmon/cmd/internal/watch"
)

// ending is how -check, or a command line, ends.
type ending int

const (
	endHealthy ending = iota
	endFailed
	endUsage       // a wrong command line
	endConfig      // a right one, but not here: the credentials file cannot be used, say
	endLocal       // this machine could not check
	endInterrupted // SIGINT or SIGTERM
)

// exitCodes has the exit code of each ending in each style.
//
// Nagios knows OK, CRITICAL and UNKNOWN (WARNING is not used: a warning of a healthy server stands in the text). OCF (Pacemaker,
// "OCF Return Codes"): 1 OCF_ERR_GENERIC is soft, the resource is restarted or moved; that also goes for a want of this machine, since OCF
// has no code for "could not be determined". 6 OCF_ERR_CONFIGURED is fatal on every node, right for a command line that no node
// accepts. What is wrong on this node only is 2 OCF_ERR_ARGS, hard: the other nodes may still run the resource. 5
// OCF_ERR_INSTALLED and 7 OCF_NOT_RUNNING are for the agent to say, which knows whether the server should run.
var exitCodes = map[string][6]int{
	"":          {exitOK, exitFailed, exitUsage, exitUsage, exitLocal, exitFailed},
	styleNagios: {0, 2, 3, 3, 3, 3},
	styleOCF:    {0, 1, 6, 2, 1, 1},
}

// end is the exit code of an ending. In Nagios' style it also prints the line that is due for one without a probe's result.
func (s Service) end(req request, e ending, why string) int {
	if req.ExitStyle == styleNagios && why != "" {
		fmt.Println(nagiosLine(e, why))
	}
	return exitCodes[req.ExitStyle][e]
}

// checked is one probe and what is to be said about it.
type checked struct {
	req    request
	target Target
	report watch.Report
	took   time.Duration
	err    error // nil: healthy
	why    Diagnosis
}

// check probes once, without the registry, and says what it found.
func (s Service) check(req request) int {
	target, err := s.Target()
	if err != nil {
		s.say(s.Catalogue.Invalid.Alert())
		s.complain("%v", err)
		return s.end(req, endConfig, err.Error())
	}
	os.Unsetenv("PASSWD")
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	c := checked{req: req, target: target}
	began := time.Now()
	c.report, c.err = watch.Once(ctx, req.Timeout, target.Probe)
	c.took = time.Since(began)
	if ctx.Err() != nil {
		s.complain("interrupted after %s (nothing is known about the server)", milliseconds(c.took))
		return s.end(req, endInterrupted, "interrupted")
	}
	if c.err != nil {
		c.why = s.diagnose(c.err, c.report)
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
	return s.end(req, c.ending(), "")
}

func (c *checked) ending() ending {
	switch {
	case c.err == nil:
		return endHealthy
	case c.why.Local:
		return endLocal
	}
	return endFailed
}

func (c *checked) warnings() []string {
	all := c.report.Warnings
	if c.err == nil && watch.Slow(c.took, c.req.Timeout) {
		all = append(all[:len(all):len(all)], fmt.Sprintf("the probe took %s of the %s that -r allows", milliseconds(c.took), c.req.Timeout))
	}
	return all
}

// hint is about what the probe's account risks; empty without an account.
func (c *checked) hint() string {
	logons := c.req.Retries + 1
	switch {
	case c.target.User == "":
		return ""
	case c.why.LogonRefused:
		return fmt.Sprintf("This was one refused logon of %q. A watch with these options would make %d more before its verdict and as many after each "+
			"restart, which can lock the account out: set the password right first, and look at the lockout policy.", c.target.User, logons)
	}
	return fmt.Sprintf("Should the password of %q become wrong, each verdict costs %d refused logons (-c and one more): mind the lockout policy, "+
		"and give the watch an account of its own.", c.target.User, logons)
}

// verdictTimes is how long after the first failed probe began the server is judged failed: one that refuses at once, and one that
// lets every probe run into its deadline (the next probe starts an interval after the last one's start, or at once).
func verdictTimes(req request) (refused, stalled time.Duration) {
	c := time.Duration(req.Retries)
	return c * req.Interval, c*max(req.Interval, req.Timeout) + req.Timeout
}
