// Package smbprobe probes a file server once, as an SMB client would: resolve,
// connect, negotiate, session setup, tree connect, share type, tree disconnect,
// logoff, close. Before the tree disconnect it can read a marker file, do a
// write test and a lock test. It speaks SMB 2.0.2 to 3.1.1 (MS-SMB2).
package smbprobe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"fsmon/smbprobe/smb2"
)

// DefaultPort is SMB over TCP (MS-SMB2 2.1).
const DefaultPort = 445

// Config says what is probed. Port 0 is DefaultPort. Without a User the login
// is anonymous.
type Config struct {
	Address  string // IP address, with a zone if need be, or host name
	Port     int
	Share    string
	User     string
	Password string
	Domain   string

	// Tickets has what the probe logs in with instead of User and Password. nil:
	// NTLM.
	Tickets Tickets

	// Marker is the path of a file that exists only on the shared disk. The
	// probe reads it. If the disk is not mounted, the file is missing and the
	// probe fails. CheckMarker says which paths are allowed. Empty: no marker.
	Marker string
	// WriteTest writes a small file beside the marker, or in the share's root
	// without a marker, and reads it back. This finds a file system that is
	// read-only or full, and a disk that hangs. A probe that is killed leaves
	// at most one file. The next probe of the same host, address and share
	// deletes it.
	WriteTest bool
	// Keep lets the write test's file stay until the next probe of the same
	// host, address and share replaces it, or CleanUp deletes it. Deleting one
	// in each probe would fill a recycle bin of the server.
	Keep bool
	// LockTest locks and unlocks a byte of the marker, or of the write test's
	// file without a marker, whether or not there is a write test.
	LockTest bool
	// Identity asks for Report.RootID: four more requests.
	Identity bool

	dialect uint16 // for tests: the only dialect to offer; 0: all
	netbios bool   // for tests: a NetBIOS session on every port, not only on 139
}

// Tickets gets logins by another mechanism than NTLM. Ticket is called at the
// start of each probe, with its context, before the server is asked.
type Tickets interface {
	Ticket(ctx context.Context) (Login, error)
}

// Login is one login by another mechanism than NTLM, for one probe. User,
// Learnt and Warnings are for the report. Wipe is called at the end of session
// setup.
type Login struct {
	Initiator
	User     string
	Learnt   string
	Warnings []string
	Wipe     func()
}

// Initiator is the client's side of a login. Its Accept may return a
// *RefusedError.
type Initiator = smb2.Initiator

// Prober probes one share and remembers the address of the last success. Its
// methods may be called from any goroutine: a cancelled probe may still be
// ending when the next one starts.
type Prober struct {
	mu       sync.Mutex
	config   Config
	lastGood netip.Addr
	swept    bool // no other file of a write test is left than the kept one
	kept     bool // the last probe has left a file
	lookup   func(ctx context.Context, host string) ([]netip.Addr, error)
}

// New returns a prober.
func New(c Config) *Prober {
	if c.Port == 0 {
		c.Port = DefaultPort
	}
	return &Prober{config: c, lookup: func(ctx context.Context, host string) ([]netip.Addr, error) {
		return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	}}
}

// Login replaces user, password and domain for all later probes.
func (p *Prober) Login(user, password, domain string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.config.User, p.config.Password, p.config.Domain = user, password, domain
}

// Probe probes the server once; the deadline of ctx is for the whole probe. A
// nil error means that the server is healthy. Every other error is an *Error.
// All connections are closed when Probe returns. The report holds what was
// learnt, also when the probe failed.
func (p *Prober) Probe(ctx context.Context) (Report, error) {
	p.mu.Lock()
	once := p.attempt()
	p.mu.Unlock()
	report, err := once.probe(ctx)
	report.Wire = once.wire.all()
	p.mu.Lock()
	defer p.mu.Unlock()
	if ap, perr := netip.ParseAddrPort(report.Address); err == nil && perr == nil {
		p.lastGood = ap.Addr()
	}
	if once.tested {
		p.swept = once.clean
	}
	if !errors.Is(err, context.Canceled) { // else the one of the probe before is there
		p.kept = once.kept
	}
	return report, err
}

// attempt returns a probe with the settings that hold now. p.mu is held.
func (p *Prober) attempt() attempt {
	return attempt{Config: p.config, lastGood: p.lastGood, lookup: p.lookup, sweep: !p.swept}
}

// attempt is one probe, with the settings that held when it began.
type attempt struct {
	Config
	lastGood netip.Addr
	lookup   func(ctx context.Context, host string) ([]netip.Addr, error)
	login    Login // of Config.Tickets
	wire     transcript
	answered bool // the server has sent at least one byte

	sweep   bool // the write test first deletes files that were left behind
	tested  bool // the write test has begun
	clean   bool // it has left no file but the kept one
	kept    bool // it has left that one
	cleanUp bool // only delete that one
}

func (p *attempt) probe(ctx context.Context) (Report, error) {
	var r Report
	if err := p.getTicket(ctx, &r); err != nil {
		return r, err
	}
	conn, err := p.dial(ctx, &r)
	if err != nil {
		return r, err
	}
	defer conn.Close()
	defer endWith(ctx, conn)()

	err = p.climb(ctx, conn, &r)
	var failed *Error
	if errors.As(err, &failed) && failed.Step == Negotiate && !p.answered &&
		!errors.Is(err, context.DeadlineExceeded) && p.smb1Only(ctx) {
		err = &Error{Step: Negotiate, Err: ErrSMB1Only}
	}
	return r, err
}

// getTicket runs the step before the server is asked.
func (p *attempt) getTicket(ctx context.Context, r *Report) (err error) {
	if p.Tickets == nil {
		return nil
	}
	began := time.Now()
	p.login, err = p.Tickets.Ticket(ctx)
	r.Rungs = append(r.Rungs, Rung{Step: Ticket, Took: time.Since(began), Learnt: p.login.Learnt})
	r.Warnings = append(r.Warnings, p.login.Warnings...)
	if err != nil {
		return &Error{Step: Ticket, Err: err}
	}
	return nil
}

// smb1Only asks a server that closed the connection at the SMB2 negotiate once
// more, with SMB1.
func (p *attempt) smb1Only(ctx context.Context) bool {
	conn, err := p.dial(ctx, new(Report))
	if err != nil {
		return false
	}
	defer conn.Close()
	defer endWith(ctx, conn)()
	return speaksSMB1(recorded{conn, &p.wire})
}

// endWith sets the connection's deadline to that of ctx. When ctx ends, reads
// and writes fail at once, until stop is called.
func endWith(ctx context.Context, conn net.Conn) (stop func() bool) {
	if end, ok := ctx.Deadline(); ok {
		conn.SetDeadline(end)
	}
	return context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
}
