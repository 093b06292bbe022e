package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/prometheus/exporter-toolkit/web"
	"github.com/spf13/pflag"
)

const usage = `Probe many file servers, SMB and NFS, for Prometheus.

  fsmon_exporter [--config.file FILE] [OPTION...]
  fsmon_exporter --config.check | --help | --version

Probing:
      --config.file FILE    modules and allowed targets (/etc/fsmon/exporter.yml); SIGHUP and
                            POST /-/reload read it again
      --config.check        say whether the configuration is accepted, and end
      --timeout-offset SECONDS
                            a probe gives up this long before Prometheus does, 0 to 60 (0.5)
      --max-probes COUNT    probes at the same time, 1 to 10000 (200); of one target there is only
                            one at a time
      --allow-any-target    also ask targets that no entry of targets: allows, without credentials:
                            whoever reaches this exporter can then have any server asked, inside
                            your network too

Serving:
      --web.listen-address ADDRESS
                            listen here, may be given several times (:9974)
      --web.config.file FILE
                            TLS and users with their passwords, as the exporter-toolkit of Prometheus has them
      --web.systemd-socket  take the sockets from systemd instead
      --log.level LEVEL     debug, info, warn or error (info)
      --log.format FORMAT   logfmt or json (logfmt)

Pages: / for people, /probe?target=TARGET&module=MODULE (&debug=true shows each step), /metrics,
/-/healthy, /-/reload.

Exit codes: 0 ended on request; 2 wrong usage or configuration; 4 this machine could not run it (the
address is in use).
`

// flags is the command line.
type flags struct {
	config, webConfig, level, format  string
	listen                            []string
	socket, check, any, help, version bool
	offset                            float64 // seconds
	most                              int
}

func parseFlags(args []string) (*flags, error) {
	var f flags
	s := pflag.NewFlagSet("", pflag.ContinueOnError)
	s.SetOutput(io.Discard)
	s.Usage = func() {}
	s.StringVar(&f.config, "config.file", "/etc/fsmon/exporter.yml", "")
	s.BoolVar(&f.check, "config.check", false, "")
	s.Float64Var(&f.offset, "timeout-offset", 0.5, "")
	s.IntVar(&f.most, "max-probes", 200, "")
	s.BoolVar(&f.any, "allow-any-target", false, "")
	s.StringArrayVar(&f.listen, "web.listen-address", []string{":9974"}, "")
	s.StringVar(&f.webConfig, "web.config.file", "", "")
	s.BoolVar(&f.socket, "web.systemd-socket", false, "")
	s.StringVar(&f.level, "log.level", "info", "")
	s.StringVar(&f.format, "log.format", "logfmt", "")
	s.BoolVarP(&f.help, "help", "h", false, "")
	s.BoolVar(&f.version, "version", false, "")
	err := s.Parse(args)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w (see fsmon_exporter --help)", err)
	case f.help:
		return &f, nil
	case s.NArg() > 0:
		return nil, fmt.Errorf("%q belongs to no option (see fsmon_exporter --help)", s.Arg(0))
	case f.most < 1 || f.most > 10000:
		return nil, errors.New("--max-probes: a whole number from 1 to 10000 is needed")
	case !(f.offset >= 0 && f.offset <= 60):
		return nil, errors.New("--timeout-offset: a number of seconds from 0 to 60 is needed")
	case f.format != "logfmt" && f.format != "json":
		return nil, errors.New("--log.format: logfmt or json is needed")
	case f.config == "":
		return nil, errors.New("--config.file: the name of a file is needed")
	}
	if err := new(slog.Level).UnmarshalText([]byte(f.level)); err != nil {
		return nil, errors.New("--log.level: debug, info, warn or error is needed")
	}
	return &f, nil
}

func (f *flags) logger(out io.Writer) *slog.Logger {
	var o slog.HandlerOptions
	var level slog.Level
	level.UnmarshalText([]byte(f.level)) // parseFlags has done so, too
	o.Level = level
	if f.format == "json" {
		return slog.New(slog.NewJSONHandler(out, &o))
	}
	return slog.New(slog.NewTextHandler(out, &o))
}

// web is what the toolkit wants to know.
func (f *flags) web() *web.FlagConfig {
	return &web.FlagConfig{WebListenAddresses: &f.listen, WebSystemdSocket: &f.socket,
		WebConfigFile: &f.webConfig}
}

func newExporter(f *flags, log *slog.Logger) *exporter {
	x := &exporter{path: f.config, offset: time.Duration(f.offset * float64(time.Second)), any: f.any,
		log: log, turns: newTurns(f.most), asked: map[pair]*asked{}}
	x.own = newOwnMetrics(func() int { return len(x.turns.slots) }, func() int {
		x.mu.Lock()
		defer x.mu.Unlock()
		return len(x.asked)
	})
	return x
}
