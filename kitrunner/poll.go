package kitrunner

import (
	"fmt"
	"time"
)

// poll asks at 0, every, 2·every, … up to most, until it gets the answer until,
// and goes on by the last answer. first is done once, if the first answer was
// another one.
func poll(c cmd, read reader, until answer, every, most time.Duration, first Op,
	branches ...branch) Op {
	return pollOp{c, read, until, every, most, first, branches}
}

type pollOp struct {
	cmd         cmd
	read        reader
	until       answer
	every, most time.Duration
	first       Op
	branches    []branch
}

func (o pollOp) plan(p *planner) {
	p.line("every %v for up to %v, until %s:", o.every, o.most, o.until)
	p.indent += 2
	p.command(o.cmd)
	p.indent -= 2
	p.line("if the first look does not find it:")
	p.ops([]Op{o.first})
	p.branches(o.branches)
}

func (o pollOp) run(r *run) next {
	begin := time.Now()
	a, _ := r.ask(o.cmd, o.read)
	if a != o.until {
		o.first.run(r)
	}
	for at := o.every; a != o.until && at <= o.most; at += o.every {
		passed := time.Since(begin)
		if at < passed { // a slow command: the next look is the next that is due
			continue
		}
		r.show(Waiting, fmt.Sprintf("looking again at %.0f s of %.0f s", at.Seconds(),
			o.most.Seconds()))
		select {
		case <-r.ctx.Done():
			r.why = r.ctx.Err().Error()
			return r.choose(unknown, o.branches)
		case <-time.After(at - passed):
		}
		a, _ = r.ask(o.cmd, o.read)
	}
	return r.choose(a, o.branches)
}
