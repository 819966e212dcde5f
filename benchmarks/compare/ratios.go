package main

import (
	"fmt"
	"io"
	"slices"
)

// required are the ratios that must hold, Troupe to another.
//
//nolint:gochecknoglobals // never written to
var required = []struct {
	to, measurement string
	least           float64
}{
	{llamaName, alone, 1.2},
	{llamaName, together, 1.2},
	{llamaName, prefill, 1.2},
	{mlxPlain, together, 50},
}

// conclude prints the medians and the ratios, and returns how many that must hold do not.
func conclude(w io.Writer, all []*running) (missed int) {
	fmt.Fprintln(w, "  medians, and Troupe's ratio")
	ours := all[0].figures
	for _, m := range measurements {
		for _, r := range all {
			fmt.Fprintf(w, "  %-40s %-20s %8.4g tokens/s", m, r.name, median(r.figures[m]))
			if r != all[0] {
				ratio := median(ours[m]) / median(r.figures[m])
				note, ok := verdict(r.name, m, ratio)
				fmt.Fprintf(w, "  %6.2f x%s", ratio, note)
				if !ok {
					missed++
				}
			}
			fmt.Fprintln(w)
		}
	}
	return missed
}

// verdict says whether a ratio is one that must hold, and does.
func verdict(to, measurement string, ratio float64) (note string, ok bool) {
	for _, r := range required {
		if r.to != to || r.measurement != measurement {
			continue
		}
		if ratio < r.least {
			return fmt.Sprintf("  MISSED: %g x must hold", r.least), false
		}
		return fmt.Sprintf("  (%g x must hold)", r.least), true
	}
	return "", true
}

// median of an odd number of values is the middle one; of an even number, the lower of the two.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[(len(sorted)-1)/2]
}
