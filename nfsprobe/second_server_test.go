package nfsprobe

import (
	"context"
	"net"
	"testing"

	"github.com/go-git/go-billy/v5"
	"github.com/go-git/go-billy/v5/memfs"
	will "github.com/willscott/go-nfs"
	"github.com/willscott/go-nfs/helpers"
)

// onePath exports a directory in memory under one path.
type onePath struct {
	will.Handler
	path string
}

func (o onePath) Mount(
	ctx context.Context, c net.Conn, r will.MountRequest,
) (will.MountStatus, billy.Filesystem, []will.AuthFlavor) {
	status, fs, flavors := o.Handler.Mount(ctx, c, r)
	if string(r.Dirpath) != o.path {
		status = will.MountStatusErrNoEnt // the library needs a file system all the same
	}
	return status, fs, flavors
}

// A server by another author, with MOUNT and NFS on one port and AUTH_NONE as
// its only flavor.
func TestSecondServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	handler := helpers.NewCachingHandler(onePath{helpers.NewNullAuthHandler(memfs.New()), "/mem"},
		16)
	go func() { ended <- (&will.Server{Handler: handler, Context: ctx}).Serve(l) }()
	t.Cleanup(func() {
		cancel()
		l.Close()
		<-ended
	})
	port := l.Addr().(*net.TCPAddr).Port
	c := Config{Address: "127.0.0.1", Dir: "/mem", Port: port, MountPort: port, Version: "3"}
	if r, err := probe(t, c); err != nil || len(r.Warnings) != 0 {
		t.Errorf("%v, warnings %q", err, r.Warnings)
	}
	c.Dir = "/nowhere"
	_, err = probe(t, c)
	fails(t, err, Mount, MountStatus(2))
	c.Dir, c.Version = "/mem", "auto"
	r, err := probe(t, c)
	if err != nil || r.Version != "3" {
		t.Errorf("%q, %v", r.Version, err)
	}
}
