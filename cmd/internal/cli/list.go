package cli

import (
	"bytes"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"fsmon/watchreg"
)

// list shows every watch that this user can see, once or again and again until
// it is interrupted.
func (s Service) list(req request) error {
	if req.Every > 0 {
		return follow(req)
	}
	all, err := watches()
	if err != nil {
		return err
	}
	if req.JSON {
		printJSON(os.Stdout, placesJSON(all, time.Now()))
	} else {
		width, _, _ := screen(os.Stdout)
		os.Stdout.Write(tables(all, time.Now(), width, colours(os.Stdout)))
	}
	return nil
}

// place is a registry with its watches.
type place struct {
	whose   string // a title; empty for the only registry that this user looks into
	dir     string // empty as well
	entries []watchreg.Entry
}

// watches returns the user's own registry and that of the machine, if it is
// another.
func watches() ([]place, error) {
	dirs := watchreg.ReadableDirs()
	var all []place
	for i, dir := range dirs {
		registry, err := watchreg.OpenExisting(dir)
		if err != nil {
			return nil, err
		}
		p := place{}
		if p.entries, err = registry.List(); err != nil {
			return nil, err
		}
		switch {
		case len(dirs) == 1:
		case i == 0:
			p.whose, p.dir = "this user", dir
		default:
			p.whose, p.dir = "root", dir
		}
		all = append(all, p)
	}
	return all, nil
}

// tables draws the table of each place that has watches, and says whose they
// are.
func tables(all []place, now time.Time, width int, paint palette) []byte {
	var out bytes.Buffer
	for _, p := range all {
		if len(p.entries) == 0 {
			continue
		}
		if out.Len() > 0 {
			out.WriteByte('\n')
		}
		if p.whose != "" {
			fmt.Fprintf(&out, "Watches of %s (%s):\n", p.whose, p.dir)
		}
		out.Write(table(p.entries, now, width, paint))
	}
	if out.Len() == 0 {
		return table(nil, now, width, paint)
	}
	return out.Bytes()
}

// listFrame is how many lines of the screen are not for watches: the title, a
// blank line, the headings, and where the cursor rests.
const listFrame = 4

// follow is -list --watch. On a terminal it redraws in place. Elsewhere, and on
// a dumb terminal, the tables follow each other with a blank line between.
func follow(req request) error {
	ends := make(chan os.Signal, 1)
	signal.Notify(ends, syscall.SIGINT, syscall.SIGTERM)
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, unix.SIGWINCH)
	defer signal.Stop(ends)
	defer signal.Stop(resized)
	tick := time.NewTicker(req.Every)
	defer tick.Stop()
	for first := true; ; first = false {
		all, err := watches() // a registry may be made, or change, meanwhile
		if err != nil {
			return err
		}
		now := time.Now()
		width, height, steers := screen(os.Stdout)
		var out bytes.Buffer
		switch {
		case req.JSON:
			printJSON(&out, placesJSON(all, now))
		case steers:
			for _, p := range all {
				if height > 0 && len(p.entries)+listFrame > height {
					sickFirst(p.entries, now)
				}
			}
			title := fmt.Sprintf("%s  every %s, end with Ctrl-C\n\n",
				now.Local().Format(time.DateTime), ago(req.Every))
			text := append([]byte(title), tables(all, now, width, colours(os.Stdout))...)
			redraw(&out, text, width, height)
		default:
			if !first {
				out.WriteByte('\n')
			}
			out.Write(tables(all, now, width, false))
		}
		if _, err := os.Stdout.Write(out.Bytes()); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-resized:
		case <-ends:
			return nil
		}
	}
}

// entryJSON is one watch in -list --json and -disp --json: the status as the
// registry has it, with what the registry itself knows.
type entryJSON struct {
	ID   string `json:"id"`
	Live bool   `json:"live"` // false: a leftover, whatever its state says
	// Overdue is how long no probe of a live watch has ended, if that is too
	// long.
	Overdue int    `json:"overdue_seconds,omitempty"`
	Error   string `json:"error,omitempty"` // why the entry or its status could not be read
	// Registry is where it stands, if this user looks into more than one.
	Registry string `json:"registry,omitempty"`
	*watchreg.Status
}

func toJSON(e watchreg.Entry, now time.Time) entryJSON {
	j := entryJSON{ID: e.ID, Live: e.Live, Status: e.Status}
	if e.Status != nil && e.Live {
		j.Overdue = int(overdue(*e.Status, now).Seconds())
	}
	if e.Err != nil {
		j.Error = e.Err.Error()
	}
	return j
}

func placesJSON(places []place, now time.Time) []entryJSON {
	all := []entryJSON{}
	for _, p := range places {
		for _, e := range p.entries {
			j := toJSON(e, now)
			j.Registry = p.dir
			all = append(all, j)
		}
	}
	return all
}
