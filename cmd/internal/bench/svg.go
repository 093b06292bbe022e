package main

import (
	"encoding/xml"
	"fmt"
	"math"
	"strings"
	"time"
)

// The chart's layout, in pixels. Nothing is measured from text: the widths hold
// the longest name and label in any usual sans-serif.
const (
	chartWidth = 900
	nameAt     = 24  // where a way's name begins; a group's begins at margin
	margin     = 12  // on all sides
	wallAt     = 208 // left panel: where its bars begin
	wallWidth  = 250 // of its longest bar; what is left up to the other panel is for its label
	noticeAt   = 548
	noticeFull = 250 // where patience ends
	arrow      = 14  // beyond that
	titleAt    = 26  // baseline of the titles
	firstRow   = 44
	rowHeight  = 22
	barHeight  = 12
	groupGap   = 8
)

// Ours is told from the others without colour vision too: it is the darker of the
// two on white, and the brighter on black. A label hides the grid behind it.
const chartStyle = `
text{font:12px sans-serif;fill:#1f2328}
.title,.group{font-weight:bold}
.small{font-size:11px;fill:#59636e}
.back{fill:#ffffff}
.grid{stroke:#d1d9e0;stroke-width:1}
.ours{fill:#0a58ca}
.theirs{fill:#8b949e}
.label{stroke:#ffffff;stroke-width:3px;paint-order:stroke}
@media (prefers-color-scheme:dark){
text{fill:#f0f6fc}
.small{fill:#9198a1}
.back{fill:#0d1117}
.grid{stroke:#3d444d}
.ours{fill:#58a6ff}
.theirs{fill:#6e7681}
.label{stroke:#0d1117}
}
`

// svg draws what one probe costs, and how long it takes to notice a frozen server,
// in the ways that were asked both. The same figures give the same bytes.
func (b benchmark) svg() string {
	var rows []row
	longest := 0.0
	for _, r := range b.rows {
		if r.faults {
			rows = append(rows, r)
			longest = max(longest, r.cost.wall)
		}
	}
	step := tickStep(longest)
	wallX := func(s float64) float64 { return wallAt + wallWidth*s/max(longest, step) }

	var rowsOf drawing
	y := firstRow
	group := ""
	for _, r := range rows {
		if r.group != group {
			if group != "" {
				y += groupGap
			}
			group = r.group
			rowsOf.text("group", margin, y+16, group)
			y += rowHeight
		}
		class := "theirs"
		if r.ours {
			class = "ours"
		}
		baseline := y + 15
		rowsOf.text("", nameAt, baseline, r.name)
		end := wallX(r.cost.wall)
		rowsOf.bar(class, wallAt, y+5, end)
		rowsOf.text("label", end+5, baseline, fmt.Sprintf("%.1f ms", r.cost.wall*1000))
		rowsOf.notice(class, y, baseline, r.notices[frozen])
		y += rowHeight
	}

	var d drawing
	bottom := y + 2
	for i := 0; float64(i)*step <= max(longest, step); i++ {
		d.tick(wallX(float64(i)*step), bottom, fmt.Sprintf("%g", math.Round(float64(i)*step*1e6)/1e3))
	}
	for _, s := range []int{1, 2, 5, 10, 30} {
		d.tick(noticeX(time.Duration(s)*time.Second), bottom, fmt.Sprint(s))
	}
	d.text("title", wallAt, titleAt, "One probe of a healthy server, ms")
	d.text("title", noticeAt, titleAt, "Until a frozen server is noticed, s (log scale)")
	d.WriteString(rowsOf.String())
	key := bottom + 38
	d.bar("ours", margin, key-10, margin+barHeight)
	d.text("small", margin+18, key, "fsmon")
	d.bar("theirs", margin+66, key-10, margin+66+barHeight)
	d.text("small", margin+84, key, "tools of today")
	d.text("small", wallAt, key, fmt.Sprintf("%s. Medians of %d probes; a watch starts no process for one.", b.machine, rounds))
	d.text("small", wallAt, key+16, "Frozen with SIGSTOP; a watch (-i 1 -c 1 -r 1) is timed from there to its exit.")
	height := key + 16 + margin

	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" role="img">
<title>What one probe costs, and how long a frozen server goes unnoticed</title>
<style>%[3]s</style>
<rect class="back" width="%[1]d" height="%[2]d" rx="6"/>
%[4]s</svg>
`, chartWidth, height, chartStyle, d.String())
}

// tickStep is the distance of a linear scale's ticks, of which there are four at most besides zero.
func tickStep(longest float64) float64 {
	if longest <= 0 {
		return 1
	}
	for step := math.Pow(10, math.Floor(math.Log10(longest))-1); ; step *= 10 {
		for _, n := range []float64{1, 2, 5} {
			if longest/(n*step) < 5 {
				return n * step
			}
		}
	}
}

// noticeX is where a time is on the logarithmic scale, which begins at 1 s.
func noticeX(d time.Duration) float64 {
	return noticeAt + noticeFull*max(0, math.Log(d.Seconds()))/math.Log(patience.Seconds())
}

// drawing is what is inside an SVG.
type drawing struct{ strings.Builder }

func (d *drawing) text(class string, x float64, y int, s string) {
	if class != "" {
		class = ` class="` + class + `"`
	}
	fmt.Fprintf(d, `<text%s x="%.1f" y="%d">`, class, x, y)
	xml.EscapeText(d, []byte(s)) // a Builder does not fail
	d.WriteString("</text>\n")
}

// bar draws a bar from one x to another, which is to be seen however short it is.
func (d *drawing) bar(class string, from float64, y int, to float64) {
	fmt.Fprintf(d, `<rect class="%s" x="%.1f" y="%d" width="%.1f" height="%d"/>`+"\n", class, from, y, max(1, to-from), barHeight)
}

// tick draws a line of the grid with its number below.
func (d *drawing) tick(x float64, bottom int, number string) {
	fmt.Fprintf(d, `<path class="grid" d="M%.1f %dV%d"/>`+"\n", x, firstRow-8, bottom)
	fmt.Fprintf(d, `<text class="small" text-anchor="middle" x="%.1f" y="%d">%s</text>`+"\n", x, bottom+13, number)
}

// notice draws how a way met the frozen server.
func (d *drawing) notice(class string, y, baseline int, n notice) {
	switch {
	case n == notice{}:
		d.text("small", noticeAt+5, baseline, "not measured")
	case n.took >= patience:
		const end = noticeAt + noticeFull
		d.bar(class, noticeAt, y+5, end+1) // no seam between bar and head
		fmt.Fprintf(d, `<path class="%s" d="M%d %dl%d %dl-%[4]d %[5]dz"/>`+"\n", class, end, y+5-3, arrow, barHeight/2+3)
		d.text("label", end+arrow+5, baseline, "> 30 s")
	case n.code == 0:
		d.text("label", noticeAt+5, baseline, "never: said OK")
	default:
		end := noticeX(n.took)
		d.bar(class, noticeAt, y+5, end)
		d.text("label", end+5, baseline, fmt.Sprintf("%.1f s", n.took.Seconds()))
	}
}
