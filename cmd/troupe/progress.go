package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// loadProgress returns what shows how much of a model has been loaded: a bar if w is a terminal, else a line now and then.
func loadProgress(w io.Writer, model string) func(done, total int64) {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return progressBar(w, model)
	}
	return progressLines(w, model, time.Now)
}

func progressBar(w io.Writer, model string) func(done, total int64) {
	var bar *progressbar.ProgressBar
	return func(done, total int64) {
		if bar == nil {
			bar = progressbar.NewOptions64(total,
				progressbar.OptionSetWriter(w),
				progressbar.OptionSetDescription("loading "+model),
				progressbar.OptionShowBytes(true),
				progressbar.OptionThrottle(100*time.Millisecond),
				progressbar.OptionClearOnFinish(),
			)
		}
		// The bar only fails to write, and then nobody is looking.
		_ = bar.Set64(done)
	}
}

// progressLines writes at most one line in two seconds. A model that loads faster than that writes none.
func progressLines(w io.Writer, model string, now func() time.Time) func(done, total int64) {
	const interval = 2 * time.Second
	last := now()
	return func(done, total int64) {
		if t := now(); t.Sub(last) >= interval && total > 0 {
			last = t
			fmt.Fprintf(w, "loading %s: %s of %s (%d %%)\n", model, humanize.IBytes(uint64(done)), humanize.IBytes(uint64(total)), 100*done/total)
		}
	}
}
