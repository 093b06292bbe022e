// Command fsmon_exporter asks many file servers on behalf of Prometheus, with
// the probes of the watch commands.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/exporter-toolkit/web"
)

// version is set by the linker.
var version = "devel"

// The exit codes, as the watch commands have them.
const (
	endOK    = 0
	endUsage = 2 // wrong usage or configuration
	endLocal = 4 // this machine could not run it
)

// endBudget is how long the requests that are under way may take at the end.
const endBudget = 15 * time.Second

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	fail := func(code int, err error) int {
		fmt.Fprintf(stderr, "fsmon_exporter: error: %v\n", err)
		return code
	}
	f, err := parseFlags(args)
	switch {
	case err != nil:
		return fail(endUsage, err)
	case f.help:
		fmt.Fprint(stdout, usage)
		return endOK
	case f.version:
		fmt.Fprintf(stdout, "fsmon_exporter %s\n", version)
		return endOK
	}
	reload := make(chan os.Signal, 1) // from the start on, or the first would end it
	signal.Notify(reload, syscall.SIGHUP)
	defer signal.Stop(reload)
	x := newExporter(f, f.logger(stderr))
	if err := x.reload(); err != nil {
		return fail(endUsage, fmt.Errorf("--config.file: %w", err))
	}
	if err := web.Validate(f.webConfig); err != nil {
		return fail(endUsage, fmt.Errorf("--web.config.file: %w", err))
	}
	if f.check {
		fmt.Fprintf(stdout, "%s: accepted (modules: %d, entries of targets: %d)\n", f.config,
			len(x.config.modules), len(x.config.rules))
		return endOK
	}
	if f.any {
		x.log.Warn("--allow-any-target: whoever reaches this exporter can have any server asked")
	}
	if err := x.serve(f, reload); err != nil {
		return fail(endLocal, err)
	}
	return endOK
}

func (x *exporter) server() *http.Server {
	return &http.Server{Handler: x.handler(), ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout: 5 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(x.log.Handler(), slog.LevelWarn)}
}

// serve answers requests until SIGTERM or SIGINT.
func (x *exporter) serve(f *flags, reload <-chan os.Signal) error {
	server := x.server()
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(asked)
	ended := make(chan error, 1)
	go func() { ended <- web.ListenAndServe(server, f.web(), x.log) }()
	for {
		select {
		case err := <-ended:
			return err
		case <-reload:
			go x.reloadAndLog() // a file on a hung disk must not keep it from ending
		case s := <-asked:
			x.log.Info("told to end", "signal", s.String())
			ctx, cancel := context.WithTimeout(context.Background(), endBudget)
			defer cancel()
			err := server.Shutdown(ctx)
			if errors.Is(err, context.DeadlineExceeded) {
				x.log.Warn("probes were still under way")
				err = nil
			}
			return err
		}
	}
}
