package kitrunner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"fsmon/kitrunner/parse"
	"fsmon/kitrunner/winsys"
)

// hold takes the resource's lock for an action, and shows that it waits.
func (r *run) hold(action *Action) (release func() error, err error) {
	if r.Wait <= 0 {
		return func() error { return nil }, nil
	}
	if err := winsys.MakeDir(r.StateDir); err != nil {
		return nil, err
	}
	name := r.kit.Name + " " + r.res.Tag
	now, cancel := context.WithCancel(r.ctx)
	cancel()
	if release, err = winsys.Lock(now, r.StateDir, name); !errors.Is(err, context.Canceled) {
		return release, err
	}
	r.begin(action,
		Step{No: "(0)", Text: "Another action on this resource is under way: wait for its end."})
	defer r.finish()
	r.show(Waiting, fmt.Sprintf("up to %.0f s", r.Wait.Seconds()))
	wait, cancel := context.WithTimeout(r.ctx, r.Wait)
	defer cancel()
	return winsys.Lock(wait, r.StateDir, name)
}

// nicFile is the file with the adapter that holds a resource's address.
func (e *Engine) nicFile(res Resource) string {
	return filepath.Join(e.StateDir, winsys.FileName(res.Tag)+".nic")
}

// loadNIC sets the adapter that holds the address since the last restore or
// recovery. A stored adapter that the resource no longer has does not count.
func (e *Engine) loadNIC(res Resource, vars map[string]string) error {
	if e.StateDir == "" {
		return nil
	}
	b, err := os.ReadFile(e.nicFile(res))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if onBackupNIC(b, res) {
		useBackup(res, vars)
	}
	return nil
}

// onBackupNIC tells whether the stored adapter is the resource's backup
// adapter.
func onBackupNIC(stored []byte, res Resource) bool {
	return res.BackupGUID != "" &&
		parse.CanonicalGUID(strings.TrimSpace(string(stored))) == parse.CanonicalGUID(
			res.BackupGUID)
}

// storeNIC stores the adapter that now holds the address.
func storeNIC(r *run) answer {
	return r.stored(func() error {
		return writeFile(r.nicFile(r.res), parse.CanonicalGUID(r.vars["GUID"])+"\n")
	})
}

// forgetNIC forgets it: the next restore begins with the primary adapter.
func forgetNIC(r *run) answer {
	return r.stored(func() error {
		if err := os.Remove(r.nicFile(r.res)); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}

func (r *run) stored(store func() error) answer {
	if r.StateDir == "" {
		return ""
	}
	if err := store(); err != nil {
		r.vars["WHY"] = err.Error()
		r.say(ev20004)
	}
	return ""
}

// writeFile replaces a file: readers see the old or the new text, never a part.
func writeFile(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("store %s: %w", path, err), os.Remove(f.Name()))
	}
	return nil
}
