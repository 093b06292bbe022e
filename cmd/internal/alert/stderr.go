package alert

import "io"

type stderrSink struct {
	w     io.Writer
	ident string
}

// Stderr writes alerts to w, one write a line, as
// "2026-11-21T20:41:00+09:00 sambamon INFO 1 text" (local time; ident is the
// module name). Alerts also names here, once, every other sink that starts to
// fail. Close leaves w open. A reader that has gone is an error of Deliver
// where the process catches SIGPIPE; otherwise the signal ends the process.
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
