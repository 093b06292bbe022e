package kitrunner

import (
	"os"
	"testing"

	"golang.org/x/sys/windows/registry"
)

// The record itself cannot be read back under Wine, which stores none.
func TestOpenEventLog(t *testing.T) {
	// The machine's own source, if it has one, is as it was afterwards.
	before := ""
	if k, err := registry.OpenKey(registry.LOCAL_MACHINE, sourceKey, registry.QUERY_VALUE); err == nil {
		before, _, _ = k.GetStringValue("EventMessageFile")
		k.Close()
	}
	t.Cleanup(func() {
		if before == "" {
			if err := registry.DeleteKey(registry.LOCAL_MACHINE, sourceKey); err != nil {
				t.Error(err)
			}
			return
		}
		k, err := registry.OpenKey(registry.LOCAL_MACHINE, sourceKey, registry.SET_VALUE)
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		if err := k.SetExpandStringValue("EventMessageFile", before); err != nil {
			t.Error(err)
		}
	})
	for range 2 { // the second finds the source registered
		log, warning, err := OpenEventLog()
		if err != nil || warning != nil {
			t.Fatal(err, warning)
		}
		for _, s := range []Severity{Info, Warning, Error} {
			if err := log.Log(Event{Number: 13051, Severity: s, Text: "a test of kitrunner"}); err != nil {
				t.Error(err)
			}
		}
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	}
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, sourceKey, registry.QUERY_VALUE)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	self, _ := os.Executable()
	if file, kind, err := k.GetStringValue("EventMessageFile"); file != self || kind != registry.EXPAND_SZ || err != nil {
		t.Errorf("the messages are in %q (type %d), want %q; %v", file, kind, self, err)
	}
	if types, _, err := k.GetIntegerValue("TypesSupported"); types != 7 || err != nil {
		t.Errorf("types %d, %v", types, err)
	}
}
