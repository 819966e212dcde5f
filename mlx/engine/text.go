package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"troupe/runtime"
	"troupe/runtime/chat"
	"troupe/runtime/model"
	"troupe/runtime/tokenizer"
)

// readText reads the side of a folder that deals with text: tokenizer, chat
// template, tokens that end a turn, recommended sampling.
func readText(fsys fs.FS, name string, c *config, spec *Spec) (*model.Model, error) {
	data, err := readFile(fsys, "tokenizer.json")
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, errors.New("tokenizer.json is missing; other tokenizer files are not supported")
		}
		return nil, err
	}
	tok, err := tokenizer.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	var tc tokenizerConfig
	if err := readOptional(fsys, "tokenizer_config.json", &tc); err != nil {
		return nil, err
	}
	var gc generationConfig
	if err := readOptional(fsys, "generation_config.json", &gc); err != nil {
		return nil, err
	}
	template, err := readTemplate(fsys, &tc)
	if err != nil {
		return nil, err
	}
	sampling := gc.sampling()
	if err := sampling.Validate(spec.Vocab); err != nil {
		return nil, fmt.Errorf("generation_config.json: %w", err)
	}
	m := &model.Model{
		ID: name, Created: time.Now(), Tokenizer: tok, Template: template,
		BOS: string(tc.BOS), EOS: string(tc.EOS),
		Context: spec.MaxPositions, Defaults: sampling,
	}
	stops := gc.EOS
	if stops == nil {
		stops = c.EOS
	}
	if id, ok := tok.ID(m.EOS); ok && m.EOS != "" {
		stops = append(slices.Clone(stops), id)
	}
	m.StopIDs = inVocabulary(stops, spec.Vocab)
	return m, nil
}

// tokenizerConfig is tokenizer_config.json as far as the template needs it.
type tokenizerConfig struct {
	BOS      tokenText     `json:"bos_token"`
	EOS      tokenText     `json:"eos_token"`
	Template templateTexts `json:"chat_template"`
}

// generationConfig is generation_config.json: what the model's authors
// recommend.
type generationConfig struct {
	EOS               tokenIDs `json:"eos_token_id"`
	DoSample          *bool    `json:"do_sample"`
	Temperature       *float64 `json:"temperature"`
	TopP              *float64 `json:"top_p"`
	TopK              *int     `json:"top_k"`
	MinP              *float64 `json:"min_p"`
	RepetitionPenalty *float64 `json:"repetition_penalty"`
}

// sampling is greedy if the file says do_sample: false. A file that says
// nothing recommends nothing: temperature 1, which is also the default of both
// HTTP dialects.
func (g *generationConfig) sampling() runtime.Sampling {
	s := runtime.Sampling{RepetitionPenalty: or(g.RepetitionPenalty, 1)}
	if !deref(g.DoSample, true) {
		return s
	}
	s.Temperature = or(g.Temperature, 1)
	s.TopP = or(g.TopP, 1)
	s.TopK = deref(g.TopK, 0)
	s.MinP = or(g.MinP, 0)
	return s
}

// readTemplate takes chat_template.jinja, or else the template in
// tokenizer_config.json. A folder without one is fine.
func readTemplate(fsys fs.FS, tc *tokenizerConfig) (*chat.Template, error) {
	file, source := "chat_template.jinja", string(tc.Template)
	data, err := readFile(fsys, file)
	switch {
	case err == nil:
		source = string(data)
	case errors.Is(err, fs.ErrNotExist):
		file = "tokenizer_config.json: chat_template"
	default:
		return nil, err
	}
	if source == "" {
		return nil, nil
	}
	template, err := chat.Parse(source)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return template, nil
}

// tokenText decodes "…", {"content": "…"} or null.
type tokenText string

func (t *tokenText) UnmarshalJSON(data []byte) error {
	var plain *string
	if err := json.Unmarshal(data, &plain); err == nil {
		*t = tokenText(deref(plain, ""))
		return nil
	}
	var added struct {
		Content string `json:"content"`
	}
	err := json.Unmarshal(data, &added)
	*t = tokenText(added.Content)
	return err
}

// templateTexts decodes a template, or a list of named ones, of which it keeps
// "default", else the first.
type templateTexts string

func (t *templateTexts) UnmarshalJSON(data []byte) error {
	var plain *string
	if err := json.Unmarshal(data, &plain); err == nil {
		*t = templateTexts(deref(plain, ""))
		return nil
	}
	var named []struct {
		Name     string `json:"name"`
		Template string `json:"template"`
	}
	if err := json.Unmarshal(data, &named); err != nil {
		return err
	}
	for i, n := range named {
		if i == 0 || n.Name == "default" {
			*t = templateTexts(n.Template)
		}
	}
	return nil
}

// tokenIDs decodes an id, a list of ids or null.
type tokenIDs []int32

func (t *tokenIDs) UnmarshalJSON(data []byte) error {
	var one *int32
	if err := json.Unmarshal(data, &one); err == nil {
		if one != nil {
			*t = tokenIDs{*one}
		}
		return nil
	}
	return json.Unmarshal(data, (*[]int32)(t))
}

// inVocabulary sorts ids and drops those that the model cannot produce.
func inVocabulary(ids []int32, vocab int) []int32 {
	kept := []int32{}
	for _, id := range ids {
		if id >= 0 && int(id) < vocab {
			kept = append(kept, id)
		}
	}
	slices.Sort(kept)
	return slices.Compact(kept)
}

// digestSmallFiles fingerprints what, beside the weights, the meaning of a
// cached block depends on: numbers of the decoder, tokenizer, template.
func digestSmallFiles(fsys fs.FS) (string, error) {
	h := sha256.New()
	for _, name := range []string{"config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"} {
		data, err := readFile(fsys, name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		fmt.Fprintf(h, "%s %d\n", name, len(data))
		h.Write(data)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
