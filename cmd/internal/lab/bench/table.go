package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// text is all that was measured: first whether it is worth anything, then what
// counts on any machine, which is ratios, then the figures of this one.
func (b benchmark) text() string {
	all := []string{fmt.Sprintf("%s; private servers on loopback; medians of %d\n%v\n", b.machine,
		rounds, b.calm)}
	if goals := b.targets(); len(goals) > 0 {
		all = append(all, goalTable(goals))
	}
	if slices.ContainsFunc(b.rows, func(r row) bool { return r.cost != cost{} }) {
		all = append(all, b.table())
	}
	if len(b.kept) > 0 {
		all = append(all, b.promises())
	}
	return strings.Join(all, "\n")
}

func goalTable(goals []target) string {
	var t strings.Builder
	const columns = "%-58s %9s   %-10s %s"
	t.WriteString(line(columns, "targets", "measured", "target", "reached"))
	for _, g := range goals {
		t.WriteString(line(columns, g.what, g.measured, g.target, g.reached))
	}
	return t.String()
}

// line is a line of a table, without blanks at its end.
func line(format string, args ...any) string {
	return strings.TrimRight(fmt.Sprintf(format, args...), " ") + "\n"
}

// table is what the ways cost, and how long they take to notice a fault.
func (b benchmark) table() string {
	var t strings.Builder
	const columns = "%-28s %10s %10s %9s   %-17s  %-17s"
	t.WriteString(line(columns, "", "wall time", "CPU", "memory", "frozen server",
		"blackholed ports"))
	group := ""
	for _, r := range b.rows {
		if r.group != group {
			group = r.group
			t.WriteString(group + "\n")
		}
		t.WriteString(line(columns, "  "+r.name, milliseconds(r.cost.wall),
			milliseconds(r.cost.cpu), megabytes(r.memory.Peak),
			r.said(r.notices[frozen]), r.said(r.notices[blackholed])))
	}
	t.WriteString(notes)
	return t.String()
}

const notes = `
Watching: settled watches at -i 1, 5 of each way; a probe starts no process. Wall time is what the status
says of each probe. CPU is all that the watch used from between two probes to between the next two, with
its status and log and the release of memory. Memory is the most it has had resident since its start
(VmHWM); resident in the targets is that between two probes (VmRSS), of 55 looks. The others are measured
from before their start to their end, in turns, in another order each time, 50 ms apart, as the probes of
the watches are: a machine that comes out of its idleness is slower. Their memory is the peak of their
largest process (ru_maxrss), from runs of their own. 1 MB is 1024 kB. The hand-written client is a process
that asks the same in as few writes, once a second beside the watches, with blocking system calls, without
deadlines, checks and report: what a watch takes beyond it is their price.

Frozen: SIGSTOP to smbd or Ganesha. Blackholed: TCP and UDP to the ports of smbd, NFS and the mount service
is dropped; the port mapper stays well. Each way met each fault once, and was killed after 30 s. A watch is
timed from the fault, which comes just after a probe, to its exit: about the longest it takes. The others
start when the fault is there.

Ours are set to notice soon: watches with -i 1 -c 1 -r 1, -check with -r 2. At the defaults a watch
(-i 30 -c 5 -r 60) takes up to 390 s, and -check 60 s. The others run as they come; with -t 2, smbclient
takes no less with a frozen server, and check_disk_smb ends after 2 s as UNKNOWN.
`

// said is the table's text for a way that met a fault: after how long it ended,
// and how.
func (w way) said(n notice) string {
	switch {
	case n == notice{}:
		return ""
	case n.took >= patience:
		return "> 30 s  no answer"
	case n.code == 0:
		return "        said OK"
	}
	return fmt.Sprintf("%4.1f s  %s", n.took.Seconds(), w.failure(n.code))
}

// failure is what an exit code above 0 says. Those of a Monitoring Plugin have
// names (Monitoring Plugins Development Guidelines, "Plugin Return Codes").
func (w way) failure(code int) string {
	switch {
	case code < 0:
		return "died"
	case w.plugin && code <= 3:
		return [...]string{"", "WARNING", "CRITICAL", "UNKNOWN"}[code]
	}
	return fmt.Sprintf("exit %d", code)
}

// promises is how long what was promised took, as text.
func (b benchmark) promises() string {
	var t strings.Builder
	fmt.Fprintf(&t, "%-48s %16s %16s\n", "", "clp_sambamon", "clp_nfsmon")
	fmt.Fprintf(&t, "%-48s %8s %7s %8s %7s   %s\n", "promises, in milliseconds",
		"median", "longest", "median", "longest", "promised")
	for _, k := range b.kept {
		fmt.Fprintf(&t, "%-48s", k.what)
		missed := ""
		for _, took := range k.took {
			longest := slices.Max(took)
			if longest > k.bound {
				missed = "  missed"
			}
			fmt.Fprintf(&t, " %8.0f %7.0f", inMS(median(took)), inMS(longest))
		}
		fmt.Fprintf(&t, "   <= %4.0f%s\n", inMS(k.bound), missed)
	}
	t.WriteString(promiseNotes)
	return t.String()
}

