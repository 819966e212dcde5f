package tokenizer

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/dlclark/regexp2/v2"
	"github.com/stretchr/testify/require"
)

const contractions = `(?i:'s|'t|'re|'ve|'m|'ll|'d)`

// splitRegexes are the expressions of the model families in use.
var splitRegexes = map[string]string{
	"gpt2":      gpt2Regex,
	"llama3":    contractions + `|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
	"qwen2":     contractions + `|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
	"deepseek1": `\p{N}{1,3}`,
	"deepseek2": `[一-龥぀-ゟ゠-ヿ]+`,
	"deepseek3": "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
	"o200k": `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+` + contractions + `?|` +
		`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*` + contractions + `?|` +
		`\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
	"cl100k": `'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s`,
	// Not in use; these make the matcher give back and look.
	"back":  `a{2,4}(?:ab|b)?a|[ab]+c|b*(?=c)|(?:a|ab)(?:c|bcd)?d`,
	"empty": `x*|a?`,
}

func matches(p pattern, s string) [][2]int {
	var out [][2]int
	p.each(s, func(start, end int) { out = append(out, [2]int{start, end}) })
	return out
}

// engines holds an expression compiled by both engines.
type engines struct {
	fast *runs
	slow backtracker
}

func compileBoth(t testing.TB) map[string]engines {
	t.Helper()
	out := map[string]engines{}
	for name, expr := range splitRegexes {
		fast, err := compileRuns(expr)
		require.NoError(t, err, name)
		slow, err := regexp2.Compile(expr, regexp2.Multiline)
		require.NoError(t, err, name)
		out[name] = engines{fast, backtracker{slow}}
	}
	return out
}

// check compares the two engines on one text.
func (e engines) check(t *testing.T, name, text string) {
	t.Helper()
	require.Equal(t, matches(e.slow, text), matches(e.fast, text), "%s on %q", name, text)
}

// known tells whether all of s is in the Unicode version of regexp2's tables, and none
// of it folds to ASCII, where regexp2 is not Oniguruma.
func known(s string) bool {
	newer := newRuneSet(newer("").tidy())
	for _, r := range s {
		if newer.has(r) || r == 'ſ' || r == '\u212a' || r == 'İ' || r == 'ı' {
			return false
		}
	}
	return utf8.ValidString(s)
}

func TestRunsAgreeWithRegexp2(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	alphabet := []rune("aabbccd'stSrelvLx AZ19²Ⅷ漢字あ゙ーe\u0301\u200d😀.,/-_\r\n\t\u00a0\u3000\u0085ǅʰ")
	texts := goldenTexts(t)
	for name, e := range compileBoth(t) {
		for _, text := range texts {
			if known(text) {
				e.check(t, name, text)
			}
		}
		for range 300 {
			var b strings.Builder
			for range rng.IntN(20) {
				b.WriteRune(alphabet[rng.IntN(len(alphabet))])
			}
			e.check(t, name, b.String())
		}
	}
}

func FuzzRuns(f *testing.F) {
	for _, s := range goldenTexts(f) {
		f.Add(s)
	}
	both := compileBoth(f)
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 1000 || !known(s) {
			return
		}
		for name, e := range both {
			e.check(t, name, s)
		}
	})
}

// FuzzCompile gives expressions of a foreign file to both compilers.
func FuzzCompile(f *testing.F) {
	for _, expr := range splitRegexes {
		f.Add(expr)
	}
	for _, expr := range []string{`[\p{Lu}&&[^\p{Han}]]+`, `(a+)+$`, `[^\W\d]`, `\x41\x{1F600}\u00e9`, `(?<=a)b`, `[a-`, `\p{`, `a{9999999999}`, `(?i:[a-zé])`} {
		f.Add(expr)
	}
	f.Fuzz(func(t *testing.T, expr string) {
		if len(expr) > 200 {
			return
		}
		r, err := compileRuns(expr)
		if err != nil {
			return
		}
		text := "aAbé 12\n漢😀'ss  "
		last := 0
		r.each(text, func(start, end int) {
			require.True(t, last <= start && start <= end && end <= len(text))
			require.True(t, utf8.ValidString(text[start:end]))
			last = end
		})
	})
}

