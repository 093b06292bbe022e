// Package nfsprobe asks an NFS server once, as a client would. Version 3:
// resolve, port map, MNT, NULL, GETATTR, ACCESS, UMNT (RFC 1813). Versions 4.0
// to 4.2: the path to the directory and its attributes, in a session from 4.1
// on (RFC 7530, 8881, 7862). If configured, it also reads a marker file and
// runs a write test. It speaks ONC RPC over TCP (RFC 5531) and needs no mount
// and no help from the kernel.
package nfsprobe

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// DefaultPort is the port of version 4 (RFC 7530 3.1). For version 3 the port
// mapper is asked.
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

	// Security is how the NFS calls are protected: "sys", which is also "", or
	// by Kerberos "krb5" (the calls' headers are signed), "krb5i" (all of them)
	// or "krb5p" (they are sealed). The port mapper and the mount service are
	// asked with AUTH_SYS.
	Security string
	// Ticket gets a ticket for the server, or returns a kept one. It must return
	// well before the deadline of ctx, which is that of the whole probe: a slow
	// KDC is not a dead file server. It is called only if Security is Kerberos.
	Ticket func(ctx context.Context) (Login, error)

	// Marker is the path of a file below the directory that exists only on the
	// disk that is to be exported. The probe reads it, and so detects that the
	// disk is not mounted and the empty mount point is exported. See
	// CheckMarker; empty: none.
	Marker string
	// WriteTest: the probe writes a small file beside the marker, or in the
	// directory, reads it back and removes it. So it detects a file system that
	// is read-only or full and a disk that hangs. A probe that is killed leaves
	// at most that file, and a later one of the same host, Address, Port and
	// Dir removes it. In version 4.0 one client id per Prober stays with the
	// server until its lease ends, since it cannot be given back (RFC 7530
	// 9.6.3): if the server restarts meanwhile, it waits its whole grace period
	// for that client.
	WriteTest bool
	// LockTest: in version 3 the probe asks the lock manager and the status
	// monitor, through the port mapper, and tests a lock on the directory. In
	// version 4 it locks the marker, or without one the write test's file, and
	// unlocks it; it needs one of them. So it detects a lock manager that is
	// gone while files still open. If another client has the lock, the test has
	// succeeded too.
	LockTest bool

	// TLS secures the connection to NFS (RFC 9289); nil: it is not secured.
	// Those to the port mapper, the mount service, the lock manager and the
	// status monitor never are, as with the Linux client. The prober adds the
	// version and the protocol, and Address as the ServerName if there is none.
	// The first of the Certificates, if there is one, is shown to a server that
	// asks for it.
	TLS *tls.Config

	portMapper int // tests: the port mapper's port; 0: 111
}

// Prober probes one export. It remembers the address and version of its first
// success, and all later probes speak that version: a server that stops
// answering is a failure, not a reason to fall back. With "auto" version 4 is
// kept only if the server has said that it does not offer version 3; otherwise
// each probe tries 3 again. The next probe may start while a cancelled one is
// still ending.
type Prober struct {
	config Config
	owner  [8]byte // random: its name to servers of version 4.0
	ports  sources

	mu       sync.Mutex
	pinned   string
	only4    bool // version 3 has failed beside a version 4 that served
	lastGood netip.Addr
	lookup   func(ctx context.Context, host string) ([]netip.Addr, error)
}

// New returns a prober. It does not check the configuration.
func New(c Config) *Prober {
	if c.Path4 == "" {
		c.Path4 = c.Dir
	}
	if c.Version == "" {
		c.Version = "auto"
	}
	c.TLS = c.tls(c.TLS)
	p := &Prober{config: c, lookup: func(ctx context.Context, host string) ([]netip.Addr, error) {
		return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	}}
	fill(p.owner[:])
	return p
}

// Pinned is the version that all later probes speak, such as "3" or "4.1"; "":
// not decided yet.
func (p *Prober) Pinned() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pinned
}

// Secure replaces Config.TLS for all later probes, after its files have changed.
// The prober must have TLS already.
func (p *Prober) Secure(c *tls.Config) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.config.TLS = p.config.tls(c)
}

// Probe asks the server once, within the deadline of ctx. nil means healthy;
// otherwise the error is an *Error. When it returns, its connections are closed
// and its goroutines have ended. The report says what was learnt, also after a
// failure.
func (p *Prober) Probe(ctx context.Context) (Report, error) {
	p.mu.Lock()
	a := attempt{Config: p.config, owner: p.owner, lastGood: p.lastGood, lookup: p.lookup,
		sources: &p.ports, only4: p.only4, wire: new(transcript), began: time.Now()}
	a.end, _ = ctx.Deadline()
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
	p.only4 = r.NotVersion3 != nil
	if p.pinned == "" && (!p.only4 || notOffered(r.NotVersion3)) {
		p.pinned = r.Version
	}
	if ap, err := netip.ParseAddrPort(r.Address); err == nil {
		p.lastGood = ap.Addr()
	}
	return r, nil
}

// notOffered reports whether a failure of version 3 says for good that the
// server does not offer it. A refused connection or silence does not: a port
// mapper may only be late, and clients of version 3 may hang later.
func notOffered(not3 error) bool {
	var failed *Error
	if !errors.As(not3, &failed) {
		return false
	}
	var refused *RPCError
	return errors.Is(failed, ErrNotRegistered) || failed.Step != PortMap &&
		errors.As(failed, &refused) && refused.Stat == "PROG_MISMATCH"
}

// attempt is one probe, or the half of one that tries one version.
type attempt struct {
	Config   // Version is the one to speak; "auto" only in the whole probe
	owner    [8]byte
	lastGood netip.Addr
	lookup   func(ctx context.Context, host string) ([]netip.Addr, error)
	only4    bool // the last probe was healthy with version 4, and 3 is not decided
	sources  *sources
	short    bool // a connection found no privileged source port
	wire     *transcript
	began    time.Time
	end      time.Time    // the deadline; zero: none
	addrs    []netip.Addr // of the server; after a connect only the one that answered

	// certificateWanted: the server has asked for a certificate in vain.
	certificateWanted bool
	// portWanted: the export takes AUTH_SYS or AUTH_NONE and the source port is
	// an ordinary one, so AUTH_TOOWEAK can only be about the port.
	portWanted bool
	login      Login // for Security by Kerberos
	// opens waits until this half may open files, and reports whether it
	// should; nil: it should.
	opens func(ctx context.Context) bool
}

func (a *attempt) probe(ctx context.Context, r *Report) error {
	if err := a.getTicket(ctx, r); err != nil {
		return err
	}
	if err := a.resolve(ctx, r); err != nil {
		return err
	}
	if a.Version == "auto" {
		return a.probeBoth(ctx, r)
	}
	return a.probeOne(ctx, ctx, r)
}

// probeOne probes with one version. UMNT may use the time until the end of
// whole; the rest ends with ctx. A panic is a failed probe: it must not end the
// watch.
func (a *attempt) probeOne(ctx, whole context.Context, r *Report) (err error) {
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
