package harness

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Report is one block of figures.
type Report struct {
	Title string
	Rows  []Row
}

// Row is one figure.
type Row struct{ Name, Value string }

// Add adds a figure.
func (r *Report) Add(name, format string, args ...any) {
	r.Rows = append(r.Rows, Row{name, fmt.Sprintf(format, args...)})
}

// AddResult adds the figures that every fleet has.
func (r *Report) AddResult(res Result) {
	r.Add("answers, all status 200", "%d", res.Requests)
	r.Add("tokens", "%d in %s, %.0f tokens/s", res.Tokens, Short(res.Took), float64(res.Tokens)/res.Took.Seconds())
	r.Add("events with text per token", "%.2f", float64(len(res.First)+len(res.Gaps))/float64(res.Tokens))
	r.Add("time to first token p50, p99", "%s, %s", Short(Percentile(res.First, 0.5)), Short(Percentile(res.First, 0.99)))
	r.Add("gap between texts p50, p99", "%s, %s", Short(Percentile(res.Gaps, 0.5)), Short(Percentile(res.Gaps, 0.99)))
}

// Write writes the block as text.
func (r *Report) Write(w io.Writer) {
	fmt.Fprintf(w, "\n%s\n", r.Title)
	for _, row := range r.Rows {
		fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("  %-36s %s", row.Name, row.Value), " "))
	}
}

// PerToken is CPU time per token.
func PerToken(cpu time.Duration, tokens int) string {
	return fmt.Sprintf("%.1f µs", float64(cpu.Nanoseconds())/1e3/float64(tokens))
}

// Short rounds to three or four digits.
func Short(d time.Duration) time.Duration {
	for unit := time.Duration(1); ; unit *= 10 {
		if d < 10000*unit {
			return d.Round(unit)
		}
	}
}

// Machine says what the figures were measured on, and what else it was doing.
func Machine() string {
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

// Output is stdout, and also a new file if it has a name. The caller closes it.
func Output(file string) (io.WriteCloser, error) {
	if file == "" {
		return output{Writer: os.Stdout}, nil
	}
	f, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	return output{io.MultiWriter(os.Stdout, f), f}, nil
}

type output struct {
	io.Writer
	file *os.File // or nil
}

func (o output) Close() error {
	if o.file == nil {
		return nil
	}
	return o.file.Close()
}

// Numbers reads a list like "1,2,4" of numbers that are not negative.
func Numbers(list string) ([]int, error) {
	var all []int
	for word := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("%q is not a list of numbers", list)
		}
		all = append(all, n)
	}
	return all, nil
}
