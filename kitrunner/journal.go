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
	journalFormat = 2       // 1 had no commands and no addresses
	maxJournal    = 8 << 20 // bytes; a run adds 100 KiB at most
)

// journal is the audit trail of a rejoin: a file with every command and every
// completed step. What is left to do is asked of the system, never read here,
// but for the two steps whose effect nothing shows (clearswitchover, lcdsync).
type journal struct {
	Format       int       `json:"format"`
	System       string    `json:"system"`
	Gone         string    `json:"gone"`
	Volumes      []string  `json:"volumes"`
	AllResources bool      `json:"all_resources"`
	Started      time.Time `json:"started"`
	// Addresses are the gone system's, as its jobs had them. A job is deleted
	// before its mirror, which names the address alone.
	Addresses []string         `json:"addresses"`
	Done      []journalEntry   `json:"done"`
	Commands  []journalCommand `json:"commands"`

	path string
	old  bool // it was there
}

// journalEntry is a step that was completed, or skipped for a reason.
type journalEntry struct {
	Step    string    `json:"step"`
	At      time.Time `json:"at"`
	Skipped string    `json:"skipped,omitempty"`
}

// journalCommand is a command that was run. One that changes something is
// written before it runs, without an exit code, and again after it.
type journalCommand struct {
	At      time.Time `json:"at"`
	Step    string    `json:"step"`
	Command string    `json:"command"`
	Code    *int      `json:"code,omitempty"`   // missing if it did not end, or could not run
	Error   string    `json:"error,omitempty"`  // why
	Output  string    `json:"output,omitempty"` // its head, on one line
}

// ErrOtherJournal means that the journal belongs to a rejoin with other
// arguments.
var ErrOtherJournal = errors.New("the journal is of another rejoin")

// openJournal reads the journal at path, or returns a new one that is not
// written yet. want holds the arguments that it must have.
func openJournal(path string, want journal) (*journal, error) {
	want.Format, want.path, want.Done = journalFormat, path, []journalEntry{}
	want.Addresses, want.Commands = []string{}, []journalCommand{}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		want.Started = now()
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
	case j.Format < 1 || j.Format > journalFormat:
		return nil, fmt.Errorf("the journal %s has format %d, this version reads 1 to %d", path,
			j.Format, journalFormat)
	case !strings.EqualFold(j.System, want.System) || !strings.EqualFold(j.Gone, want.Gone) ||
		!slices.Equal(j.Volumes, want.Volumes) || j.AllResources != want.AllResources:
		return nil, fmt.Errorf("%w, begun %s (%s has: %s; "+
			"go on with the same options, or move that file away)",
			ErrOtherJournal, j.Started.Format(time.DateTime), path, j.options())
	}
	j.Format = journalFormat
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

// done tells whether a step was completed, and when for the last time.
func (j *journal) done(step string) (time.Time, bool) {
	for _, e := range slices.Backward(j.Done) {
		if e.Step == step && e.Skipped == "" {
			return e.At, true
		}
	}
	return time.Time{}, false
}

// add records a completed step on the disk, or a skipped one with its reason.
func (j *journal) add(step, skipped string) error {
	j.Done = append(j.Done, journalEntry{step, now(), skipped})
	return j.write()
}

// begin adds a command that is about to run.
func (j *journal) begin(step string, c Command) {
	j.Commands = append(j.Commands, journalCommand{At: now(), Step: step, Command: c.String()})
}

// end completes the last command.
func (j *journal) end(res Result) {
	c := &j.Commands[len(j.Commands)-1]
	c.Output = oneLine(res.Output)
	if res.Err != nil {
		c.Error = oneLine(res.Err.Error())
		return
	}
	c.Code = &res.Code
}

func now() time.Time { return time.Now().Truncate(time.Second) }

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
