package kitrunner

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

const (
	journalFormat = 1
	maxJournal    = 1 << 20 // bytes
)

// journal is a file with the completed steps of a rejoin, so that a second run
// goes on where the first one ended. It is written after every step. A step
// whose entry was lost is done again, which is harmless: every step first asks
// what is left to do.
type journal struct {
	Format       int            `json:"format"`
	System       string         `json:"system"`
	Gone         string         `json:"gone"`
	Volumes      []string       `json:"volumes"`
	AllResources bool           `json:"all_resources"`
	Started      time.Time      `json:"started"`
	Done         []journalEntry `json:"done"`

	path string
	old  bool // it was there
}

type journalEntry struct {
	Step string    `json:"step"`
	At   time.Time `json:"at"`
}

// errOtherJournal means that the journal belongs to a rejoin with other
// arguments.
var errOtherJournal = errors.New("the journal is of another rejoin")

// openJournal reads the journal at path, or returns a new one that is not
// written yet. want holds the arguments that it must have.
func openJournal(path string, want journal) (*journal, error) {
	want.Format, want.path, want.Done = journalFormat, path, []journalEntry{}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		want.Started = time.Now().Truncate(time.Second)
		return &want, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the journal: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxJournal+1))
	if err == nil && len(data) > maxJournal {
		err = fmt.Errorf("more than %d bytes", maxJournal)
	}
	if err != nil {
		return nil, unread(path, err)
	}
	return decodeJournal(data, want)
}

// unread is the error for a journal that cannot be read.
func unread(path string, err error) error {
	return fmt.Errorf("the journal %s cannot be read, so what has been done is not known: %w",
		path, err)
}

// decodeJournal decodes the content of want.path.
func decodeJournal(data []byte, want journal) (*journal, error) {
	path := want.path
	j := &journal{path: path, old: true}
	err := json.Unmarshal(data, j)
	switch {
	case err != nil:
		return nil, unread(path, err)
	case j.Format != journalFormat:
		return nil, fmt.Errorf("the journal %s has format %d, this version reads format %d", path,
			j.Format, journalFormat)
	case !strings.EqualFold(j.System, want.System) || !strings.EqualFold(j.Gone, want.Gone) ||
		!slices.Equal(j.Volumes, want.Volumes) || j.AllResources != want.AllResources:
		return nil, fmt.Errorf("%w, begun %s (%s has: %s; "+
			"go on with the same options, or move that file away)",
			errOtherJournal, j.Started.Format(time.DateTime), path, j.options())
	}
	return j, nil
}

// options are the ones that the journal was begun with, as a person types them.
func (j *journal) options() string {
	s := "--system " + j.System + " --gone " + j.Gone
	for _, v := range j.Volumes {
		s += " --volume " + v
	}
	if j.AllResources {
		s += " --all-resources"
	}
	return s
}

// done tells whether a step was completed, and when.
func (j *journal) done(step string) (time.Time, bool) {
	for _, e := range j.Done {
		if e.Step == step {
			return e.At, true
		}
	}
	return time.Time{}, false
}

// add records a completed step on the disk.
func (j *journal) add(step string) error {
	j.Done = append(j.Done, journalEntry{step, time.Now().Truncate(time.Second)})
	return j.write()
}

// drop removes a step that turned out not to be complete.
func (j *journal) drop(step string) error {
	j.Done = slices.DeleteFunc(j.Done, func(e journalEntry) bool { return e.Step == step })
	return j.write()
}

// write replaces the file. After a crash either the old or the new one is
// there, whole.
func (j *journal) write() (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("the journal: %w", err)
		}
	}()
	data, err := json.MarshalIndent(j, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(j.path), 0o755); err != nil {
		return err
	}
	temp := j.path + ".new"
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(data, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(temp, j.path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return syncDir(filepath.Dir(j.path))
}

// finish renames the journal of a completed rejoin to a name with the time, so
// that the next rejoin begins anew.
func (j *journal) finish() (string, error) {
	ext := filepath.Ext(j.path)
	base := strings.TrimSuffix(j.path, ext) + "." + time.Now().Format("20060102-150405")
	kept := base + ext
	for n := 2; ; n++ {
		if _, err := os.Lstat(kept); errors.Is(err, fs.ErrNotExist) {
			break
		}
		kept = fmt.Sprintf("%s.%d%s", base, n, ext)
	}
	if err := os.Rename(j.path, kept); err != nil {
		return "", fmt.Errorf("the journal: %w", err)
	}
	return kept, syncDir(filepath.Dir(j.path))
}

// syncDir makes a rename durable. Windows has no such call and needs none: NTFS
// journals it.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
