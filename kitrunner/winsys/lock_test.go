package winsys

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// holdLock takes a lock and holds it until it is ended, or the test lets it go.
func holdLock(argument string) int {
	dir, address, _ := strings.Cut(argument, "|")
	release, err := Lock(context.Background(), dir, "ip-10.0.0.5")
	if err != nil {
		panic(err)
	}
	defer release()
	return hangOn(address)
}

// done is a context that has ended, so that Lock only looks.
func done() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func TestLockOneActionAtATime(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "locks")
	release, err := Lock(done(), dir, "volume-E:") // a free one is not waited for
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(done(), dir, "VOLUME-e:"); !errors.Is(err, context.Canceled) {
		t.Errorf("a second lock of the same resource: %v", err)
	}
	other, err := Lock(t.Context(), dir, "volume-F:")
	if err != nil {
		t.Fatalf("another resource: %v", err)
	}
	if err := other(); err != nil {
		t.Error(err)
	}
	second := make(chan error, 1)
	go func() {
		release, err := Lock(t.Context(), dir, "volume-E:")
		if err == nil {
			err = release()
		}
		second <- err
	}()
	if err := release(); err != nil {
		t.Error(err)
	}
	if err := <-second; err != nil {
		t.Errorf("the one who waited: %v", err)
	}
}

func TestLockOfAnotherProcess(t *testing.T) {
	l, dir := newTethers(t), t.TempDir()
	c := playing(t, "lock "+dir+"|"+l.Addr().String())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := c.start(ctx)
	l.wait(1)
	if _, err := Lock(done(), dir, "ip-10.0.0.5"); !errors.Is(err, context.Canceled) {
		t.Errorf("while another process holds it: %v", err)
	}
	cancel() // which ends the process
	<-ended
	release, err := Lock(t.Context(), dir, "ip-10.0.0.5")
	if err != nil {
		t.Fatal(err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
}

func TestLockNamesAreFileNames(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"volume-E:", `a\b/c`, "..", "CON", "日本", "a*b?",
		"fe80::1%12", `"<|>`} {
		release, err := Lock(t.Context(), dir, name)
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		if err := release(); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 8 {
		t.Errorf("%d files for 8 names: %v", len(files), files)
	}
	// Long names differ to their last letter, Japanese ones too, each of which
	// is nine bytes in a file name.
	long := strings.Repeat("監視", 60)
	for _, name := range []string{long + "1", long + "2"} {
		release, err := Lock(t.Context(), dir, name)
		if err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		defer release()
	}
}
