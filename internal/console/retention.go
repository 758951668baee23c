package console

import (
	"net/http"
	"slices"
)

// bar is one year of what is kept.
type bar struct {
	Year  int
	Rows  int64
	Width int // of 100
}

// retention shows what the law keeps, by year.
func (c *console) retention(w http.ResponseWriter, r *http.Request, v *visit) error {
	kept, err := c.Kept.Retention(r.Context(), v.Tenant)
	if err != nil {
		return err
	}
	years := map[int]int64{}
	for _, k := range kept.Kept {
		for _, y := range k.Years {
			years[y.Year] += y.Rows
		}
	}
	var bars []bar
	most := int64(1)
	for year, rows := range years {
		bars, most = append(bars, bar{Year: year, Rows: rows}), max(most, rows)
	}
	slices.SortFunc(bars, func(a, b bar) int { return a.Year - b.Year })
	for i := range bars {
		bars[i].Width = int(max(1, 100*bars[i].Rows/most))
	}
	c.render(w, r, v, http.StatusOK, "retention", map[string]any{"Kept": kept, "Bars": bars})
	return nil
}
