package jinja

import (
	"fmt"
	"strings"
	"time"
)

// strftime formats like C's strftime in the C locale; directives that are not
// known stay as they are.
func strftime(t time.Time, format string) string {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		flag := byte(0)
		if strings.IndexByte("-_0^#", format[i]) >= 0 && i+1 < len(format) {
			flag = format[i]
			i++
		}
		text, ok := directive(t, format[i])
		if !ok {
			text = format[strings.LastIndexByte(format[:i], '%') : i+1]
		}
		switch flag {
		case '-':
			if len(text) > 1 {
				text = strings.TrimLeft(text[:len(text)-1], "0 ") + text[len(text)-1:]
			}
		case '_':
			if n := len(text) - len(strings.TrimLeft(text[:max(0, len(text)-1)], "0")+text[max(0, len(text)-1):]); n > 0 {
				text = strings.Repeat(" ", n) + text[n:]
			}
		case '^':
			text = strings.ToUpper(text)
		}
		b.WriteString(text)
	}
	return b.String()
}

func directive(t time.Time, c byte) (string, bool) {
	week := func(first time.Weekday) string { // weeks since the first such day
		return fmt.Sprintf("%02d", (t.YearDay()+6-(int(t.Weekday())-int(first)+7)%7)/7)
	}
	switch c {
	case 'c':
		return t.Format("Mon Jan _2 15:04:05 2006"), true
	case 'C':
		return fmt.Sprintf("%02d", t.Year()/100), true
	case 'e':
		return fmt.Sprintf("%2d", t.Day()), true
	case 'f':
		return fmt.Sprintf("%06d", t.Nanosecond()/1000), true
	case 'g', 'G', 'V':
		year, w := t.ISOWeek()
		return map[byte]string{'g': fmt.Sprintf("%02d", year%100), 'G': fmt.Sprintf("%04d", year), 'V': fmt.Sprintf("%02d", w)}[c], true
	case 'k':
		return fmt.Sprintf("%2d", t.Hour()), true
	case 'l':
		return fmt.Sprintf("%2s", strings.TrimLeft(t.Format("03"), "0")), true
	case 'n':
		return "\n", true
	case 's':
		return fmt.Sprint(t.Unix()), true
	case 't':
		return "\t", true
	case 'u':
		return fmt.Sprint((int(t.Weekday())+6)%7 + 1), true
	case 'U':
		return week(time.Sunday), true
	case 'w':
		return fmt.Sprint(int(t.Weekday())), true
	case 'W':
		return week(time.Monday), true
	case 'z', 'Z':
		return "", true // Python's datetime.now() has no zone
	case '%':
		return "%", true
	}
	layout, ok := map[byte]string{
		'a': "Mon", 'A': "Monday", 'b': "Jan", 'B': "January", 'd': "02", 'D': "01/02/06",
		'F': "2006-01-02", 'h': "Jan", 'H': "15", 'I': "03", 'j': "002", 'm': "01", 'M': "04",
		'p': "PM", 'P': "pm", 'r': "03:04:05 PM", 'R': "15:04", 'S': "05", 'T': "15:04:05",
		'x': "01/02/06", 'X': "15:04:05", 'y': "06", 'Y': "2006",
	}[c]
	return t.Format(layout), ok
}
