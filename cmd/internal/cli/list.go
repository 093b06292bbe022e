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

// list shows every watch of the registry, once or again and again until it is interrupted.
func (s Service) list(req request) int {
	registry, err := watchreg.OpenExisting(watchreg.DefaultDir())
	if err != nil {
		s.complain("%v", err)
		return exitFailed
	}
	if req.Every == 0 {
		entries, err := registry.List()
		if err != nil {
			s.complain("%v", err)
			return exitFailed
		}
		if req.JSON {
			printJSON(os.Stdout, entriesJSON(entries, time.Now()))
		} else {
			width, _, _ := screen(os.Stdout)
			os.Stdout.Write(table(entries, time.Now(), width, colours(os.Stdout)))
		}
		return exitOK
	}
	return s.follow(req)
}

// listFrame is how many lines of the screen are not for watches: the title, a blank line, the headings, and where the cursor rests.
const listFrame = 4

// follow is -list --watch. On a terminal it redraws in place, elsewhere, and on a dumb one, the tables follow each other with a blank
// line between.
func (s Service) follow(req request) int {
	ends := make(chan os.Signal, 1)
	signal.Notify(ends, syscall.SIGINT, syscall.SIGTERM)
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, unix.SIGWINCH)
	defer signal.Stop(ends)
	defer signal.Stop(resized)
	tick := time.NewTicker(req.Every)
	defer tick.Stop()
	for first := true; ; first = false {
		// The registry may be made, or change, while this looks at it.
		registry, err := watchreg.OpenExisting(watchreg.DefaultDir())
		var entries []watchreg.Entry
		if err == nil {
			entries, err = registry.List()
		}
		if err != nil {
			s.complain("%v", err)
			return exitFailed
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
			title := fmt.Sprintf("%s  every %s, end with Ctrl-C\n\n", now.Local().Format(time.DateTime), ago(req.Every))
			redraw(&out, append([]byte(title), table(entries, now, width, colours(os.Stdout))...), width, height)
		default:
			if !first {
				out.WriteByte('\n')
			}
			out.Write(table(entries, now, width, false))
		}
		if _, err := os.Stdout.Write(out.Bytes()); err != nil {
			s.complain("%v", err)
			return exitFailed
		}
		select {
		case <-tick.C:
		case <-resized:
		case <-ends:
			return exitOK
		}
	}
}

// entryJSON is one watch in -list --json and -disp --json: the status as the registry has it, with what the registry itself knows.
type entryJSON struct {
	ID      string `json:"id"`
	Live    bool   `json:"live"`                      // false: a leftover, whatever its state says
	Overdue int    `json:"overdue_seconds,omitempty"` // how long no probe of a live watch has ended, when that is too long
	Error   string `json:"error,omitempty"`           // why the entry or its status could not be read
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
