package http

import (
	"context"
	"errors"
	"net/http"
	"testing"

	anthropicsdk "github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	openaisdk "github.com/openai/openai-go/v3"
	openaioption "github.com/openai/openai-go/v3/option"
	"github.com/stretchr/testify/require"

	"troupe/actors"
	"troupe/runtime"
	"troupe/runtime/enginetest"
)

// want is the answer of the fake engine to one user message.
func want(t *testing.T, h *house, text string, tokens int) string {
	t.Helper()
	m := h.service.Load().model
	prompt := m.Tokenizer.Encode("<|im_start|>user\n"+text+"<|im_end|>\n<|im_start|>assistant\n", false)
	return m.Tokenizer.Decode(enginetest.Greedy(m.Tokenizer.VocabSize(), prompt, tokens), true)
}

// TestAnthropicSDK has the official client talk to a whole house.
func TestAnthropicSDK(t *testing.T) {
	h := live(t, Config{}, enginetest.Options{}, actors.Config{})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	client := anthropicsdk.NewClient(anthropicoption.WithBaseURL(h.url), anthropicoption.WithAPIKey("none"),
		anthropicoption.WithHTTPClient(h.client), anthropicoption.WithJSONSet("ignore_eos", true))
	params := anthropicsdk.MessageNewParams{
		Model: "some-model", MaxTokens: 20, Temperature: anthropicsdk.Float(0),
		Messages: []anthropicsdk.MessageParam{anthropicsdk.NewUserMessage(anthropicsdk.NewTextBlock("hello"))},
	}
	text := want(t, h, "hello", 20)

	whole, err := client.Messages.New(ctx, params)
	require.NoError(t, err)
	require.Equal(t, text, whole.Content[0].Text)
	require.Equal(t, anthropicsdk.StopReasonMaxTokens, whole.StopReason)
	require.EqualValues(t, 20, whole.Usage.OutputTokens)

	stream := client.Messages.NewStreaming(ctx, params)
	var message anthropicsdk.Message
	for stream.Next() {
		require.NoError(t, message.Accumulate(stream.Current()))
	}
	require.NoError(t, stream.Err())
	require.NoError(t, stream.Close())
	require.Equal(t, text, message.Content[0].Text)
	require.Positive(t, message.Usage.CacheReadInputTokens, "the same prompt again is shared")
	require.Equal(t, whole.Usage.InputTokens, message.Usage.InputTokens+message.Usage.CacheReadInputTokens)
	require.EqualValues(t, 20, message.Usage.OutputTokens)

	count, err := client.Messages.CountTokens(ctx, anthropicsdk.MessageCountTokensParams{Model: "m", Messages: params.Messages})
	require.NoError(t, err)
	require.Equal(t, whole.Usage.InputTokens, count.InputTokens)

	models, err := client.Models.List(ctx, anthropicsdk.ModelListParams{})
	require.NoError(t, err)
	require.Len(t, models.Data, 1)
	require.Equal(t, "org/tiny", models.Data[0].ID)

	params.MaxTokens = -1
	_, err = client.Messages.New(ctx, params)
	var failed *anthropicsdk.Error
	require.ErrorAs(t, err, &failed)
	require.Equal(t, http.StatusBadRequest, failed.StatusCode)
	require.Regexp(t, "^req_", failed.RequestID)
	require.Contains(t, failed.RawJSON(), "max_tokens must be at least 1")
}

