package observe

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"fsmon/cmd/internal/watch"
	"fsmon/watchreg"
)

// Metrics keeps a file in the text format of Prometheus up to date, for the
// textfile collector of the node exporter
// (prometheus.io/docs/instrumenting/exposition_formats). A rename replaces the
// whole file, at once when the health changes and otherwise at most every 10 s,
// since each time costs as much CPU as several probes. After a verdict the file
// stays, with fsmon_up 0; after a stop on request it is removed.
type Metrics struct {
	*newest[[]byte]
	Figures
	written health    // what the file says, or soon will
	at      time.Time // since when
}

const metricsEvery = 10 * time.Second

// NewMetrics starts with what does not change about a watch. If there is
// anything but a regular file at path, writing fails. It calls lost when
// writing begins to fail. Close ends it.
func NewMetrics(fixed watchreg.Status, path string, lost func(error)) *Metrics {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return &Metrics{
		newest: keepNewest(func(text []byte) error {
			_, err := replaceErrand.Run(context.Background(), newFile{path, text})
			return err
		}, lost),
		Figures: NewFigures(fixed),
	}
}

// On takes one event.
func (m *Metrics) On(e watch.Event) {
	m.Figures.On(e)
	if e.Kind == watch.Stopped {
		m.put(nil)
		return
	}
	if m.health != m.written || e.At.Sub(m.at) >= metricsEvery {
		m.written, m.at = m.health, e.At
		m.put(text(m.Families(e.At)))
	}
}

// text is the whole file.
func text(all []Family) []byte {
	var b bytes.Buffer
	for _, f := range all {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", f.Name, f.Help, f.Name, f.Kind)
		for _, s := range f.Samples {
			// Shortest without an exponent: exact, and what people can read.
			fmt.Fprintf(&b, "%s{%s} %s\n", f.Name, labels(s.Labels),
				strconv.FormatFloat(s.Value, 'f', -1, 64))
		}
	}
	return b.Bytes()
}

var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// labels writes names and values in turn.
func labels(pairs []string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		if i > 0 {
			b.WriteByte(',')
		}
		value := strings.ToValidUTF8(pairs[i+1], "\uFFFD")
		fmt.Fprintf(&b, `%s="%s"`, pairs[i], labelEscapes.Replace(value))
	}
	return b.String()
}
