package kitrunner

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fsmon/kitrunner/parse"
)

// found is what the systems look like: what the questions of a rejoin were
// answered. Nil means not asked yet; empty means none.
type found struct {
	systems   []string
	paths     []parse.Path              // to every system
	jobs      map[string][]parse.Job    // by volume, as the next two
	mirrors   map[string][]parse.Mirror // those that exist
	infos     map[string]string         // the text of the LKDRInfo file
	addresses []string                  // of the gone system, told or from the journal
}

// isGone tells whether DataKeeper's name or address of a mirror's end is the
// gone system's, and if not whose it is ("" if that is not known). Jobs and
// communication paths know addresses. A path's line has the addresses of both
// ends; a mirror never leads to its own system.
func (r *Rejoin) isGone(end string) (yes bool, whose string) {
	f := &r.found
	if parse.Names(end, r.Gone) || slices.Contains(f.addresses, end) {
		return true, r.Gone
	}
	if _, err := netip.ParseAddr(end); err != nil {
		return false, end
	}
	for _, v := range slices.Sorted(maps.Keys(f.jobs)) {
		for _, j := range f.jobs[v] {
			for _, e := range j.Ends {
				if e.Address == end {
					return e.IsOf(r.Gone), e.System
				}
			}
		}
	}
	for _, p := range f.paths {
		if slices.Contains(p.Addresses(), end) {
			if strings.EqualFold(p.System, r.Gone) {
				return true, r.Gone
			}
			whose = p.System
		}
	}
	return false, whose
}

// otherEnd is the end of a mirror that is not on this system.
func otherEnd(m parse.Mirror) string {
	if m.Role == parse.RoleTarget {
		return m.Source
	}
	return m.Target
}

// refusals are the reasons for which nothing may be done, each with what to do
// about it.
func (r *Rejoin) refusals() (why []string) {
	for _, v := range r.Volumes {
		why = append(why, r.mayDelete(v)...)
	}
	return append(why, r.notNamed()...)
}

func (r *Rejoin) mayDelete(v string) []string {
	return append(r.mayDeleteJobs(v), r.mayDeleteMirrors(v)...)
}

// mayDeleteJobs refuses two kinds of jobs: one that also mirrors to a third
// system, since deleting it would end a live mirror, and one with further
// volumes, since their mirrors would be left without a job.
func (r *Rejoin) mayDeleteJobs(v string) (why []string) {
	for _, j := range r.found.jobs[v] {
		for _, e := range j.Ends {
			switch {
			case !e.IsOf(r.System) && !e.IsOf(r.Gone):
				why = append(why, fmt.Sprintf("the DataKeeper job %s also mirrors to %s, whose "+
					"mirror would end with it (take %s out of the job with the DataKeeper GUI, "+
					"and leave volume %s out here)", j.ID, e.System, r.Gone, e.Volume))
			case e.IsOf(r.System) && !slices.Contains(r.Volumes, e.Volume):
				why = append(why, fmt.Sprintf("the DataKeeper job %s also holds volume %s "+
					"(add --volume %s)", j.ID, e.Volume, e.Volume))
			}
		}
	}
	return slices.Compact(why)
}

// mayDeleteMirrors refuses mirrors that lead to another system, since
// deletelocalmirroronly ends all of a volume's, and those that work: then the
// gone system lives and was not reinstalled.
func (r *Rejoin) mayDeleteMirrors(v string) (why []string) {
	for _, m := range r.found.mirrors[v] {
		end := otherEnd(m)
		gone, whose := r.isGone(end)
		switch {
		case !gone && whose != "":
			why = append(why, fmt.Sprintf("volume %s is mirrored with %s (%s), and that mirror "+
				"would end (leave volume %s out here; if it has a mirror with %s too, delete that "+
				"one in the DataKeeper GUI)", v, whose, end, v, r.Gone))
		case !gone:
			why = append(why, fmt.Sprintf("volume %s is mirrored with %s, and no job and no "+
				"communication path says whose address that is (if it is %s: --gone-address %s)",
				v, end, r.Gone, end))
		case m.State == parse.Mirroring || m.State == parse.Resynchronising:
			why = append(why, fmt.Sprintf("the mirror of volume %s with %s works (state %d), so "+
				"%s was not reinstalled (to go on all the same, pause or break the mirror first, "+
				"in the DataKeeper GUI)", v, r.Gone, m.State, r.Gone))
		}
	}
	return why
}

