package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// report is one block of figures.
type report struct {
	title string
	rows  []row
}

type row struct{ name, value string }

func (r *report) add(name, format string, args ...any) {
	r.rows = append(r.rows, row{name, fmt.Sprintf(format, args...)})
}

// addResult adds the figures that every fleet has.
func (r *report) addResult(res result) {
	r.add("answers, all status 200", "%d", res.requests)
	r.add("tokens", "%d in %s, %.0f tokens/s", res.tokens, short(res.took), float64(res.tokens)/res.took.Seconds())
	r.add("events with text per token", "%.2f", float64(len(res.first)+len(res.gaps))/float64(res.tokens))
	r.add("time to first token p50, p99", "%s, %s", short(percentile(res.first, 0.5)), short(percentile(res.first, 0.99)))
	r.add("gap between texts p50, p99", "%s, %s", short(percentile(res.gaps, 0.5)), short(percentile(res.gaps, 0.99)))
}

// perToken is CPU time per token.
func perToken(cpu time.Duration, tokens int) string {
	return fmt.Sprintf("%.1f µs", float64(cpu.Nanoseconds())/1e3/float64(tokens))
}

// short rounds to three or four digits.
func short(d time.Duration) time.Duration {
	for unit := time.Duration(1); ; unit *= 10 {
		if d < 10000*unit {
			return d.Round(unit)
		}
	}
}

// machine says what the figures were measured on, and what else it was doing.
func machine() string {
	name := "unknown processor"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, after, ok := strings.Cut(string(info), "model name"); ok {
			line, _, _ := strings.Cut(after, "\n")
			name = strings.TrimSpace(strings.TrimLeft(line, "\t :"))
		}
	}
	load := "unknown"
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		load = strings.Join(strings.Fields(string(text))[:min(3, len(strings.Fields(string(text))))], " ")
	}
	return fmt.Sprintf("%s, %d cores (%s), %s/%s, %s, load average before %s",
		time.Now().UTC().Format("2006-01-02 15:04 UTC"), runtime.NumCPU(), name, runtime.GOOS, runtime.GOARCH, runtime.Version(), load)
}
