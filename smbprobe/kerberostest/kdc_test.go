//go:build linux

package kerberostest

import "testing"

// A KDC starts, freezes, thaws, ends and starts again.
func TestKDC(t *testing.T) {
	k := New(t, Config{Users: map[string]string{"probe": "pw"}, Services: []string{"cifs/files.lab.test"}})
	for _, step := range []func() error{
		k.Freeze, k.Thaw, k.Kill, func() error { return k.Start(t.Context()) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	k.Kinit(t, "probe", "pw")
}
