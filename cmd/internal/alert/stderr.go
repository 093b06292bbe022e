package alert

import (
	"context"
	"io"
	"os"

	"fsmon/cmd/internal/errand"
)

type stderrSink struct {
	w     io.Writer
	ident string
}

// Stderr writes alerts to w, each line with one write, as
// "2026-11-21T20:41:00+09:00 sambamon INFO 1 text" (local time; ident is the
// module name). Alerts also says here, once, that another sink has begun to
// fail. Close leaves w open. If nobody reads w any more, Deliver fails in a
// process that catches SIGPIPE; otherwise that signal ends the process. If w is
// os.Stderr and a file, errands write there, since its disk may hang.
func Stderr(w io.Writer, ident string) Sink {
	if w == os.Stderr && errand.StderrIsFile() {
		w = stderrFile{}
	}
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

// stderrFile is a stderr that is a file.
type stderrFile struct{}

func (stderrFile) Write(line []byte) (int, error) {
	return stderrErrand.Run(context.Background(), string(line))
}

// The answer is how many bytes were written.
var stderrErrand = errand.Handle("stderr", func(line string, reply func(int, error)) {
	reply(os.Stderr.WriteString(line))
})
