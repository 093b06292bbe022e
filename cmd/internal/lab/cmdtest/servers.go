package cmdtest

import (
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Installed fails the test, in one line, if one of the servers' programs
// (program to Debian packages) is missing. The tests that need it are skipped
// then, or fail when the environment says CI=true. go test does not show what
// is skipped, so this failure is what tells why so little was tested.
func Installed(t *testing.T, programs map[string]string) {
	t.Helper()
	var missing, packages []string
	for _, program := range slices.Sorted(maps.Keys(programs)) {
		_, err := exec.LookPath(program)
		for _, dir := range []string{"/usr/sbin/", "/sbin/"} { // a user's PATH may lack them
			if err != nil {
				_, err = exec.LookPath(dir + program)
			}
		}
		if err != nil {
			missing, packages = append(missing, program), append(packages, programs[program])
		}
	}
	if len(missing) > 0 {
		t.Errorf("not installed: %s. The tests that need it were skipped: "+
			"apt-get install %s (or make servers)", strings.Join(missing, ", "), strings.Join(packages, " "))
	}
}
