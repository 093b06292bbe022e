package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"fsmon/nfsprobe"
	"fsmon/nfsprobe/nfstest"
	"fsmon/smbprobe"
	"fsmon/smbprobe/smbtest"
)

// starter starts a real server and says how to probe it and how to stop it.
type starter func(context.Context) (target, func() error, error)

var starters = map[string]starter{"samba": startSamba, "nfs": startNFS}

// startSamba starts a private Samba, probed as nobody, as a user whose answers
// are signed, on an encrypted share, in a session encrypted as a whole, and with
// marker and write test.
func startSamba(ctx context.Context) (target, func() error, error) {
	const marker = "MOUNTED"
	s, err := smbtest.StartSamba(ctx, smbtest.Config{})
	if err != nil {
		return target{}, nil, err
	}
	sealed, err := smbtest.StartSamba(ctx,
		smbtest.Config{Global: []string{"server smb encrypt = required"}})
	if err != nil {
		return target{}, nil, errors.Join(err, s.Close())
	}
	stop := func() error { return errors.Join(s.Close(), sealed.Close()) }
	for _, one := range []*smbtest.Server{s, sealed} {
		// Requests are spoilt too: none may overwrite or delete the marker, so it is
		// another user's than the probe's.
		dir := filepath.Join(one.Dir, "shares", "priv")
		err := os.WriteFile(filepath.Join(dir, marker), []byte("the shared disk\n"), 0o644)
		if err := errors.Join(err, os.Chmod(dir, 0o777|os.ModeSticky)); err != nil {
			return target{}, nil, errors.Join(err, stop())
		}
	}
	worker := func(int) (*proxy, []way, error) {
		p := &proxy{framing: smbFraming, done: make(chan struct{}),
			dial: func(port int) (net.Conn, error) {
				return net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
			}}
		ports := map[*smbtest.Server]int{}
		for _, one := range []*smbtest.Server{s, sealed} {
			addr, err := p.listen("127.0.0.1:0", one.Port)
			if err != nil {
				p.close()
				return nil, nil, err
			}
			ports[one] = addr.(*net.TCPAddr).Port
		}
		at := func(name string, s *smbtest.Server, frames int, c smbprobe.Config) way {
			c.Address, c.Port = "127.0.0.1", ports[s]
			prober := smbprobe.New(c)
			return way{"samba " + name, 1, frames, func(ctx context.Context) (bool, error) {
				r, err := prober.Probe(ctx)
				return len(r.Rungs) > 0, err
			}}
		}
		user := smbprobe.Config{Share: "priv", User: "root", Password: "pw"}
		encrypted, files := user, user
		encrypted.Share = "encrypted"
		files.User, files.Password = "games", "pw-games"
		files.Marker, files.WriteTest = marker, true
		return p, []way{
			at("anonymous", s, 7, smbprobe.Config{Share: "share"}), at("user", s, 7, user),
			at("encrypted", s, 7, encrypted), at("encrypted session", sealed, 7, user),
			at("files", s, 20, files), at("files, encrypted", sealed, 20, files),
		}, nil
	}
	return target{"samba", worker}, stop, nil
}

// startNFS starts a private NFS server, probed with versions 3, 4.0 and 4.1.
// Every worker has an address of its own, with the server's well-known ports.
func startNFS(ctx context.Context) (target, func() error, error) {
	lab, err := nfstest.StartLab(ctx, nfstest.Config{})
	if err != nil {
		return target{}, nil, err
	}
	dial := func(port int) (c net.Conn, err error) {
		if doErr := lab.Do(func() {
			c, err = net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		}); doErr != nil {
			return nil, doErr
		}
		return c, err
	}
	worker := func(n int) (*proxy, []way, error) {
		p := &proxy{framing: rpcFraming, done: make(chan struct{}), dial: dial}
		address := fmt.Sprintf("127.0.1.%d", 1+n)
		for _, port := range []int{111, 20048, 2049} {
			if _, err := p.listen(net.JoinHostPort(address, strconv.Itoa(port)), port); err != nil {
				p.close()
				return nil, nil, err
			}
		}
		at := func(version string, conns, frames int) way {
			prober := nfsprobe.New(nfsprobe.Config{Address: address, Dir: lab.Dir(),
				Path4: "/export", Version: version})
			return way{"nfs " + version, conns, frames, func(ctx context.Context) (bool, error) {
				r, err := prober.Probe(ctx)
				return len(r.Rungs) > 0, err
			}}
		}
		return p, []way{at("3", 3, 3), at("4.0", 1, 2), at("4.1", 1, 6)}, nil
	}
	return target{"nfs", worker}, lab.Close, nil
}

// servers are healthy Sambas and a healthy NFS server.
type servers struct {
	args map[string][]string   // of a watch, by command: of the first Samba, and of NFS
	ways map[string][][]string // the same by kind of a crowd, with all servers there are
	stop func() error
}

func startServers(ctx context.Context, sambas int) (s *servers, err error) {
	var stops []func() error
	stop := func() (err error) {
		for _, one := range stops {
			err = errors.Join(err, one())
		}
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, stop())
		}
	}()
	var smb [][]string
	for range sambas {
		samba, err := smbtest.StartSamba(ctx, smbtest.Config{})
		if err != nil {
			return nil, err
		}
		stops = append(stops, samba.Close)
		smb = append(smb, []string{"-s", "share", "-a", samba.Address, "--port",
			strconv.Itoa(samba.Port)})
	}
	lab, err := nfstest.StartLab(ctx, nfstest.Config{InPlace: true})
	if err != nil {
		return nil, err
	}
	stops = append(stops, lab.Close)
	nfs := []string{"-d", lab.Dir(), "-a", "127.0.0.1"}
	return &servers{
		args: map[string][]string{"clp_sambamon": smb[0], "clp_nfsmon": nfs},
		ways: map[string][][]string{
			"SMB":     smb,
			"NFS 3":   {append(slices.Clone(nfs), "--nfs-version", "3")},
			"NFS 4.1": {{"-d", "/export", "-a", "127.0.0.1", "--nfs-version", "4.1"}},
		},
		stop: stop,
	}, nil
}
