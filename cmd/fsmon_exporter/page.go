package main

import (
	"bytes"
	_ "embed"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"time"
)

//go:embed page.html
var pageText string

// pageTemplate escapes whatever a server, a request or the configuration says.
var pageTemplate = template.Must(template.New("page").Parse(pageText))

// shown is a pair and its last probe.
type shown struct {
	Module, Target string
	result
}

// Result sorts the failed before the healthy.
func (s shown) Result() string {
	if s.Healthy {
		return "healthy"
	}
	return "failed"
}

// Ago is for people.
func (s shown) Ago() string { return time.Since(s.At).Round(time.Second).String() }

// Milliseconds is how long it took.
func (s shown) Milliseconds() float64 {
	return float64(s.Took.Round(100*time.Microsecond).Microseconds()) / 1000
}

// When is the time of the probe.
func (s shown) When() string { return s.At.Format(time.RFC3339) }

// page is for people: a form, and what was asked last, the failed first.
func (x *exporter) page(w http.ResponseWriter, r *http.Request) {
	x.mu.Lock()
	c := x.config
	x.mu.Unlock()
	type allowed struct{ Module, Form string }
	data := struct {
		Version string
		Any     bool
		Modules []allowed
		Failed  int
		Probes  []shown
	}{Version: version, Any: x.any, Probes: x.known()}
	for _, name := range slices.Sorted(maps.Keys(c.modules)) {
		data.Modules = append(data.Modules, allowed{name, c.modules[name].protocol.forms})
	}
	for _, p := range data.Probes {
		if !p.Healthy {
			data.Failed++
		}
	}
	var page bytes.Buffer
	if err := pageTemplate.Execute(&page, data); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(page.Bytes())
}
