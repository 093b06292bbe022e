package smbtest

import "testing"

// Without the servers other tests are skipped, which go test does not show. So
// this one fails and says what to install.
func TestInstalled(t *testing.T) {
	for program, pkg := range map[string]string{"smbd": "samba", "smbclient": "smbclient"} {
		if _, err := lookPath(program, pkg); err != nil {
			t.Error(err)
		}
	}
}
