package main

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"

	"fsmon/smbprobe/smbtest"
)

// measureSamba measures clp_sambamon next to smbclient.
func measureSamba(ctx context.Context, bin string) (f figures, err error) {
	f = figures{command: "clp_sambamon", tool: "smbclient", wall: 0.35, cpu: 0.1}
	samba, err := smbtest.StartSamba(ctx, smbtest.Config{})
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, samba.Close()) }()

	port := strconv.Itoa(samba.Port)
	// The user % is anonymous; -N alone would first try the caller's name and have it refused.
	smbclient := func(user string) []string {
		return []string{"smbclient", "//" + samba.Address + "/share", "-p", port, "-N", "-U", user, "--configfile=/dev/null", "-c", "exit"}
	}
	f.probes, err = compare(ctx,
		contest{"anonymous", []string{"samba", samba.Address, port, "", ""}, smbclient("%")},
		contest{"a user", []string{"samba", samba.Address, port, "root", "pw"}, smbclient("root%pw")})
	if err != nil {
		return f, err
	}
	// What the watches write lies with the server, so that it goes with it.
	f.memory, err = settledWatch(ctx, filepath.Join(bin, "clp_sambamon"), samba.Dir, "-s", "share", "-a", samba.Address, "--port", port)
	return f, err
}
