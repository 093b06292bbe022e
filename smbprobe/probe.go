// Package smbprobe probes a file server once, as an SMB client would: resolve,
// connect, negotiate, session setup, tree connect, share type, tree disconnect,
// logoff, close. Before the tree disconnect it can read a marker file and do a
// write test. It speaks SMB 2.0.2 to 3.1.1 (MS-SMB2).
package smbprobe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/cloudsoda/go-smb2"
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

	// Marker is the path of a file that exists only on the shared disk. The
	// probe reads it. If the disk is not mounted, the file is missing and the
	// probe fails. CheckMarker says which paths are allowed. Empty: no marker.
	Marker string
	// WriteTest writes a small file beside the marker, or in the share's root
	// without a marker. It reads the file back and deletes it. This finds a
	// file system that is read-only or full, and a disk that hangs. A probe
	// that is killed leaves at most this one file. The next probe of the same
	// host, address and share deletes it.
	WriteTest bool

	dialect uint16 // for tests: the only dialect to offer; 0: all
}

// Prober probes one share and remembers the address of the last success. Its
// methods may be called from any goroutine: a cancelled probe may still be
// ending when the next one starts.
type Prober struct {
	mu       sync.Mutex
	config   Config
	lastGood netip.Addr
	swept    bool // no file of a write test is left
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
	once := attempt{Config: p.config, lastGood: p.lastGood, lookup: p.lookup, sweep: !p.swept}
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
	return report, err
}

// attempt is one probe, with the settings that held when it began.
type attempt struct {
	Config
	lastGood netip.Addr
	lookup   func(ctx context.Context, host string) ([]netip.Addr, error)
	wire     transcript

	sweep  bool // the write test first deletes files that were left behind
	tested bool // the write test has begun
	clean  bool // it has left no file
}

func (p *attempt) probe(ctx context.Context) (Report, error) {
	var r Report
	conn, err := p.dial(ctx, &r)
	if err != nil {
		return r, err
	}
	g := newGuard(conn)
	g.wire = &p.wire
	// The library's goroutines end when the connection is closed, not when the
	// context ends.
	defer g.Close()
	defer endWith(ctx, g)()

	step, err := p.ladder(ctx, g, &r)
	f := g.facts()
	r.learn(f, p.User, step)
	if err != nil {
		err = classify(ctx, step, err, f)
		late := errors.Is(err, context.DeadlineExceeded)
		if step == Negotiate && !f.answered && !late && p.smb1Only(ctx) {
			err = &Error{Step: Negotiate, Err: ErrSMB1Only}
		}
		return r, err
	}
	return r, nil
}

