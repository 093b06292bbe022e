package cmdtest

import (
	"os/exec"
	"testing"
)

// Installed fails the test if one of the servers' programs (program to Debian
// package) is missing. The tests that need it are skipped then (or fail, when
// the environment says CI=true), and go test shows no skipped test: only a
// failure tells why so little was tested.
func Installed(t *testing.T, programs map[string]string) {
	t.Helper()
	for program, packages := range programs {
		_, err := exec.LookPath(program)
		for _, dir := range []string{"/usr/sbin/", "/sbin/", "/usr/bin/"} { // a user's PATH may lack them
			if err != nil {
				_, err = exec.LookPath(dir + program)
			}
		}
		if err != nil {
			t.Errorf("%s is not installed, so the tests that need it were not run: "+
				"apt-get install %s, or make servers", program, packages)
		}
	}
}