// TestOpenAISDK is the same for the other dialect.
func TestOpenAISDK(t *testing.T) {
	h := live(t, Config{}, enginetest.Options{}, actors.Config{})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	client := openaisdk.NewClient(openaioption.WithBaseURL(h.url+"/v1"), openaioption.WithAPIKey("none"),
		openaioption.WithHTTPClient(h.client), openaioption.WithJSONSet("ignore_eos", true))
	params := openaisdk.ChatCompletionNewParams{
		Model: "some-model", MaxCompletionTokens: openaisdk.Int(20), Temperature: openaisdk.Float(0),
		Messages: []openaisdk.ChatCompletionMessageParamUnion{openaisdk.UserMessage("hello")},
	}
	text := want(t, h, "hello", 20)

	whole, err := client.Chat.Completions.New(ctx, params)
	require.NoError(t, err)
	require.Equal(t, text, whole.Choices[0].Message.Content)
	require.Equal(t, "length", whole.Choices[0].FinishReason)
	require.EqualValues(t, 20, whole.Usage.CompletionTokens)

	params.StreamOptions = openaisdk.ChatCompletionStreamOptionsParam{IncludeUsage: openaisdk.Bool(true)}
	stream := client.Chat.Completions.NewStreaming(ctx, params)
	var sum openaisdk.ChatCompletionAccumulator
	for stream.Next() {
		require.True(t, sum.AddChunk(stream.Current()))
	}
	require.NoError(t, stream.Err())
	require.NoError(t, stream.Close())
	require.Equal(t, text, sum.Choices[0].Message.Content)
	require.Equal(t, "length", sum.Choices[0].FinishReason)
	require.Equal(t, whole.Usage.PromptTokens, sum.Usage.PromptTokens)
	require.EqualValues(t, 20, sum.Usage.CompletionTokens)

	models, err := client.Models.List(ctx)
	require.NoError(t, err)
	require.Len(t, models.Data, 1)
	require.Equal(t, "org/tiny", models.Data[0].ID)

	params.MaxCompletionTokens = openaisdk.Int(-1)
	_, err = client.Chat.Completions.New(ctx, params)
	var failed *openaisdk.Error
	require.ErrorAs(t, err, &failed)
	require.Equal(t, http.StatusBadRequest, failed.StatusCode)
	require.Equal(t, "max_completion_tokens", failed.Param)
	require.Equal(t, "invalid_request_error", failed.Type)
}

// TestSDKsWhenBusy checks the typed error of a refusal, after the one retry that Retry-After asks for, and that of a stream that breaks.
func TestSDKsWhenBusy(t *testing.T) {
	h, d := direct(t, Config{})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	a := anthropicsdk.NewClient(anthropicoption.WithBaseURL(h.url), anthropicoption.WithAPIKey("none"),
		anthropicoption.WithHTTPClient(h.client), anthropicoption.WithMaxRetries(1))
	o := openaisdk.NewClient(openaioption.WithBaseURL(h.url+"/v1"), openaioption.WithAPIKey("none"),
		openaioption.WithHTTPClient(h.client), openaioption.WithMaxRetries(1))
	am := anthropicsdk.MessageNewParams{Model: "m", MaxTokens: 5, Messages: []anthropicsdk.MessageParam{anthropicsdk.NewUserMessage(anthropicsdk.NewTextBlock("x"))}}
	om := openaisdk.ChatCompletionNewParams{Model: "m", Messages: []openaisdk.ChatCompletionMessageParamUnion{openaisdk.UserMessage("x")}}

	d.refuse = &runtime.Error{Kind: runtime.Busy, Message: "no room"}
	var af *anthropicsdk.Error
	_, err := a.Messages.New(ctx, am)
	require.ErrorAs(t, err, &af)
	require.Equal(t, http.StatusTooManyRequests, af.StatusCode)
	require.Len(t, d.calls, 2)
	var of *openaisdk.Error
	_, err = o.Chat.Completions.New(ctx, om)
	require.ErrorAs(t, err, &of)
	require.Equal(t, http.StatusTooManyRequests, of.StatusCode)
	require.Equal(t, "rate_limit_exceeded", of.Code)
	require.Len(t, d.calls, 4)
	d.refuse = nil

	d.stage(actors.Outcome{Err: errors.New("broken")}, hello...)
	as := a.Messages.NewStreaming(ctx, am)
	for as.Next() {
	}
	require.ErrorContains(t, as.Err(), "internal error")
	d.stage(actors.Outcome{Err: errors.New("broken")}, hello...)
	os := o.Chat.Completions.NewStreaming(ctx, om)
	for os.Next() {
	}
	require.ErrorContains(t, os.Err(), "internal error")
}
