package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"fsmon/cmd/internal/cli"
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
		pem, err := readPEM(f.ca, 0)
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
		cert, err := readPEM(f.cert, 0)
		if err != nil {
			return nil, nil, fmt.Errorf("--tls-cert: %w", err)
		}
		key, err := readPEM(f.key, 0o077)
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

// readPEM reads a file to which nobody may have one of these rights.
func readPEM(path string, forbidden os.FileMode) ([]byte, error) {
	// A FIFO in its place must not block the watch.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	if mode := info.Mode().Perm(); mode&forbidden != 0 {
		return nil, fmt.Errorf("others than its owner have rights to %s (mode %04o; chmod 600 it)",
			path, mode)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxPEM+1))
	if err == nil && len(data) > maxPEM {
		err = fmt.Errorf("%s is longer than %d bytes", path, maxPEM)
	}
	return data, err
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
