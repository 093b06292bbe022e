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

// noCredential is AUTH_NONE.
var noCredential = rpcv2.OpaqueAuth{Flavor: rpcv2.AUTH_NONE}

// authSys is the AUTH_SYS credential of a user without further groups (RFC
// 5531, appendix A). The stamp is arbitrary; zero as good as any.
func authSys(uid, gid uint32) rpcv2.OpaqueAuth {
	var body bytes.Buffer
	p := rpcv2.AuthsysParms{Machinename: machineName(), Uid: uid, Gid: gid}
	if _, err := p.WriteTo(&body); err != nil {
		panic(err) // the name is ASCII and short, and a buffer takes everything
	}
	return rpcv2.OpaqueAuth{Flavor: rpcv2.AUTH_SYS, Body: body.Bytes()}
}

// identify enters into the report as whom and from what kind of port a server
// is spoken to.
func (c *client) identify(r *Report) {
	who, kind := "AUTH_NONE", ""
	if c.cred.Flavor == rpcv2.AUTH_SYS {
		who = fmt.Sprintf("AUTH_SYS uid %d", max(os.Getuid(), 0))
	}
	r.SourcePort = int(addrPort(c.LocalAddr()).Port())
	if !r.ordinaryPort() {
		kind = "privileged "
	}
	r.Identity = fmt.Sprintf("%s, %sport %d", who, kind, r.SourcePort)
}

// ordinaryPort reports a source port that every process may bind.
func (r *Report) ordinaryPort() bool { return r.SourcePort > 1023 }

// machineName is this machine's name in the form that a credential allows: at
// most 255 bytes of ASCII. Servers log it at most.
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

// fill fills b, whose length is a multiple of 8, with random bytes: names that
// must differ, not secrets. (crypto/rand costs a watch 290 kB.)
func fill(b []byte) {
	for ; len(b) >= 8; b = b[8:] {
		binary.BigEndian.PutUint64(b, rand.Uint64())
	}
}
