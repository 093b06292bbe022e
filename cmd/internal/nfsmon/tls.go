package nfsmon

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"

	"fsmon/cmd/internal/cli"
	"fsmon/cmd/internal/kerberos"
	"fsmon/nfsprobe"
)

// maxPEM caps the size of a file with certificates or a key, in bytes.
const maxPEM = 1 << 20

// tlsFiles are the files that --tls goes by; an empty path is none.
type tlsFiles struct{ ca, cert, key string }

// tlsOptions checks how the options of --tls go together.
func (f *flags) tlsOptions() error {
	given := cmp.Or(f.tlsName, f.files.ca, f.files.cert, f.files.key)
	switch {
	case !f.tls && given != "":
		return errors.New("--tls-ca, --tls-name, --tls-cert and --tls-key: need --tls")
	case (f.files.cert == "") != (f.files.key == ""):
		return errors.New("--tls-cert and --tls-key: need each other")
	}
	return nil
}

// load reads the files. The contents are returned too, to tell whether they
// have changed.
func (f tlsFiles) load(name string) (config *tls.Config, contents []byte, err error) {
	config = &tls.Config{ServerName: name}
	if f.ca != "" {
		pem, _, err := kerberos.ReadFile(f.ca, maxPEM)
		if err != nil {
			return nil, nil, fmt.Errorf("--tls-ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, nil, fmt.Errorf("--tls-ca: %s has no certificate in PEM", f.ca)
		}
		contents = pem
	}
	if f.cert != "" {
		cert, _, err := kerberos.ReadFile(f.cert, maxPEM)
		if err != nil {
			return nil, nil, fmt.Errorf("--tls-cert: %w", err)
		}
		key, err := kerberos.ReadSecret(f.key, maxPEM)
		if err != nil {
			return nil, nil, fmt.Errorf("--tls-key: %w", err)
		}
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return nil, nil, fmt.Errorf("--tls-cert and --tls-key: %s and %s: %w", f.cert, f.key, err)
		}
		config.Certificates = []tls.Certificate{pair}
		contents = bytes.Join([][]byte{contents, cert}, nil)
	}
	return config, contents, nil
}

// renewing probes again at once, within the same deadline, when TLS has failed
// and the files have changed since they were read: a certificate that was
// renewed is not a failure of the server.
func (f *flags) renewing(nfs *nfsprobe.Prober, contents []byte) cli.Probe {
	var mu sync.Mutex // a cancelled probe may still be ending
	probe := f.probe(nfs)
	return func(ctx context.Context) (cli.Report, error) {
		report, err := probe(ctx)
		var insecure *nfsprobe.TLSError
		if !errors.As(err, &insecure) || errors.Is(err, nfsprobe.ErrNoTLS) {
			return report, err
		}
		mu.Lock()
		config, now, lerr := f.files.load(f.tlsName)
		renewed := lerr == nil && !bytes.Equal(now, contents)
		if renewed {
			contents = now
			nfs.Secure(config)
		}
		mu.Unlock()
		if renewed {
			return probe(ctx)
		}
		return report, err
	}
}
