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
	chartWidth  = 920
	nameAt      = 24 // where a way's name begins; a group's begins at margin
	margin      = 12 // on all sides
	costAt      = 192
	costPitch   = 140 // from one panel of costs to the next; what is left beside its longest bar is for its label
	noticeAt    = costAt + 3*costPitch
	noticePitch = 152
	full        = 96 // width of the longest bar, and of a notice's when patience ends
	arrow       = 14 // beyond that
	titleAt     = 26 // baseline of the titles
	firstRow    = 44
	rowHeight   = 22
	barHeight   = 12
	groupGap    = 8
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

// panel is one column of costs.
type panel struct {
	title string
	of    func(row) float64
	at    float64 // where its bars begin

	step, most float64 // of its scale
}

func (p panel) x(v float64) float64 { return p.at + full*v/p.most }

// svg draws what one probe costs, and how long it takes to notice the faults, in
// the ways that were asked both. The same figures give the same bytes.
func (b benchmark) svg() string {
	var rows []row
	for _, r := range b.rows {
		if r.faults {
			rows = append(rows, r)
		}
	}
	panels := []panel{
		{title: "Wall time, ms", of: func(r row) float64 { return r.cost.wall * 1000 }},
		{title: "CPU, ms", of: func(r row) float64 { return r.cost.cpu * 1000 }},
		{title: "Peak memory, MB", of: func(r row) float64 { return float64(r.memory.peak) / 1024 }},
	}
	for i := range panels {
		p := &panels[i]
		p.at = float64(costAt + i*costPitch)
		for _, r := range rows {
			p.most = max(p.most, p.of(r))
		}
		p.step = tickStep(p.most)
		p.most = max(p.most, p.step)
	}

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
		for _, p := range panels {
			end := p.x(p.of(r))
			rowsOf.bar(class, p.at, y+5, end)
			rowsOf.text("label", end+5, baseline, fmt.Sprintf("%.1f", p.of(r)))
		}
		for fault, n := range r.notices {
			rowsOf.notice(class, noticesAt(fault), y, n)
		}
		y += rowHeight
	}

	var d drawing
	bottom := y + 2
	for _, p := range panels {
		d.text("title", p.at, titleAt, p.title)
		for i := 0; float64(i)*p.step <= p.most; i++ {
			d.tick(p.x(float64(i)*p.step), bottom, fmt.Sprintf("%g", math.Round(float64(i)*p.step*1e6)/1e6))
		}
	}
	for fault, title := range [...]string{frozen: "Frozen server, s", blackholed: "Blackholed ports, s"} {
		d.text("title", noticesAt(fault), titleAt, title)
		for _, s := range []int{1, 2, 5, 10, 30} {
			d.tick(noticesAt(fault)+noticeX(time.Duration(s)*time.Second), bottom, fmt.Sprint(s))
		}
	}
	d.WriteString(rowsOf.String())
	key := bottom + 38
	d.bar("ours", margin, key-10, margin+barHeight)
	d.text("small", margin+18, key, "fsmon")
	d.bar("theirs", margin+66, key-10, margin+66+barHeight)
	d.text("small", margin+84, key, "tools of today")
	for _, s := range []string{
		fmt.Sprintf("%s. One probe of a healthy server, medians of %d; a watch starts no process for one.", b.machine, rounds),
		"Time until a fault is noticed, on a logarithmic scale: a watch's from the fault to its exit, the others' from their start.",
		"Ours are set to notice soon (-i 1 -c 1 -r 1, and -check -r 2); at the defaults it is up to 390 s, and 60 s for -check.",
	} {
		d.text("small", costAt, key, s)
		key += 16
	}
	height := key - 16 + margin

	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" role="img">
<title>What one probe costs, and how long a frozen server and blackholed ports go unnoticed</title>
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

// noticesAt is where the panel of a fault begins.
func noticesAt(fault int) float64 { return float64(noticeAt + fault*noticePitch) }

// noticeX is where in it a time is, on a logarithmic scale that begins at 1 s.
func noticeX(d time.Duration) float64 {
	return full * max(0, math.Log(d.Seconds())) / math.Log(patience.Seconds())
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

// notice draws, from x on, how a way met a fault.
func (d *drawing) notice(class string, x float64, y int, n notice) {
	baseline := y + 15
	switch {
	case n == notice{}:
		d.text("small", x+5, baseline, "not measured")
	case n.took >= patience:
		end := x + full
		d.bar(class, x, y+5, end+1) // no seam between bar and head
		fmt.Fprintf(d, `<path class="%s" d="M%.1f %dl%d %dl-%[4]d %[5]dz"/>`+"\n", class, end, y+5-3, arrow, barHeight/2+3)
		d.text("label", end+arrow+5, baseline, "> 30")
	case n.code == 0:
		d.text("label", x+5, baseline, "never: said OK")
	default:
		end := x + noticeX(n.took)
		d.bar(class, x, y+5, end)
		d.text("label", end+5, baseline, fmt.Sprintf("%.1f", n.took.Seconds()))
	}
}
