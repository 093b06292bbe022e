package alert

import "io"

type stderrSink struct {
	w     io.Writer
	ident string
}

// Stderr writes alerts to w, each line with one write, as
// "2026-11-21T20:41:00+09:00 sambamon INFO 1 text" (local time; ident is the
// module name). Alerts also says here, once, that another sink has begun to
// fail. Close leaves w open. If nobody reads w any more, Deliver fails in a
// process that catches SIGPIPE; otherwise that signal ends the process.
func Stderr(w io.Writer, ident string) Sink {
	return &stderrSink{w: w, ident: ident}
}

func (s *stderrSink) Name() string { return "stderr" }

func (s *stderrSink) Deliver(a Alert) error {
	for _, line := range lines(logHead(s.ident, a), a) {
		if _, err := io.WriteString(s.w, line+"\n"); err != nil {
			return err
		}
	}
	return nil
}

func (s *stderrSink) Close() error { return nil }