// ladder runs the steps from negotiate to logoff. It returns the step that
// failed.
func (p *attempt) ladder(ctx context.Context, g *guard, r *Report) (step Step, err error) {
	defer func() {
		// The library decodes answers in this goroutine too.
		if v := recover(); v != nil {
			step, err = g.facts().step, malformed("the SMB library panicked on it: %v", v)
		}
	}()
	login := &smb2.NTLMInitiator{}
	if p.User != "" { // a password without a user would not be anonymous
		login.User, login.Password, login.Domain = p.User, p.Password, p.Domain
	}
	dialer := smb2.Dialer{
		Negotiator: smb2.Negotiator{SpecifiedDialect: p.dialect}, Initiator: login,
	}
	session, err := dialer.DialConn(ctx, g, uncHost(p.Address))
	if err != nil {
		return g.facts().step, err
	}
	session = session.WithContext(ctx)
	g.begin(TreeConnect)
	share, err := session.Mount(`\\` + uncHost(p.Address) + `\` + p.Share)
	if err != nil {
		return TreeConnect, err
	}
	f := g.facts()
	if f.session&sessionGuest != 0 && p.User != "" {
		r.warn("the server does not know user %q and logged it in as guest", p.User)
	}
	step, err = ShareType, p.checkShareType(f)
	if err == nil {
		if err = p.files(ctx, g, share, r); err != nil {
			step = g.facts().step
		}
	}
	if err != nil {
		// Disconnect as after a success. Whether that works does not matter.
		if g.begin(TreeDisconnect); share.WithContext(ctx).Umount() == nil {
			g.begin(Logoff)
			session.Logoff()
		}
		return step, err
	}
	g.begin(TreeDisconnect)
	if err := share.WithContext(ctx).Umount(); err != nil {
		if err := p.warnIfRefused(ctx, g, r, TreeDisconnect, err); err != nil {
			return TreeDisconnect, err
		}
	}
	g.begin(Logoff)
	if err := session.Logoff(); err != nil {
		return Logoff, p.warnIfRefused(ctx, g, r, Logoff, err)
	}
	return Logoff, nil
}

// warnIfRefused turns a refused tree disconnect or logoff into a warning: Samba
// refuses them for a share whose directory cannot be read. Every failure
// without a status stays a failure.
func (p *attempt) warnIfRefused(
	ctx context.Context, g *guard, r *Report, step Step, err error,
) error {
	var s Status
	if !errors.As(classify(ctx, step, err, g.facts()), &s) {
		return err
	}
	r.warn("%s was refused: %v", step, s)
	return nil
}

func (p *attempt) checkShareType(f facts) error {
	printerWillDo := p.Marker == "" && !p.WriteTest
	switch {
	case f.haveType && f.kind != shareTypeDisk && !(f.kind == ShareTypePrinter && printerWillDo):
		return &ShareTypeError{Type: f.kind, Visible: true}
	case !f.haveType && strings.EqualFold(p.Share, "IPC$"):
		return &ShareTypeError{Type: shareTypePipe}
	}
	return nil
}

// classify finds the cause of a failed step. The guard has seen what the server
// sent, so it comes before the library's error. In a session that is encrypted
// as a whole the guard sees no status, and only the library's error is left.
func classify(ctx context.Context, step Step, err error, f facts) error {
	cause := err
	var (
		done     *Error
		own      Status
		response *smb2.ResponseError
		invalid  *smb2.InvalidResponseError
		internal *smb2.InternalError
		already  *MalformedError
		kind     *ShareTypeError
	)
	status, answered := f.status[step]
	switch {
	case errors.As(err, &done):
		return err
	case errors.As(err, &kind), errors.As(err, &already):
	case ctx.Err() != nil:
		if cause = ctx.Err(); errors.Is(cause, context.DeadlineExceeded) {
			cause = errNoAnswer
		}
	case answered && status != statusOK && status != statusMoreProcessing:
		cause = status
	case errors.As(err, &own):
	case errors.As(err, &response):
		cause = Status(response.Code)
	case errors.Is(err, smb2.ErrRequestNotAccepted):
		cause = statusRequestNotAccepted
	case errors.Is(err, os.ErrPermission):
		cause = StatusAccessDenied
	case errors.Is(err, os.ErrNotExist):
		cause = statusObjectNotFound
	case errors.Is(err, os.ErrExist):
		cause = statusObjectCollision
	case errors.As(err, &invalid):
		cause = malformed("%s", invalid.Message)
	case errors.As(err, &internal):
		cause = malformed("%s", internal.Message)
	// The library has not judged an answer. (If it has, the connection may have
	// ended as well, but that is not why the step failed.)
	case f.err != nil && errors.Is(f.err, os.ErrDeadlineExceeded):
		// The connection's deadline fires a moment before the context's.
		cause = errNoAnswer
	case f.err != nil:
		cause = f.err
	}
	return &Error{Step: step, Err: cause}
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

// uncHost is the address as it stands in a UNC path, which allows no colon.
func uncHost(address string) string {
	if !strings.Contains(address, ":") {
		return address
	}
	return strings.NewReplacer(":", "-", "%", "s").Replace(address) + ".ipv6-literal.net"
}
