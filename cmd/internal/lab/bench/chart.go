package main

import (
	"bytes"
	"cmp"
	"fmt"
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// chart draws, as an SVG, what one probe costs, and how long it takes to notice
// the faults, in the ways that were asked both.
func (b benchmark) chart() ([]byte, error) {
	var rows []row // from the last one to the first: the lowest comes first
	var names []string
	for n := len(b.rows) - 1; n >= 0; n-- {
		if r := b.rows[n]; r.faults {
			rows, names = append(rows, r), append(names, r.name)
			if n == 0 || b.rows[n-1].group != r.group {
				rows, names = append(rows, row{}), append(names, r.group+":")
			}
		}
	}
	plot.DefaultFont.Variant, plotter.DefaultFont.Variant, plotter.DefaultFontSize = "Sans", "Sans", 9
	plots := [][]*plot.Plot{{
		panel("Wall time, ms", rows, func(r row) (float64, string) {
			return r.cost.wall * 1000,
				""
		}),
		panel("CPU, ms", rows, func(r row) (float64, string) { return r.cost.cpu * 1000, "" }),
		panel("Peak memory, MB", rows, func(r row) (float64,
			string) {
			return float64(r.memory.Peak) / 1024, ""
		}),
		panel("Frozen server, s", rows, func(r row) (float64,
			string) {
			return r.notices[frozen].bar()
		}),
		panel("Blackholed ports, s", rows,
			func(r row) (float64, string) { return r.notices[blackholed].bar() }),
	}}
	first := plots[0][0]
	first.NominalY(names...)
	first.Y.Padding, first.Y.Width = 20, 0
	for _, p := range plots[0][3:] {
		p.X.Scale, p.X.Max = logarithmic{}, patience.Seconds()
		p.X.Tick.Marker = plot.ConstantTicks{{Value: 1, Label: "1"}, {Value: 3, Label: "3"},
			{Value: 10, Label: "10"}, {Value: 30, Label: "30"}}
	}
	canvas := vgsvg.New(800, 390)
	all := draw.New(canvas)
	all.SetColor(color.White)
	all.Fill(all.Rectangle.Path())
	tiles := draw.Tiles{Rows: 1, Cols: 5, PadX: 28, PadTop: 8, PadBottom: 60, PadLeft: 8,
		PadRight: 36}
	for n, c := range plot.Align(plots, tiles, all)[0] {
		plots[0][n].Draw(c)
	}
	notes := first.X.Tick.Label
	notes.XAlign, notes.YAlign = draw.XLeft, draw.YTop
	all.FillText(notes, vg.Point{X: 10, Y: 48}, fmt.Sprintf(chartNotes, b.machine, rounds))
	var svg bytes.Buffer
	_, err := canvas.WriteTo(&svg)
	return bytes.ReplaceAll(svg.Bytes(), []byte("Liberation Sans"),
		[]byte("Liberation Sans,Arial,Helvetica,sans-serif")), err // of the same width
}

const chartNotes = `Blue: fsmon; grey: tools of today. %s. One probe of a healthy server, medians of %d; a watch starts no process for one.
Time until a fault is noticed, on a logarithmic scale: a watch's from the fault to its exit, the others' from their start.
Ours are set to notice soon (-i 1 -c 1 -r 1, and -check -r 2); at the defaults it is up to 390 s, and 60 s for -check.`

// logarithmic is a scale that begins at 1 s.
type logarithmic struct{}

func (logarithmic) Normalize(_, most, x float64) float64 {
	return math.Log(max(1, x)) / math.Log(most)
}

// panel has a bar for each row, with its length or another text beside it.
func panel(title string, rows []row, of func(row) (length float64, text string)) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.Title.TextStyle.Font.Size, p.Title.Padding = title, 10, 8
	p.X.Tick.Label.Font.Size, p.Y.Tick.Label.Font.Size = 9, 9
	p.HideY()
	for n, colour := range []color.Color{color.RGBA{10, 88, 202, 255},
		color.RGBA{139, 148, 158, 255}} {
		ours := n == 0
		lengths, texts := make(plotter.Values, len(rows)), plotter.XYLabels{}
		for n, r := range rows {
			if r.faults && r.ours == ours {
				length, text := of(r)
				lengths[n] = length
				texts.XYs = append(texts.XYs, plotter.XY{X: length, Y: float64(n)})
				texts.Labels = append(texts.Labels, cmp.Or(text, fmt.Sprintf("%.1f", length)))
			}
		}
		bars, _ := plotter.NewBarChart(lengths, 8) // an error: it has no rows
		labels, _ := plotter.NewLabels(texts)
		bars.Horizontal, bars.Color, bars.LineStyle.Width = true, colour, 0
		labels.Offset = vg.Point{X: 3, Y: -3}
		p.Add(bars, labels)
	}
	return p
}
