package main

import (
	"path/filepath"
	"testing"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/nfsprobe/nfstest"
	"fsmon/smbprobe/smbtest"
)

const templates = "../../../../templates"

func TestMain(m *testing.M) {
	nfstest.Isolate()
	cmdtest.Main(m, map[string]string{"clp_sambamon": "fsmon/cmd/clp_sambamon",
		"fsmon_exporter": "fsmon/cmd/fsmon_exporter"})
}

// The story of the demo, told by the shipped rules, scrape_configs and exporter.yml.
func TestAlerts(t *testing.T) {
	bin := filepath.Dir(cmdtest.Program("clp_sambamon"))
	s, err := newScene(t.Context(), bin, templates, t.Logf)
	smbtest.Require(t, err)
	defer func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}()
	smbtest.Require(t, s.play(t.Context()))
}
