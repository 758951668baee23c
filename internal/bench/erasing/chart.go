package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

const (
	barsFrom, barsWide = 330, 420
	barHigh, barStep   = 16, 24
	titleHigh          = 34
)

// bar is one line of a chart.
type bar struct {
	label string
	value float64
	note  string
	ours  bool
}

// chart draws clients erased a second and the p99 of the bookings as one SVG,
// legible on light and dark pages.
func (r *report) chart() string {
	var pace, live []bar
	for _, x := range r.Medians {
		b := bar{label: x.Name + ", " + x.ClientSet, ours: strings.HasPrefix(x.Name, "oubli")}
		if x.Beside == nil {
			b.value, b.note = x.PerSecond, fmt.Sprintf("%.0f", x.PerSecond)
			if x.Ratio > 0 {
				b.note += fmt.Sprintf(" · %.2f×", x.Ratio)
			}
			pace = append(pace, b)
			continue
		}
		if len(live) == 0 {
			live = append(live, bar{label: "bookings alone", value: x.Beside.IdleMS.P99, note: fmt.Sprintf("%.1f ms", x.Beside.IdleMS.P99)})
		}
		b.label = strings.TrimSuffix(x.Name, besideBookings)
		b.value, b.note = x.Beside.DuringMS.P99, fmt.Sprintf("%.1f ms", x.Beside.DuringMS.P99)
		live = append(live, b)
	}
	high := titleHigh + barStep*len(pace)
	total := high
	if len(live) > 0 {
		total += titleHigh + barStep*len(live)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 %d"`+
		` font-family="system-ui, sans-serif" font-size="12">`+"\n", total+10)
	b.WriteString(`<rect width="100%" height="100%" fill="#ffffff"/>` + "\n")
	bars(&b, 0, fmt.Sprintf("Clients erased a second, %d of %d", r.Erased, r.Clients), pace, func(v float64) float64 { return v })
	if len(live) > 0 {
		// Values go from ten milliseconds to half a minute.
		bars(&b, high, "p99 of a booking meanwhile (logarithmic)", live, func(v float64) float64 { return math.Log10(1 + v) })
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func bars(b *strings.Builder, top int, title string, all []bar, scale func(float64) float64) {
	most := 0.0
	for _, x := range all {
		most = max(most, scale(x.value))
	}
	fmt.Fprintf(b, `<text x="10" y="%d" font-weight="600" fill="#1f2933">%s</text>`+"\n", top+22, html.EscapeString(title))
	for i, x := range all {
		y, wide, color := top+titleHigh+barStep*i, 0.0, "#9aa5b1"
		if most > 0 {
			wide = barsWide * scale(x.value) / most
		}
		if x.ours {
			color = "#2f6f9f"
		}
		fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end" fill="#323f4b">%s</text>`, barsFrom-8, y+12, html.EscapeString(x.label))
		fmt.Fprintf(b, `<rect x="%d" y="%d" width="%.1f" height="%d" rx="2" fill="%s"/>`, barsFrom, y, max(wide, 1), barHigh, color)
		fmt.Fprintf(b, `<text x="%.1f" y="%d" fill="#323f4b">%s</text>`+"\n", barsFrom+max(wide, 1)+6, y+12, html.EscapeString(x.note))
	}
}
