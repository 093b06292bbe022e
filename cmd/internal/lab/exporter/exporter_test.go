package main

import (
	"path/filepath"
	"testing"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/nfsprobe/nfstest"
)

const templates = "../../../../templates"

func TestMain(m *testing.M) {
	nfstest.Isolate()
	cmdtest.Main(m, map[string]string{"clp_sambamon": "fsmon/cmd/clp_sambamon"})
}

func TestAlerts(t *testing.T) {
	s, err := newScene(t.Context(), filepath.Dir(cmdtest.Program("clp_sambamon")), templates, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}()
	if err := s.play(t.Context()); err != nil {
		t.Error(err)
	}
}