// notNamed are the volumes that belong to the clean-up and were not named.
func (r *Rejoin) notNamed() (why []string) {
	f := &r.found
	volumes := map[string]bool{}
	for v := range f.jobs {
		volumes[v] = true
	}
	for v := range f.mirrors {
		volumes[v] = true
	}
	for v := range f.infos {
		volumes[v] = true
	}
	for _, v := range slices.Sorted(maps.Keys(volumes)) {
		named := r.namesGone(v)
		if !slices.Contains(r.Volumes, v) && len(named) > 0 {
			why = append(why, fmt.Sprintf("volume %s was not named, but %s (add --volume %s)", v,
				strings.Join(named, ", "), v))
		}
	}
	return why
}

// nobodys are the volumes that were not named and have a mirror of which nothing
// says whose it is. They are left alone, and a person is told.
func (r *Rejoin) nobodys() (list []string) {
	for _, v := range slices.Sorted(maps.Keys(r.found.mirrors)) {
		for _, m := range r.found.mirrors[v] {
			gone, whose := r.isGone(otherEnd(m))
			if !gone && whose == "" && !slices.Contains(r.Volumes, v) {
				list = append(list, fmt.Sprintf("Nothing says whose address %s is, with which "+
					"volume %s is mirrored. If it is %s, run this again with --volume %s "+
					"--gone-address %s.", otherEnd(m), v, r.Gone, v, otherEnd(m)))
			}
		}
	}
	return list
}

// namesGone tells what of a volume leads to the gone system. An LKDRInfo file
// that names nobody counts if no job and no mirror says whose it is.
func (r *Rejoin) namesGone(v string) (named []string) {
	f := &r.found
	others := false
	for _, j := range f.jobs[v] {
		if slices.ContainsFunc(j.Ends, func(e parse.End) bool { return e.IsOf(r.Gone) }) {
			named = append(named, "its DataKeeper job "+j.ID+" names "+r.Gone)
		} else {
			others = true
		}
	}
	for _, m := range f.mirrors[v] {
		if gone, _ := r.isGone(otherEnd(m)); gone {
			named = append(named, fmt.Sprintf("its mirror leads to %s (%s)", r.Gone, otherEnd(m)))
		} else {
			others = true
		}
	}
	text, is := f.infos[v]
	if !is {
		return named
	}
	switch {
	case r.inText(text):
		named = append(named, "its LKDRInfo."+v+" names "+r.Gone)
	case len(named) > 0:
		named = append(named, "it has an LKDRInfo."+v)
	case !others && !slices.ContainsFunc(f.systems, func(s string) bool {
		return !strings.EqualFold(s, r.System) && containsFold(text, s)
	}):
		named = append(named, "it has an LKDRInfo."+v+" and neither a job nor a mirror")
	}
	return named
}

func (r *Rejoin) inText(text string) bool {
	return containsFold(text, r.Gone) ||
		slices.ContainsFunc(r.found.addresses, func(a string) bool {
			return containsFold(text, a)
		})
}

func containsFold(text, part string) bool {
	return strings.Contains(strings.ToUpper(text), strings.ToUpper(part))
}

// infoDir is the folder of the LKDRInfo files (REJOIN 4).
func (r *Rejoin) infoDir() string {
	return filepath.Join(r.Root, "subsys", "filesys", "resources", "volume")
}

func (r *Rejoin) infoFile(v string) string { return filepath.Join(r.infoDir(), "LKDRInfo."+v) }

// readInfos reads the LKDRInfo files of all volumes. Their layout is not
// documented: names are looked for in their text.
func (r *Rejoin) readInfos() error {
	entries, err := os.ReadDir(r.infoDir())
	if err != nil && (len(r.Volumes) > 0 || !errors.Is(err, fs.ErrNotExist)) {
		return fmt.Errorf("the folder of the LKDRInfo files (is LKROOT right?): %w", err)
	}
	r.found.infos = map[string]string{}
	for _, e := range entries {
		prefix, letter, _ := strings.Cut(strings.ToUpper(e.Name()), ".")
		if prefix != "LKDRINFO" || !parse.IsDrive(letter) {
			continue
		}
		f, err := os.Open(filepath.Join(r.infoDir(), e.Name()))
		if err != nil {
			return err
		}
		const most = 64 << 10
		data, err := io.ReadAll(io.LimitReader(f, most))
		f.Close()
		if err != nil {
			return err
		}
		r.found.infos[letter] = strings.ReplaceAll(string(data), "\x00", "") // UTF-16
	}
	return nil
}
