package chat

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"troupe/runtime/chat/jinja"
)

// Error is the error of a template; its Kind says whose fault it is.
type Error = jinja.Error

// Limits bound one Render; a zero field means the default.
type Limits = jinja.Limits

// Sentinels for errors.Is.
var (
	// ErrSyntax: the template does not parse; the model folder is at fault.
	ErrSyntax = jinja.ErrSyntax
	// ErrRaised: the template refused the conversation with raise_exception;
	// Error.Message is meant for the client.
	ErrRaised = jinja.ErrRaised
	// ErrLimit: the template used more than its Limits.
	ErrLimit = jinja.ErrLimit
	// ErrRuntime: the template failed, as it would in Python.
	ErrRuntime = jinja.ErrRuntime
	// ErrContinue: ContinueFinal was asked for, but there is no final message
	// to continue, or the template does not show it as it is. The client is
	// at fault.
	ErrContinue = errors.New("the final message cannot be continued")
)

// Template is a parsed chat template. It never changes; any number of
// goroutines may render it at once.
type Template struct {
	jinja  *jinja.Template
	source string
	limits Limits
}

// Input is one conversation to render.
type Input struct {
	Messages []Message
	// Tools are tool definition objects as the client gave them. With none,
	// the template sees tools as none.
	Tools []Value
	// AddGenerationPrompt ends the prompt with the opening of an answer.
	AddGenerationPrompt bool
	// ContinueFinal leaves the last message open, so that the model goes on
	// writing it. It excludes AddGenerationPrompt.
	ContinueFinal bool
	// BOS and EOS are what the template sees as bos_token and eos_token; an
	// empty one is undefined there, as for a tokenizer that has none.
	BOS, EOS string
	// Extra are further variables of the template, such as enable_thinking.
	// The names messages, tools and add_generation_prompt cannot be replaced.
	Extra map[string]Value
	// Now is the time that strftime_now shows.
	Now time.Time
}

// Parse reads the source of a chat template. The error is an *Error that names
// the line.
func Parse(source string) (*Template, error) {
	t, err := jinja.Parse(source)
	if err != nil {
		return nil, fmt.Errorf("chat template: %w", err)
	}
	return &Template{jinja: t, source: source}, nil
}

// WithLimits returns the same template with other limits.
func (t *Template) WithLimits(l Limits) *Template {
	limited := *t
	limited.limits = l
	return &limited
}

// Source is the text that the template was parsed from, for instance to hash.
func (t *Template) Source() string { return t.source }

// continueTag marks the end of the message to continue. It is the tag that
// transformers uses, with the space that shows whether the template trims.
const continueTag = "CONTINUE_FINAL_MESSAGE_TAG "

// Render makes the prompt. See the Err variables for how it can fail; when ctx
// ends first, the error wraps ctx's.
func (t *Template) Render(ctx context.Context, in Input) (string, error) {
	vars, err := in.variables(t.source)
	if err != nil {
		return "", err
	}
	text, err := t.jinja.Render(ctx, vars, jinja.Options{Limits: t.limits, Now: in.Now})
	if err != nil {
		return "", fmt.Errorf("chat template: %w", err)
	}
	if in.ContinueFinal {
		return in.cut(text)
	}
	return text, nil
}

// variables are what the template sees.
func (in Input) variables(source string) (map[string]Value, error) {
	vars := map[string]Value{}
	for name, token := range map[string]string{"bos_token": in.BOS, "eos_token": in.EOS} {
		if token != "" {
			vars[name] = String(token)
		}
	}
	for name, v := range in.Extra {
		vars[name] = v
	}
	if in.ContinueFinal {
		switch {
		case len(in.Messages) == 0:
			return nil, fmt.Errorf("%w: there are no messages", ErrContinue)
		case in.AddGenerationPrompt:
			return nil, fmt.Errorf("%w: a generation prompt was asked for as well", ErrContinue)
		case !strings.Contains(source, "content"):
			return nil, fmt.Errorf("%w: the template does not use the content of messages", ErrContinue)
		}
	}
	messages := make([]Value, len(in.Messages))
	for i, m := range in.Messages {
		suffix := ""
		if in.ContinueFinal && i == len(in.Messages)-1 {
			suffix = continueTag
		}
		v, ok := m.value(suffix)
		if !ok {
			return nil, fmt.Errorf("%w: it has no text", ErrContinue)
		}
		messages[i] = v
	}
	vars["messages"] = List(messages...)
	vars["add_generation_prompt"] = Bool(in.AddGenerationPrompt)
	vars["tools"] = Null()
	if len(in.Tools) > 0 {
		vars["tools"] = List(in.Tools...)
	}
	if _, ok := vars["documents"]; !ok {
		vars["documents"] = Null()
	}
	return vars, nil
}

// cut ends the prompt where the final message ends.
func (in Input) cut(text string) (string, error) {
	trimmed := strings.TrimRightFunc(continueTag, unicode.IsSpace)
	at := strings.LastIndex(text, trimmed)
	if at < 0 || !strings.Contains(text, strings.TrimSpace(in.lastText())) {
		return "", fmt.Errorf("%w: the template leaves it out or changes it", ErrContinue)
	}
	if strings.HasPrefix(text[at:], continueTag) {
		return text[:at], nil
	}
	// The template trims, so the space before the tag would not be there either.
	return strings.TrimRightFunc(text[:at], unicode.IsSpace), nil
}

// lastText is the text that is to be continued.
func (in Input) lastText() string {
	last := in.Messages[len(in.Messages)-1]
	if last.Parts == nil {
		return last.Content
	}
	for i := len(last.Parts) - 1; i >= 0; i-- {
		if text, ok := last.Parts[i].Get("text"); ok {
			s, _ := text.AsString()
			return s
		}
	}
	return ""
}
