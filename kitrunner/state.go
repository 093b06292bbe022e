package kitrunner

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// nicFile is where the ip kit stores which adapter holds a resource's address.
func (r *run) nicFile() string {
	name := url.PathEscape(strings.ToLower(r.res.Tag))
	name = strings.NewReplacer(":", "%3A", "*", "%2A").Replace(name)
	return filepath.Join(r.StateDir, name+".nic")
}

// loadNIC looks at the adapter that holds the address since the last restore
// or recovery. One that is no longer configured does not count.
func (r *run) loadNIC() error {
	if r.kit != &ip || r.StateDir == "" {
		return nil
	}
	b, err := os.ReadFile(r.nicFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if r.res.BackupGUID != "" && canonicalGUID(strings.TrimSpace(string(b))) == canonicalGUID(r.res.BackupGUID) {
		useBackup(r.res, r.vars)
	}
	return nil
}

// storeNIC stores which adapter holds the address now.
func storeNIC(r *run) {
	if r.StateDir == "" {
		return
	}
	if err := writeFile(r.nicFile(), canonicalGUID(r.vars["GUID"])+"\n"); err != nil {
		r.vars["WHY"] = err.Error()
		r.say(ev20004)
	}
}

// writeFile replaces a file at once.
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
