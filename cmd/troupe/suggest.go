package main

import (
	"fmt"

	"github.com/agext/levenshtein"
)

// nearest returns the name that was most likely meant by a misspelt one, which may be spelt right; "" if none is near.
func nearest(name string, names []string) string {
	best, least := "", max(len(name)/3, 1)
	for _, n := range names {
		if d := levenshtein.Distance(name, n, nil); d < least || d == least && best == "" {
			best, least = n, d
		}
	}
	return best
}

// suggestion is a question to put behind an error about an unknown name; "" if no name is near.
func suggestion(name string, names []string) string {
	if near := nearest(name, names); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}
