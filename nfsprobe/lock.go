package nfsprobe

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"

	"github.com/buildbarn/go-xdr/pkg/protocols/nlm"
	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"
)

// The lock manager, version 4 (RFC 1813 6, Open Group XNFS 10), and the status
// monitor, version 1 (XNFS 11), which version 3 needs for locks.
const (
	lockProgram   = 100021
	lockVersion   = 4
	procLockTest  = 1
	statusProgram = 100024
	statusVersion = 1
)

// lockTest3 asks whether the lock manager and the status monitor work, and
// tests a lock on the directory. A test leaves nothing at the server.
func (a *attempt) lockTest3(
	ctx context.Context, dir []byte, cred rpcv2.OpaqueAuth,
) (learnt string, err error) {
	for _, one := range []struct {
		name             string
		program, version uint32
		ask              func(c *client) (string, error)
	}{
		{"status", statusProgram, statusVersion, nil},
		{"nlockmgr", lockProgram, lockVersion,
			func(c *client) (string, error) { return c.testLock(ctx, dir) }},
	} {
		port, said, err := a.askProgram(ctx, one.program, one.version, cred, one.ask)
		if err != nil {
			return "", fmt.Errorf("%s: %w", one.name, err)
		}
		learnt += fmt.Sprintf("%s on port %d, ", one.name, port) + said
	}
	return learnt, nil
}

// askProgram asks the port mapper for a program, and calls its NULL and then
// ask if that is not nil.
func (a *attempt) askProgram(
	ctx context.Context, program, version uint32, cred rpcv2.OpaqueAuth,
	ask func(*client) (string, error),
) (port int, said string, err error) {
	if port, err = a.portOf(ctx, program, version); err != nil {
		return 0, "", err
	}
	conn, err := a.connect(ctx, port, !a.Unprivileged)
	if err != nil {
		return port, "", err
	}
	c := newClient(conn, cred)
	defer c.Close()
	if _, err = c.call(ctx, program, version, procNull, nil); err == nil && ask != nil {
		said, err = ask(c)
	}
	return port, said, err
}

// portOf asks the port mapper for a program.
func (a *attempt) portOf(ctx context.Context, program, version uint32) (int, error) {
	conn, err := a.connect(ctx, cmp.Or(a.portMapper, portMapperPort), false)
	if err != nil {
		return 0, fmt.Errorf("port mapper: %w", err)
	}
	c := newClient(conn, noCredential)
	defer c.Close()
	return c.queuePort(program, version, conn.remote.Addr().Is6())(ctx)
}

// testLock asks whether the directory could be locked. Every answer shows that
// the lock manager works, FAILED too: Linux locks no directories.
func (c *client) testLock(ctx context.Context, dir []byte) (string, error) {
	owner := make([]byte, 8)
	fill(owner)
	results, err := c.call(ctx, lockProgram, lockVersion, procLockTest, &nlm.Nlm4Testargs{
		Cookie: owner,
		Alock: nlm.Nlm4Lock{CallerName: machineName(), Fh: dir, Oh: owner, Svid: 1,
			LLen: 1},
	})
	if err != nil {
		return "", err
	}
	return parseLockTest(results, owner)
}

// parseLockTest decodes the results of NLM TEST.
func parseLockTest(results io.Reader, cookie []byte) (string, error) {
	var answer nlm.Nlm4Testres
	if _, err := answer.ReadFrom(results); err != nil {
		return "", malformed("TEST: %v", err)
	}
	stat := answer.TestStat.GetStat()
	name, known := nlm.Nlm4Stats_name[stat]
	switch {
	case !bytes.Equal(answer.Cookie, cookie):
		return "", malformed("TEST: the cookie of another call")
	case !known:
		return "", malformed("TEST: nlm4_stats %d", stat)
	case stat == nlm.NLM4_DENIED_GRACE_PERIOD:
		return "", fmt.Errorf("TEST: %w", errLockGrace)
	case stat == nlm.NLM4_DENIED_NOLOCKS, stat == nlm.NLM4_STALE_FH:
		return "", fmt.Errorf("TEST: %s", name)
	}
	return "TEST: " + name, nil
}