func TestRunsSyntax(t *testing.T) {
	for _, c := range []struct {
		expr, text string
		want       [][2]int
	}{
		{`[\p{Lu}\p{Lo}&&[^\p{Han}]]+`, "AB漢あC", [][2]int{{0, 2}, {5, 9}}},
		{`[^a&&b]`, "ab", [][2]int{{0, 1}, {1, 2}}},
		{`[^a-c[x]]`, "abxyc", [][2]int{{3, 4}}},
		{`\p{N}{1,3}+`, "1234567", [][2]int{{0, 7}}}, // Ruby: one or more times one to three
		{`a?+a`, "aab", [][2]int{{0, 2}}},
		{`a++a`, "aaa", nil},
		{`(?i:'s)`, "'s'S'ſ", [][2]int{{0, 2}, {2, 4}, {4, 7}}},
		{`\x41|\x{1F600}|\u00e9`, "A😀é", [][2]int{{0, 1}, {1, 5}, {5, 7}}},
		{`\p{^L}|\P{L}`, "a1", [][2]int{{1, 2}}},
		{`\s+$`, "a  \nb ", [][2]int{{1, 3}, {5, 6}}},
		{`a{2}`, "aaaaa", [][2]int{{0, 2}, {2, 4}}},
		{`a{2,}`, "aaaaa", [][2]int{{0, 5}}},
		{`\w+`, "a\u0301_1²\u200d-", [][2]int{{0, 7}}},
		{`.`, "a\n漢", [][2]int{{0, 1}, {2, 5}}},
		{`a|`, "ba", [][2]int{{0, 0}, {1, 2}}},
		{``, "a", [][2]int{{0, 0}, {1, 1}}},
		{`a(?=b)`, "abaac", [][2]int{{0, 1}}},
		{`a(?!b)`, "aba", [][2]int{{2, 3}}},
	} {
		r, err := compileRuns(c.expr)
		require.NoError(t, err, c.expr)
		require.Equal(t, c.want, matches(r, c.text), "%s on %q", c.expr, c.text)
	}
}

func TestRunsLeaveTheRestToRegexp2(t *testing.T) {
	for _, expr := range []string{`(ab)+`, `(a)\1`, `(?<=a)b`, `a+?`, `\bx`, `^a`, `[[:alpha:]]`, `[]a]`, `\h`, `(?!ab)`, `(?i:\p{L})`,
		`\p{Alphabetic}`, `a**`, `a{,3}`, `a{3,1}`, `[b-a]`, `a)`, `(a`, `[a`, `\`, `(?:a)*`, `\x80`, `(?m:.)`, `$*`} {
		_, err := compileRuns(expr)
		require.ErrorIs(t, err, errGeneral, expr)
	}
}

func TestTranslate(t *testing.T) {
	for _, expr := range []string{`(a)\1[a[b]]`, `(a)\1[a&&b]`, `(a)\1{2}+`, `(a)\1\h`, `(a)\1[^\W]`} {
		_, err := compileRegex(expr)
		require.ErrorContains(t, err, "not supported", expr)
	}
	p, err := compileRegex(`(?:\w\W)+|[\w-]\[`)
	require.NoError(t, err)
	require.IsType(t, backtracker{}, p)
	require.Equal(t, [][2]int{{0, 8}, {8, 10}}, matches(p, "a 漢\u200d-["))
}

// The work grows with the text, not with its square: so many steps for a byte.
func TestRunsAreLinear(t *testing.T) {
	for name, expr := range splitRegexes {
		if name == "back" {
			continue
		}
		m, err := compileRuns(expr)
		require.NoError(t, err)
		for kind, text := range hardTexts(t, 1<<18) {
			r := runner{runs: m, s: text, steps: 1 << 40}
			for at := 0; at < len(text); {
				end := r.match(m.start, at)
				at = max(end, at+runeLen(text, at))
			}
			require.Less(t, (1<<40-r.steps)/len(text), 64, "%s on %s", name, kind)
		}
	}
}

// An expression made to take for ever stops; what it has not split stays whole.
func TestRunsEnd(t *testing.T) {
	m, err := compileRuns(`a*a*a*a*a*a*a*a*b`)
	require.NoError(t, err)
	require.Empty(t, matches(m, strings.Repeat("a", 1<<14)))
}
