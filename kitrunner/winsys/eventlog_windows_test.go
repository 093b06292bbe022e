package winsys

import (
	"os"
	"testing"

	"golang.org/x/sys/windows/registry"
)

// The record itself cannot be read back under Wine, which stores none.
func TestOpenEventLog(t *testing.T) {
	const testSource = "kitrunner-test"
	t.Cleanup(func() {
		if err := registry.DeleteKey(registry.LOCAL_MACHINE, sourceKey(testSource)); err != nil {
			t.Error(err)
		}
	})
	for range 2 { // the second finds the source registered
		log, warning, err := OpenEventLog(testSource)
		if err != nil || warning != nil {
			t.Fatal(err, warning)
		}
		for _, report := range []func(int, string) error{log.Info, log.Warning, log.Error} {
			if err := report(13051, "a test of kitrunner"); err != nil {
				t.Error(err)
			}
		}
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	}
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, sourceKey(testSource), registry.QUERY_VALUE)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	self, _ := os.Executable()
	if file, kind, err := k.GetStringValue("EventMessageFile"); file != self ||
		kind != registry.EXPAND_SZ || err != nil {
		t.Errorf("the messages are in %q (type %d), want %q; %v", file, kind, self, err)
	}
	if types, _, err := k.GetIntegerValue("TypesSupported"); types != 7 || err != nil {
		t.Errorf("types %d, %v", types, err)
	}
}
