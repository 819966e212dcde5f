package tokenizer

import (
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/runtime"
)

// Texts that are tokenised in parts, as they were generated, are found again in the whole text: what [runtime.Realign] takes for the same is the same text.
func TestPiecesThatSpellTheSameDecodeToTheSame(t *testing.T) {
	var texts []string
	readJSON(t, "testdata/goldens/texts.json", &texts)
	files, err := filepath.Glob("testdata/goldens/*.tokenizer.json")
	require.NoError(t, err)
	gained := 0
	for _, file := range files {
		tok := parseFile(t, file)
		rng := rand.New(rand.NewPCG(1, 2))
		for range 2000 {
			text := texts[rng.IntN(len(texts))] + texts[rng.IntN(len(texts))]
			at := rng.IntN(len(text) + 1)
			history := append(tok.Encode(text[:at], false), tok.Encode(text[at:], false)...)
			prompt := tok.Encode(text, false)
			common := runtime.CommonPrefix(history, prompt)
			keep, rest := runtime.Realign(history, prompt, common, tok.Piece)
			require.Equal(t, tok.Decode(prompt[:rest], false), tok.Decode(history[:keep], false), "%s: %q at %d", file, text, at)
			gained += keep - common
		}
	}
	require.Positive(t, gained)
}