func inMS(d time.Duration) float64 { return d.Seconds() * 1000 }

const promiseNotes = `
5 runs of each, most of them side by side; 20 of a verdict to the exit where nothing hangs, 0.1 s apart. A
probe stalls at a server that is frozen, and is refused by one that was killed. A verdict is timed from the
start of the first failed probe, as the status says it, with -i 1 -c 1 -r 1, so c·i is 1 s and (c+1)·r is
2 s; of its time, a sink that hangs gets at most 500 ms. A request is timed from the signal or from the start
of the verb, with -i 60 -r 60. 200 ms stand for what is promised as milliseconds where nothing hangs;
whatever hangs, 2 s are promised. A stderr that hangs is a full pipe that nobody reads. Evidence is saved at
each verdict unless the line says otherwise.
`

// target is a goal and what was measured, or a figure without a goal.
type target struct{ what, measured, target, reached string }

// Targets for one probe, as parts of what the other tool takes, and for a
// settled watch. A megabyte is 1024 kB, and a kB 1024 bytes as /proc has it.
const (
	smbWall, smbCPU = 0.35, 0.10
	nfsWall         = 0.80
	// The floor asks the same in as few writes.
	floorWall3, floorWall41 = 1.3, 1.4

	residentTarget     = 5 << 10 // kB; FSM's promise for the command
	smbDirty, nfsDirty = 1792, 1741
	proportionalTarget = 2150
)

func (b benchmark) targets() []target {
	var all []target
	part := func(group, what, of string, ours, theirs, limit float64) {
		if ours == 0 || theirs == 0 { // not measured
			return
		}
		t := target{what: fmt.Sprintf("%s: %s, of %s's", group, what, of),
			measured: fmt.Sprintf("%.3fx", ours/theirs)}
		if limit > 0 {
			t.target, t.reached = fmt.Sprintf("<= %.2fx", limit), yes(ours/theirs <= limit)
		}
		all = append(all, t)
	}
	rpcinfo := b.row(nfs3, "rpcinfo -t").cost
	floorWall := map[string]float64{nfs3: floorWall3, nfs41: floorWall41}
	for _, r := range b.rows {
		switch {
		case r.watch == nil:
		case r.smb:
			smbclient := b.row(r.group, "smbclient -c exit").cost
			part(r.group, "wall time", "smbclient", r.cost.wall, smbclient.wall, smbWall)
			part(r.group, "CPU", "smbclient", r.cost.cpu, smbclient.cpu, smbCPU)
		default: // rpcinfo makes a single NULL call
			part(r.group, "wall time", "rpcinfo", r.cost.wall, rpcinfo.wall, nfsWall)
			floor := b.row(r.group, floorName).cost
			part(r.group, "wall time", "the hand-written client", r.cost.wall, floor.wall,
				floorWall[r.group])
			part(r.group, "CPU", "the hand-written client", r.cost.cpu, floor.cpu, 0)
		}
	}
	for _, k := range b.kept {
		for n, name := range []string{"clp_sambamon", "clp_nfsmon"} {
			if k.goal == 0 {
				continue
			}
			middle := median(k.took[n])
			all = append(all, target{fmt.Sprintf("%s: %s", name, k.what),
				fmt.Sprintf("%.0f ms", inMS(middle)), fmt.Sprintf("<= %.0f ms", inMS(k.goal)),
				yes(middle <= k.goal)})
		}
	}
	size := func(what string, n, limit int) {
		all = append(all, target{what, megabytes(n), "<= " + megabytes(limit), yes(n <= limit)})
	}
	for _, r := range b.rows {
		m := r.memory
		if r.watch == nil || m.Resident == 0 {
			continue
		}
		size(fmt.Sprintf("%s: resident, %s of it program file", r.group, megabytes(m.File)),
			m.Resident, residentTarget)
		dirty := nfsDirty
		if r.smb {
			dirty = smbDirty
		}
		size(r.group+": private dirty", m.Dirty, dirty)
		size(fmt.Sprintf("%s: proportional, one of %d watches", r.group, 2*sideBySide),
			m.Proportional, proportionalTarget)
	}
	return all
}

// row is the row of this group and name.
func (b benchmark) row(group, name string) row {
	for _, r := range b.rows {
		if r.group == group && r.name == name {
			return r
		}
	}
	return row{}
}

func milliseconds(s float64) string {
	if s == 0 { // not measured
		return ""
	}
	return fmt.Sprintf("%.2f ms", s*1000)
}

func megabytes(kB int) string {
	if kB == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f MB", float64(kB)/1024)
}

func yes(reached bool) string {
	if reached {
		return "yes"
	}
	return "no"
}
