package nfstest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"
)

// Authority issues certificates.
type Authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewAuthority makes one that nobody knows yet.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{t: t}
	made := a.Issue(x509.Certificate{Subject: pkix.Name{CommonName: "an authority"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	a.cert, a.key = made.Leaf, made.PrivateKey.(*ecdsa.PrivateKey)
	return a
}

// Pool is the authority alone.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// Issue makes a certificate with a key. It is valid for a year from yesterday
// on and for servers and clients, where c does not say otherwise.
func (a *Authority) Issue(c x509.Certificate) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	if c.NotBefore.IsZero() {
		c.NotBefore = time.Now().AddDate(0, 0, -1)
	}
	if c.NotAfter.IsZero() {
		c.NotAfter = c.NotBefore.AddDate(1, 0, 0)
	}
	if c.ExtKeyUsage == nil {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	}
	c.SerialNumber = big.NewInt(time.Now().UnixNano())
	parent, signer := &c, key
	if a.cert != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, &c, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// Files writes the authority, and a certificate with its key, to files ca.pem,
// cert.pem and key.pem of a directory, as administrators have them.
func (a *Authority) Files(dir string, c tls.Certificate) (ca, cert, key string) {
	a.t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		a.t.Fatal(err)
	}
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
		if err := os.WriteFile(path, text, 0o600); err != nil {
			a.t.Fatal(err)
		}
		return path
	}
	return write("ca.pem", "CERTIFICATE", a.cert.Raw),
		write("cert.pem", "CERTIFICATE", c.Certificate[0]), write("key.pem", "PRIVATE KEY", der)
}

// TLS is what a proxy with TLS does, healthy if a hook is nil. A hook that
// returns false ends the connection.
type TLS struct {
	Config *tls.Config // TLS 1.3 and the protocol sunrpc, if it does not say otherwise
	// Answer sends the answer to the call with AUTH_TLS; healthy is the message
	// of a server that speaks TLS.
	Answer Answer
	// Start is called before the handshake, Established after it. secrets are
	// those of the connection, as lines of SSLKEYLOGFILE.
	Start       func(raw net.Conn) bool
	Established func(raw net.Conn, secured *tls.Conn, secrets string) bool
}

// TLSProxy puts TLS in front of a server to which dial connects (RFC 9289), for
// no server in Debian 12 has it: it answers the call with AUTH_TLS, makes the
// handshake and passes on what TLS carries. Without that call a connection is
// closed. All is closed in t.Cleanup, listener included.
func TLSProxy(
	t testing.TB, listener net.Listener, dial func() (net.Conn, error), behaviour TLS,
) {
	t.Helper()
	proxy(t, listener, func(client net.Conn, _ int) { behaviour.serve(client, dial) })
}

// serve serves one connection until one of its sides ends.
func (b TLS) serve(raw net.Conn, dial func() (net.Conn, error)) {
	const authTLS = 7
	_, request, err := readRecord(raw)
	if err != nil {
		return
	}
	var call rpcv2.RpcMsg
	if _, err := call.ReadFrom(bytes.NewReader(request)); err != nil {
		return
	}
	body, ok := call.Body.(*rpcv2.RpcMsgBody_CALL)
	if !ok || body.Cbody.Cred.Flavor != authTLS {
		return
	}
	if b.Answer == nil {
		b.Answer = Healthy
	}
	asked := Call{Proc: Proc{body.Cbody.Prog, body.Cbody.Vers, body.Cbody.Proc}, XID: call.Xid,
		Cred: body.Cbody.Cred}
	if !b.Answer(raw, asked, func() []byte { return StartTLS(call.Xid) }) {
		return
	}
	if b.Start != nil && !b.Start(raw) {
		return
	}
	var secrets bytes.Buffer
	config := b.Config.Clone()
	config.KeyLogWriter, config.SessionTicketsDisabled = &secrets, true
	if config.NextProtos == nil {
		config.NextProtos = []string{"sunrpc"}
	}
	if config.MaxVersion == 0 {
		config.MinVersion = tls.VersionTLS13
	}
	secured := tls.Server(raw, config)
	defer secured.Close()
	if secured.Handshake() != nil ||
		b.Established != nil && !b.Established(raw, secured, secrets.String()) {
		return
	}
	server, err := dial()
	if err != nil {
		return
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer raw.Close()
	defer server.Close()
	ends := make(chan struct{}, 2)
	pass := func(to, from net.Conn) {
		io.Copy(to, from)
		ends <- struct{}{}
	}
	wg.Go(func() { pass(server, secured) })
	wg.Go(func() { pass(secured, server) })
	<-ends
}

// StartTLS is the message with which a server says that it speaks TLS (RFC 9289
// 4.1).
func StartTLS(xid uint32) []byte {
	m := success(xid, nil)
	const verifierLength = 16 // behind xid, REPLY, MSG_ACCEPTED and AUTH_NONE
	binary.BigEndian.PutUint32(m[verifierLength:], 8)
	return append(append(m[:20:20], "STARTTLS"...), m[20:]...)
}
