package main

import (
	"context"
	"errors"
	"path/filepath"

	"fsmon/nfsprobe/nfstest"
)

// measureNFS measures clp_nfsmon next to rpcinfo, which asks the port mapper
// and makes one NULL call.
func measureNFS(ctx context.Context, bin string) (f figures, err error) {
	f = figures{command: "clp_nfsmon", tool: "rpcinfo", wall: 0.8}
	lab, err := nfstest.StartLab(ctx, nfstest.Config{InPlace: true})
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, lab.Close()) }()

	rpcinfo := []string{"rpcinfo", "-t", "127.0.0.1", "100003", "3"}
	f.probes, err = compare(ctx,
		contest{"version 3", []string{"nfs", lab.Dir(), "3"}, rpcinfo},
		contest{"version 4.1", []string{"nfs", "/export", "4.1"}, rpcinfo})
	if err != nil {
		return f, err
	}
	// Beside the exports, so that it goes with the lab.
	f.memory, err = settledWatch(ctx, filepath.Join(bin, "clp_nfsmon"), lab.Path("bench"), "-d", lab.Dir(), "-a", "127.0.0.1")
	return f, err
}
