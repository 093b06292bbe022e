package alert

import (
	"io"
	"os"

	"fsmon/cmd/internal/errand"
)

const stderrName = "stderr"

type stderrSink struct {
	w     io.Writer
	ident string
}

// Stderr writes alerts to w, each line with one write, as
// "2026-11-21T20:41:00+09:00 sambamon INFO 1 text" (local time; ident is the
// module name). Alerts also says here, once, that another sink has begun to
// fail. Close leaves w open. If nobody reads w any more, Deliver fails in a
// process that catches SIGPIPE; otherwise that signal ends the process.
//
// If w is this process's stderr and that leads to a file, an errand writes: its
// disk may hang.
func Stderr(w io.Writer, ident string) Sink {
	if w == os.Stderr && errand.HasStderr {
		return &logFile{ident: ident}
	}
	return &stderrSink{w: w, ident: ident}
}

func (s *stderrSink) Name() string { return stderrName }

func (s *stderrSink) Deliver(a Alert) error {
	for _, line := range lines(logHead(s.ident, a), a) {
		if _, err := io.WriteString(s.w, line+"\n"); err != nil {
			return err
		}
	}
	return nil
}

func (s *stderrSink) Close() error { return nil }
