package cli

import (
	"bytes"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"fsmon/watchreg"

	"golang.org/x/sys/unix"
)

// list shows every watch of the registry, once or again and again until it is
// interrupted.
func (s Service) list(req request) error {
	if req.Every > 0 {
		return follow(req)
	}
	entries, err := watches()
	if err != nil {
		return err
	}
	if req.JSON {
		printJSON(os.Stdout, entriesJSON(entries, time.Now()))
	} else {
		width, _, _ := screen(os.Stdout)
		os.Stdout.Write(table(entries, time.Now(), width, colours(os.Stdout)))
	}
	return nil
}

func watches() ([]watchreg.Entry, error) {
	registry, err := watchreg.OpenExisting(watchreg.DefaultDir())
	if err != nil {
		return nil, err
	}
	return registry.List()
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
		entries, err := watches() // the registry may be made, or change, meanwhile
		if err != nil {
			return err
		}
		now := time.Now()
		width, height, steers := screen(os.Stdout)
		var out bytes.Buffer
		switch {
		case req.JSON:
			printJSON(&out, entriesJSON(entries, now))
		case steers:
			if height > 0 && len(entries)+listFrame > height {
				sickFirst(entries, now)
			}
			title := fmt.Sprintf("%s  every %s, end with Ctrl-C\n\n",
				now.Local().Format(time.DateTime), ago(req.Every))
			text := append([]byte(title), table(entries, now, width, colours(os.Stdout))...)
			redraw(&out, text, width, height)
		default:
			if !first {
				out.WriteByte('\n')
			}
			out.Write(table(entries, now, width, false))
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

func entriesJSON(entries []watchreg.Entry, now time.Time) []entryJSON {
	all := []entryJSON{}
	for _, e := range entries {
		all = append(all, toJSON(e, now))
	}
	return all
}
