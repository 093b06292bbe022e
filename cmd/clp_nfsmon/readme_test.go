package main

import (
	"testing"

	"fsmon/cmd/internal/lab/cmdtest"
)

// The README lists every message of FSM 8.2, as the code has it, and shows the usage text.
func TestReadme(t *testing.T) {
	cmdtest.ReadmeLists(t, "clp_nfsmon", messages)
	cmdtest.ReadmeShows(t, usage)
}

func TestNothingHeavyIsLinked(t *testing.T) { cmdtest.LinksNothingHeavy(t, "fsmon/smbprobe") }
