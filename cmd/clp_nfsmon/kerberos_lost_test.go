package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/nfsprobe/nfstest"
	"fsmon/smbprobe/kerberostest"
)

// A real server drops the security context between two calls of a probe, on a
// connection that lives (RFC 2203 5.3.3.3): another is made, once.
func TestKerberosContextLost(t *testing.T) {
	t.Parallel()
	r := newRealmWith(t, kerberostest.Config{}, nfstest.Config{Forgetful: true})
	must(t, os.Chmod(r.Path("krb5p"), 0o777)) // the server takes who logs in for nobody
	const lost = "the server had lost the security context (Authentication error; why = " +
		"RPCSEC_GSS_CREDPROBLEM), so a new one was made"
	for _, c := range []struct {
		version string
		before  []int // calls: 0 is NULL, 1 INIT
		code    int
		says    string
	}{
		{"3", []int{2}, 0, lost}, // two calls are under way
		{"3", []int{5}, 0, lost}, // in the write test
		{"4.0", []int{2}, 0, lost},
		{"4.1", []int{4}, 0, lost}, // in the session
		{"4.2", []int{8}, 0, lost}, // in the write test
		{"4.1", []int{-1}, 0, "destroy context was refused: Authentication error"},
		{"4.1", []int{3, 6}, 1, "The server lost the security context of this probe, and the second one"},
	} {
		// On a busy machine the server may clean up too late, and by chance it
		// does so twice.
		cmdtest.Eventually(t, c.version+", "+c.says, func() bool {
			port := r.relay(t, func(p *nfstest.Passing) nfstest.End {
				destroy := p.Proc == nfstest.Null4 && p.Index > 1
				if !p.FromServer && (slices.Contains(c.before, p.Index) || c.before[0] < 0 && destroy) {
					if err := r.Forget(); err != nil {
						t.Error(err)
					}
				}
				return nil
			})
			p := newLab(t, r.Lab).Check(r.options("krb5p", c.version, "krb5p", "-n", port, "-r", "30",
				"--write-test")...)
			code, _ := p.Exit()
			said := cmdtest.Flat(p.Output())
			if code != 0 && (!strings.Contains(said, "RPCSEC_GSS_CREDPROBLEM") ||
				!strings.Contains(said, "Class server: ")) {
				t.Errorf("%+v: exit code %d\n%s", c, code, p.Output())
			}
			return code == c.code && strings.Contains(said, c.says)
		})
	}
}
