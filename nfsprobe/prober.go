// Package nfsprobe asks an NFS server once, the way a client would. Version 3:
// resolve, port map, MNT, NULL, GETATTR, ACCESS, UMNT (RFC 1813). Versions 4.0
// to 4.2: the walk to the directory and its attributes, from 4.1 on in a
// session (RFC 7530, 8881, 7862). If asked for, a marker file and a write test. It
// speaks ONC RPC over TCP (RFC 5531) and needs no mount and no help from the kernel.
package nfsprobe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
)

// DefaultPort is where version 4 is served (RFC 7530 3.1); version 3 asks the
// port mapper.
const DefaultPort = 2049

// Config says what is probed.
type Config struct {
	Address      string // IP address, with a zone if need be, or host name
	Dir          string // version 3: the exported directory, at most 1024 bytes
	Path4        string // version 4: its path under the pseudo root; "" is Dir
	Port         int    // of NFS; 0: asked of the port mapper (3), DefaultPort (4)
	MountPort    int    // of the mount service, version 3; 0: asked of the port mapper
	Version      string // "3", "4", "4.0", "4.1", "4.2", or "auto", which is also ""
	Unprivileged bool   // never bind a privileged source port

	// Marker is the path of a file below the directory that exists only on the
	// disk that is to be exported: the probe reads it, and so finds the empty mount
	// point of a disk that is not mounted. CheckMarker says what is accepted; empty: none.
	Marker string
	// WriteTest writes a small file beside the marker, or in the directory, reads
	// it back and removes it, and so finds a file system that is read-only or full and
	// a disk that hangs. A probe that is killed leaves at most that file, and a later
	// one of the same host, Address, Port and Dir removes it. In version 4.0 one client
	// id per Prober, which cannot be given back, stays with the server until its lease
	// ends (RFC 7530 9.6.3): a server that is restarted meanwhile waits its whole grace
	// period for it.
	WriteTest bool

	portMapper int // tests: the port mapper's port; 0: 111
}

// Prober probes one export. It remembers the address of its last success and
// the version that it had: every later probe speaks that one, so that what
// worked once and fails is a failure, not a fall-back. A probe that was
// cancelled may still be ending while the next one runs.
type Prober struct {
	config Config
	owner  [8]byte // random: who this is to a server of version 4.0

	mu       sync.Mutex
	pinned   string
	lastGood netip.Addr
	lookup   func(ctx context.Context, host string) ([]netip.Addr, error)
}

// New returns a prober.
func New(c Config) *Prober {
	if c.Path4 == "" {
		c.Path4 = c.Dir
	}
	if c.Version == "" {
		c.Version = "auto"
	}
	p := &Prober{config: c, lookup: func(ctx context.Context, host string) ([]netip.Addr, error) {
		return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	}}
	fill(p.owner[:])
	return p
}

// Pinned is the version that the first success had, such as "3" or "4.1", and
// that every probe after it speaks; "" before.
func (p *Prober) Pinned() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pinned
}

// Probe asks the server once; ctx bears the deadline for all of it. nil means
// healthy; otherwise the error is an *Error. Its connections are closed and
// its goroutines have ended when it returns. The report holds what was learnt
// on the way, also on failure.
func (p *Prober) Probe(ctx context.Context) (Report, error) {
	p.mu.Lock()
	a := attempt{Config: p.config, owner: p.owner, lastGood: p.lastGood, lookup: p.lookup,
		wire: new(transcript)}
	if p.pinned != "" {
		a.Version = p.pinned
	}
	p.mu.Unlock()
	var r Report
	err := a.probe(ctx, &r)
	r.Wire = a.wire.segments
	if err != nil {
		return r, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pinned == "" && decides(r.NotVersion3) {
		p.pinned = r.Version
	}
	if ap, err := netip.ParseAddrPort(r.Address); err == nil {
		p.lastGood = ap.Addr()
	}
	return r, nil
}

// decides: version 4 is pinned for life when version 3 failed on this, or was
// not tried, but not for what this machine lacked for a moment.
func decides(not3 error) bool {
	var failed *Error
	return !errors.As(not3, &failed) || failed.Step != Socket
}

// attempt is one probe, or one of the two halves of it: what it is to do, as
// of when it began.
type attempt struct {
	Config   // its Version is what to speak: "auto" is only before the halves part
	owner    [8]byte
	lastGood netip.Addr
	lookup   func(ctx context.Context, host string) ([]netip.Addr, error)
	wire     *transcript
	addrs    []netip.Addr // of the server; the one that answered, once one has

	// portWanted: the export takes AUTH_SYS or AUTH_NONE, so that AUTH_TOOWEAK can
	// only be about the source port, which is not privileged.
	portWanted bool
	// opens, if not nil, waits for the turn of this half to open files, and says
	// whether it has one.
	opens func(ctx context.Context) bool
}

func (a *attempt) probe(ctx context.Context, r *Report) error {
	if err := a.resolve(ctx, r); err != nil {
		return err
	}
	if a.Version == "auto" {
		return a.both(ctx, r)
	}
	return a.one(ctx, ctx, r)
}

// one probes with one version. The goodbye of version 3 may use the whole time,
// if the rest had to end earlier. A panic is a failed probe: it must not end
// the watch.
func (a *attempt) one(ctx, whole context.Context, r *Report) (err error) {
	defer func() {
		if v := recover(); v != nil {
			step := Connect
			if n := len(r.Rungs); n > 0 {
				step = r.Rungs[n-1].Step
			}
			err = a.failed(ctx, r, step, panicked(v))
		}
	}()
	if a.Version == "3" {
		return a.probe3(ctx, whole, r)
	}
	return a.probe4(ctx, r)
}
