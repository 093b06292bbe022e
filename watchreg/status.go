package watchreg

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	statusFormat = 1
	maxStatus    = 64 << 10 // bytes
	maxText      = 1 << 10  // bytes of one text in a status that would be too large

	// touchEvery is how often the other files get the time of now: cleaners of
	// temporary files remove what nobody has touched for days.
	touchEvery = time.Hour
)

// State says what a watch is doing.
type State string

// The states of a watch.
const (
	Starting State = "starting" // no probe has succeeded since it started or was continued
	Healthy  State = "healthy"
	Failing  State = "failing" // the last probe failed; no verdict yet
	Refused  State = "refused" // the last probe failed in a way that is tolerated
	Grace    State = "grace"   // healthy, but files cannot be opened yet
	Paused   State = "paused"
	Ended    State = "ended" // told to end, or the file server was judged failed
)

// States are all states of this version, in order. An older watch may be
// "stopping" or "failed".
var States = []State{Starting, Healthy, Failing, Refused, Grace, Paused, Ended}

// Status is what a watch says about itself. Every user may read the file, so it
// never holds a secret. Times are RFC 3339 there. A new field also stands in
// appendJSON. It does not make a new format; a field that changes its meaning
// does.
type Status struct {
	Format  int    `json:"format"` // set by WriteStatus
	Command string `json:"command"`
	Version string `json:"version"`
	ID      string `json:"id"`  // set by WriteStatus
	PID     int    `json:"pid"` // set by WriteStatus; for people only

	Kind    string `json:"kind"`              // "samba" or "nfs"
	Target  string `json:"target"`            // "//127.0.0.1:445/share"
	Address string `json:"address,omitempty"` // what the last probe spoke to, "192.0.2.1:445"

	State   State     `json:"state"`
	Since   time.Time `json:"since"` // when State was entered
	Started time.Time `json:"started"`

	Interval int `json:"interval"` // seconds
	Retries  int `json:"retries"`  // failed retries in a row that make the verdict
	Timeout  int `json:"timeout"`  // seconds, for one whole probe
	// RetryInterval is the interval after a failed probe, in seconds; 0, of an
	// older watch: Interval.
	RetryInterval int `json:"retry_interval,omitempty"`

	LastProbe   time.Time `json:"last_probe,omitzero"`   // when the last finished probe started
	LastSuccess time.Time `json:"last_success,omitzero"` // when the last successful probe started
	ProbeMS     float64   `json:"probe_ms"`              // ms that the last finished probe took
	Failures    int       `json:"failures"`              // failed probes in a row
	LastError   string    `json:"last_error"`            // of the last failed probe, or empty
	Class       string    `json:"class,omitempty"`       // of LastError: "account"
	Warnings    []string  `json:"warnings,omitempty"`    // of the last finished probe
	PausedUntil time.Time `json:"paused_until,omitzero"` // zero: not paused, or until continued
	Note        string    `json:"note"`
}

// Settings are interval, retries and timeout as on the command line.
func (s *Status) Settings() string {
	text := fmt.Sprintf("-i %d -c %d -r %d", s.Interval, s.Retries, s.Timeout)
	if s.RetryInterval != 0 && s.RetryInterval != s.Interval {
		text += fmt.Sprintf(" --retry-interval %d", s.RetryInterval)
	}
	return text
}

// FormatError means that a status was written by a newer version of this
// software.
type FormatError struct {
	Found, Known int // the format in the file, and the newest one this version reads
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("the status has format %d, this version reads formats up to %d "+
		"(use the newer command)", e.Found, e.Known)
}

// decodeStatus reads a status of our format or an older one. It ignores fields
// that it does not know, so that a newer watch can be controlled.
func decodeStatus(data []byte) (*Status, error) {
	// The format comes first: in a newer one the other fields may have
	// other types.
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("the status is damaged: %w", err)
	}
	if head.Format > statusFormat {
		return nil, &FormatError{Found: head.Format, Known: statusFormat}
	}
	if head.Format < 1 {
		return nil, fmt.Errorf("the status is damaged: format %d", head.Format)
	}
	s := new(Status)
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("the status is damaged: %w", err)
	}
	return s, nil
}

// encodeStatus shortens the texts of a status that is too long for a reader.
func encodeStatus(s Status) ([]byte, error) {
	data := s.appendJSON(make([]byte, 0, 1<<10)) // one block, and not six that grow
	if len(data) >= maxStatus {
		s.Warnings = nil
		for _, text := range []*string{&s.Target, &s.Address, &s.LastError, &s.Note} {
			*text = clip(*text, maxText)
		}
		data = s.appendJSON(data[:0])
	}
	if len(data) >= maxStatus {
		return nil, fmt.Errorf("the status has %d bytes, more than %d", len(data), maxStatus)
	}
	return append(data, '\n'), nil
}

func clip(s string, limit int) string {
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "")
	}
	return s
}

// readStatus reads the status in dir. It is nil, without an error, if there is
// none.
func readStatus(dir string) (*Status, error) {
	path := filepath.Join(dir, statusName)
	if _, err := checkKind(path, 0); err != nil {
		return nil, ignoreMissing(err)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, ignoreMissing(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxStatus+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxStatus {
		return nil, fmt.Errorf("the status is damaged: more than %d bytes", maxStatus)
	}
	return decodeStatus(data)
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// WriteStatus replaces the status. It sets Format, ID and PID. Readers see the
// old status or the new one, never a part of it; on an error the old one stays.
// The error wraps the *os.PathError or *os.LinkError of the call that failed;
// it is os.ErrClosed after Release.
func (c *Claim) WriteStatus(s Status) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.writeStatus(s); err != nil {
		return fmt.Errorf("write the status of %q: %w", c.id, err)
	}
	return nil
}

func (c *Claim) writeStatus(s Status) error {
	if c.released {
		return os.ErrClosed
	}
	s.Format, s.ID, s.PID = statusFormat, c.id, os.Getpid()
	data, err := encodeStatus(s)
	if err != nil {
		return err
	}
	touch := time.Since(c.touched) >= touchEvery
	err = c.make(c.change(data, touch))
	if err == nil && touch {
		c.touched = time.Now()
	}
	return err
}

// writeNew makes a file of mode 0644, whatever the umask. It does not sync: a
// status need not outlive a crash of the machine, and a sync waits for the
// disk. If it fails after the file was made, the file is removed.
func writeNew(path string, data []byte) error {
	const flags = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
	// Not os.OpenFile, which asks whether the file can be polled.
	fd, err := unix.Open(path, flags, 0o644)
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	err = f.Chmod(0o644)
	if err == nil {
		_, err = f.Write(data)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = removeKind(path, 0) // if this fails too, the next write removes it
	}
	return err
}
