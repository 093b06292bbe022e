package smbprobe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"fsmon/smbprobe/ntlm"
	"fsmon/smbprobe/smb2"
)

// ladder runs the steps of one attempt from negotiate to logoff.
type ladder struct {
	*attempt
	ctx  context.Context // the probe's
	r    *Report
	conn *smb2.Conn
	tree *smb2.Tree
}

// climb runs the ladder on a new connection.
func (p *attempt) climb(ctx context.Context, conn net.Conn, r *Report) (err error) {
	l := ladder{attempt: p, ctx: ctx, r: r}
	l.conn = smb2.New(conn, func(sent bool, frame []byte, setup bool) {
		from, to := conn.LocalAddr(), conn.RemoteAddr()
		if !sent {
			from, to = to, from
			p.answered = p.answered || len(frame) > 0
		}
		p.wire.note(from, to, frame, setup)
	})
	for _, s := range []struct {
		step Step
		do   func() (string, error)
	}{
		{Negotiate, l.negotiate}, {SessionSetup, l.sessionSetup}, {TreeConnect, l.treeConnect},
	} {
		if err := l.rung(s.step, s.do); err != nil {
			return err
		}
	}
	if err = l.failed(ShareType, l.checkShareType()); err == nil {
		err = l.files()
	}
	if err != nil {
		// Disconnect as after a success. Whether that works does not matter.
		if l.tree.Disconnect() == nil {
			l.conn.Logoff()
		}
		return err
	}
	return l.disconnect()
}

// rung runs one step and puts it into the report.
func (l *ladder) rung(step Step, do func() (learnt string, err error)) (err error) {
	began, learnt := time.Now(), ""
	defer func() {
		if v := recover(); v != nil {
			err = &Error{Step: step, Err: malformed("the probe panicked on it: %v", v)}
		}
		l.r.Rungs = append(l.r.Rungs, Rung{Step: step, Took: time.Since(began), Learnt: learnt})
	}()
	learnt, err = do()
	return l.failed(step, err)
}

// failed makes an *Error of what went wrong in a step.
func (l *ladder) failed(step Step, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded) && errors.Is(l.ctx.Err(), context.Canceled):
		err = context.Canceled
	case errors.Is(err, os.ErrDeadlineExceeded):
		// The connection's deadline may pass a moment before the context's.
		err = errNoAnswer
	}
	return &Error{Step: step, Err: err}
}

func (l *ladder) negotiate() (string, error) {
	dialects := smb2.Dialects()
	if l.dialect != 0 {
		dialects = []uint16{l.dialect}
	}
	n, err := l.conn.Negotiate(dialects)
	if err != nil {
		return "", err
	}
	l.r.Dialect, l.r.SigningRequired = n.DialectName(), n.SigningRequired
	learnt := "SMB " + l.r.Dialect
	if n.SigningRequired {
		learnt += ", signing required"
	}
	return learnt, nil
}

func (l *ladder) sessionSetup() (string, error) {
	mechanism, user := "NTLMv2", l.User
	s, err := smb2.Session{}, error(nil)
	if l.Tickets != nil {
		mechanism, user = "Kerberos", l.login.User
		defer l.login.Wipe()
		s, err = l.conn.SessionSetup(l.login)
	} else {
		login := &ntlm.Client{}
		if l.User != "" { // a password without a user would not be anonymous
			login.User, login.Password, login.Domain = l.User, l.Password, l.Domain
		}
		defer login.Wipe()
		s, err = l.conn.SessionSetup(login)
		l.r.Domain = domainOf(login.Target())
	}
	if err != nil {
		return "", err
	}
	var learnt []string
	switch n := l.conn.Negotiated(); {
	case s.Guest:
		l.r.Identity = "guest"
	case s.Anonymous || user == "":
		l.r.Identity = "anonymous"
	case !s.Signed:
		return "", malformed("a session for a user who was not asked for a password or ticket")
	default:
		l.r.Identity = "user"
		learnt = append(learnt, mechanism+" user "+user)
		if !s.Encrypted { // else nothing is signed
			learnt = append(learnt, signingNeed[n.SigningRequired], n.SigningName())
		}
	}
	if l.r.Identity != "user" {
		learnt = append(learnt, l.r.Identity)
	}
	if s.Encrypted {
		l.r.Encryption = "session, " + l.conn.Negotiated().CipherName()
		learnt = append(learnt, "encrypted, "+l.conn.Negotiated().CipherName())
	}
	return strings.Join(learnt, ", "), nil
}

// domainOf is the domain that a server says it belongs to. One that belongs to
// none names itself as the target (MS-NLMP 2.2.1.2).
func domainOf(server ntlm.Target) string {
	if server.NetBIOSName == "" || strings.EqualFold(server.Name, server.NetBIOSName) {
		return ""
	}
	return server.Name
}

var signingNeed = map[bool]string{false: "signing optional", true: "signing required"}

func (l *ladder) treeConnect() (learnt string, err error) {
	if l.tree, err = l.conn.TreeConnect(l.unc(l.Share)); err != nil {
		return "", err
	}
	if user := cmp.Or(l.login.User, l.User); l.r.Identity == "guest" && user != "" {
		l.r.warn("the server does not know user %q and logged it in as guest", user)
	}
	learnt = shareTypeName(l.tree.Type)
	l.r.ShareType = learnt
	if l.tree.Encrypted && l.r.Encryption == "" {
		l.r.Encryption = "share, " + l.conn.Negotiated().CipherName()
		learnt += ", encrypted, " + l.conn.Negotiated().CipherName()
	}
	return learnt, nil
}

func (l *ladder) checkShareType() error {
	printerWillDo := l.Marker == "" && !l.WriteTest && !l.LockTest
	switch kind := l.tree.Type; {
	case kind == smb2.ShareTypeDisk, kind == ShareTypePrinter && printerWillDo:
		return nil
	default:
		return &ShareTypeError{Type: kind}
	}
}

// disconnect runs the last two steps. By then the server has served: whatever
// goes wrong is a warning, except that it does not answer. (Samba refuses both
// for a share whose directory cannot be read.)
func (l *ladder) disconnect() error {
	var warned error
	for _, s := range []struct {
		step Step
		do   func() error
	}{{TreeDisconnect, l.tree.Disconnect}, {Logoff, l.conn.Logoff}} {
		var cause error
		err := l.rung(s.step, func() (string, error) {
			cause = s.do()
			return "", cause
		})
		var status Status
		switch {
		case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
			return err
		case errors.As(err, &status):
			l.r.warn("%s was refused: %v", s.step, status)
		case err != nil && cause != warned: // the end of the connection fails both
			l.r.warn("%s failed, though the share was served: %v", s.step, cause)
		}
		warned = cause
	}
	return nil
}

// unc is the UNC path of a share.
func (l *ladder) unc(share string) string { return `\\` + uncHost(l.Address) + `\` + share }

// uncHost is the address as it stands in a UNC path, which allows no colon.
func uncHost(address string) string {
	if !strings.Contains(address, ":") {
		return address
	}
	return strings.NewReplacer(":", "-", "%", "s").Replace(address) + ".ipv6-literal.net"
}

func malformed(format string, args ...any) error {
	return &MalformedError{What: fmt.Sprintf(format, args...)}
}
