package main

import (
	"bytes"
	"cmp"
	"fmt"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// chart draws, as an SVG, what one probe costs, and how long it takes to notice
// the faults, in the ways that were asked both.
func (b benchmark) chart() ([]byte, error) {
	var rows []row // one without faults is the heading of a group
	for n, r := range b.rows {
		if r.faults && (n == 0 || b.rows[n-1].group != r.group) {
			rows = append(rows, row{way: way{name: r.group + ":"}})
		}
		if r.faults {
			rows = append(rows, r)
		}
	}
	slices.Reverse(rows) // the first is the lowest
	var names []string
	for _, r := range rows {
		names = append(names, r.name)
	}
	plot.DefaultFont.Variant = "Sans"
	plots := [][]*plot.Plot{{
		panel("Wall time, ms",
			bars{rows, func(r row) (float64, string) { return r.cost.wall * 1000, "" }}),
		panel("CPU, ms",
			bars{rows, func(r row) (float64, string) { return r.cost.cpu * 1000, "" }}),
		panel("Peak memory, MB",
			bars{rows, func(r row) (float64, string) { return float64(r.memory.Peak) / 1024, "" }}),
		panel("Frozen server, s",
			bars{rows, func(r row) (float64, string) { return r.notices[frozen].bar() }}),
		panel("Blackholed ports, s",
			bars{rows, func(r row) (float64, string) { return r.notices[blackholed].bar() }}),
	}}
	first := plots[0][0]
	first.NominalY(names...)
	first.Y.Padding, first.Y.Width = 20, 0 // a font in place of ours may be wider
	for _, p := range plots[0][3:] {
		p.X.Scale, p.X.Max = logarithmic{}, patience.Seconds()
		p.X.Tick.Marker = plot.ConstantTicks{
			{Value: 1, Label: "1"}, {Value: 3, Label: "3"}, {Value: 10, Label: "10"},
			{Value: 30, Label: "30"}}
	}
	canvas := vgsvg.New(800, 390)
	all := draw.New(canvas)
	all.SetColor(color.White)
	all.Fill(all.Rectangle.Path())
	place := draw.Tiles{Rows: 1, Cols: len(plots[0]), PadX: 28, PadTop: 8, PadBottom: 60,
		PadLeft: 8, PadRight: 36}
	for n, c := range plot.Align(plots, place, all)[0] {
		plots[0][n].Draw(c)
	}
	notes := first.X.Tick.Label
	notes.XAlign, notes.YAlign = draw.XLeft, draw.YTop
	all.FillText(notes, vg.Point{X: 10, Y: 48},
		fmt.Sprintf("Blue: fsmon; grey: tools of today. %s. "+
			"One probe of a healthy server, medians of %d; a watch starts no process for one.\n"+
			"Time until a fault is noticed, on a logarithmic scale: a watch's from the fault to its exit, the others' from their start.\n"+
			"Ours are set to notice soon (-i 1 -c 1 -r 1, and -check -r 2); at the defaults it is up to 390 s, and 60 s for -check.",
			b.machine, rounds))
	var svg bytes.Buffer
	_, err := canvas.WriteTo(&svg)
	// The others have the widths of Liberation Sans, and more machines have
	// them.
	return bytes.ReplaceAll(svg.Bytes(), []byte("Liberation Sans"),
		[]byte("Liberation Sans,Arial,Helvetica,sans-serif")), err
}

// logarithmic is a scale that begins at 1 s; shorter times, as 0, are there
// too.
type logarithmic struct{}

func (logarithmic) Normalize(_, most, x float64) float64 {
	return math.Log(max(1, x)) / math.Log(most)
}

func panel(title string, b bars) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.Title.TextStyle.Font.Size, p.Title.Padding = title, 10, 8
	p.X.Tick.Label.Font.Size, p.Y.Tick.Label.Font.Size = 9, 9
	p.HideY()
	p.Add(b)
	return p
}

// bars plots one bar for each way, with its length as text beside it.
type bars struct {
	rows []row
	of   func(row) (length float64, text string) // "": the length
}

func (b bars) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	style := p.X.Tick.Label
	style.XAlign, style.YAlign = draw.XLeft, draw.YCenter
	for n, r := range b.rows {
		if length, text := b.of(r); r.faults {
			colour := color.RGBA{139, 148, 158, 255}
			if r.ours {
				colour = color.RGBA{10, 88, 202, 255}
			}
			low, high, from, to := y(float64(n))-4, y(float64(n))+4, x(0), x(length)
			c.FillPolygon(colour,
				[]vg.Point{{X: from, Y: low}, {X: to, Y: low}, {X: to, Y: high},
					{X: from, Y: high}})
			c.FillText(style, vg.Point{X: to + 3, Y: y(float64(n)) + 1},
				cmp.Or(text, fmt.Sprintf("%.1f", length)))
		}
	}
}

func (b bars) DataRange() (xmin, xmax, ymin, ymax float64) {
	for _, r := range b.rows {
		length, _ := b.of(r)
		xmax = max(xmax, length)
	}
	return 0, max(xmax, 1), -0.5, float64(len(b.rows)) - 0.5
}
