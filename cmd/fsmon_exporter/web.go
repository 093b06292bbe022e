package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"
)

// scrapeHeader is how Prometheus says how long it waits, in seconds.
const scrapeHeader = "X-Prometheus-Scrape-Timeout-Seconds"

// clientPatience is how long a client may take to send what it has announced,
// and to take an answer.
const clientPatience = 30 * time.Second

// handler serves all pages.
func (x *exporter) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", x.page)
	mux.HandleFunc("GET /probe", x.serveProbe)
	mux.Handle("GET /metrics", promhttp.HandlerFor(x.own.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "Healthy.")
	})
	mux.HandleFunc("POST /-/reload", func(w http.ResponseWriter, _ *http.Request) {
		if err := x.reloadAndLog(); err != nil {
			http.Error(w, "the configuration stays as it was: "+err.Error(),
				http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(w, "Reloaded.")
	})
	var strangers http.CrossOriginProtection // no other site's page reloads
	return strangers.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; "+
			"form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
		if r.ContentLength != 0 { // nothing here needs a body
			http.NewResponseController(w).SetReadDeadline(time.Now().Add(clientPatience))
		}
		if r.URL.Path != "/probe" { // which may take longer to begin its answer
			takeSoon(w)
		}
		mux.ServeHTTP(w, r)
	}))
}

// takeSoon lets a client go that does not take the answer, which begins now.
func takeSoon(w http.ResponseWriter) {
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(clientPatience))
}

// serveProbe answers /probe?target=TARGET&module=MODULE[&debug=true].
func (x *exporter) serveProbe(w http.ResponseWriter, r *http.Request) {
	families, last, err := x.answer(r)
	takeSoon(w)
	if err != nil {
		var refused *refusal
		if !errors.As(err, &refused) {
			refused = &refusal{http.StatusInternalServerError, "local", err.Error()}
		}
		x.own.refused.WithLabelValues(refused.reason).Inc()
		http.Error(w, refused.text, refused.code)
		return
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(families)
	if r.FormValue("debug") != "true" {
		promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprint(w, last.Ladder, "\n")
	all, err := registry.Gather()
	for _, f := range all {
		if err == nil {
			_, err = expfmt.MetricFamilyToText(w, f)
		}
	}
	if err != nil {
		fmt.Fprintln(w, err)
	}
}

func (x *exporter) answer(r *http.Request) (collector, *result, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, nil, wrong("the query is malformed")
	}
	for _, name := range []string{"target", "module"} {
		if len(query[name]) != 1 || query[name][0] == "" {
			return nil, nil, wrong(name + ": is needed once (/probe?target=TARGET&module=MODULE)")
		}
	}
	var budget time.Duration
	if text := r.Header.Get(scrapeHeader); text != "" {
		limit, ok := seconds(text)
		if !ok {
			return nil, nil, wrong(scrapeHeader + ": is no number of seconds")
		}
		// An offset that leaves nothing is a mistake of the configuration.
		if budget = limit - x.offset; budget <= 0 {
			budget = limit / 2
		}
	}
	return x.probe(r.Context(), query["module"][0], strings.TrimSpace(query["target"][0]), budget)
}
