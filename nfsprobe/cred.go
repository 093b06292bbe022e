package nfsprobe

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"

	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"
)

var noCredential = rpcv2.OpaqueAuth{Flavor: rpcv2.AUTH_NONE}

// authSys is the AUTH_SYS credential of a user without supplementary groups
// (RFC 5531, appendix A). The stamp is arbitrary, so it is zero.
func authSys(uid, gid uint32) rpcv2.OpaqueAuth {
	var body bytes.Buffer
	p := rpcv2.AuthsysParms{Machinename: machineName(), Uid: uid, Gid: gid}
	if _, err := p.WriteTo(&body); err != nil {
		panic(err) // the name is ASCII and short, and a buffer never fails
	}
	return rpcv2.OpaqueAuth{Flavor: rpcv2.AUTH_SYS, Body: body.Bytes()}
}

// authSysOwn is the AUTH_SYS credential of this process's user.
func authSysOwn() rpcv2.OpaqueAuth {
	uid, gid := max(os.Getuid(), 0), max(os.Getgid(), 0) // -1 on Windows
	return authSys(uint32(uid), uint32(gid))
}

// identify enters the credential and source port of a connection into the
// report.
func (c *client) identify(r *Report) {
	who, kind := "AUTH_NONE", ""
	switch {
	case c.user != "":
		who = c.user
	case c.cred.Flavor == rpcv2.AUTH_SYS:
		who = fmt.Sprintf("AUTH_SYS uid %d", max(os.Getuid(), 0))
	}
	r.SourcePort = int(addrPort(c.LocalAddr()).Port())
	if !r.ordinaryPort() {
		kind = "privileged "
	}
	r.Identity = fmt.Sprintf("%s, %sport %d", who, kind, r.SourcePort)
}

// ordinaryPort reports whether the source port is one that every process may
// bind.
func (r *Report) ordinaryPort() bool { return r.SourcePort > 1023 }

// machineName is this machine's host name in the form that a credential allows:
// at most 255 bytes of ASCII. Servers only log it.
func machineName() string {
	name, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	name = strings.Map(func(c rune) rune {
		if c > ' ' && c < 0x7f {
			return c
		}
		return '-'
	}, name)
	return name[:min(len(name), 255)]
}

// fill fills b, whose length is a multiple of 8, with random bytes. They make
// names that must differ, not secrets. (crypto/rand costs a watch 290 kB.)
func fill(b []byte) {
	for ; len(b) >= 8; b = b[8:] {
		binary.BigEndian.PutUint64(b, rand.Uint64())
	}
}
