package http

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/gofiber/fiber/v2"

	"troupe/actors"
	"troupe/runtime"
	"troupe/runtime/model"
)

// service is what there is to serve. It is immutable.
type service struct {
	model    *model.Model
	generate func(context.Context, actors.Request) (stream, error)
	stats    func(context.Context) (actors.Stats, error)
	agents   agents  // nil: there is no agents API
	archive  Archive // nil: agents cannot be exported and imported
}

// stream is one generation in progress: an [actors.Stream], or a test's.
type stream interface {
	Events() <-chan actors.Event
	Outcome() actors.Outcome
}

// current returns what serves a request that is here now, or why there is none. During a swap that lets requests wait it waits.
func (s *Server) current(ctx context.Context) (*service, error) {
	if s.ctx.Err() != nil {
		return nil, context.Cause(s.ctx)
	}
	if h := s.host.Load(); h != nil {
		system, err := h.Current(ctx)
		if err != nil {
			return nil, err
		}
		return h.serving(system), nil
	}
	v := s.service.Load()
	if v == nil {
		return nil, &runtime.Error{Kind: runtime.Starting, Message: "the model is being loaded", RetryAfter: 2 * time.Second}
	}
	return v, nil
}

// request turns a call into a request to the system.
func (v *service) request(ctx context.Context, in *call) (actors.Request, error) {
	prompt, err := v.prompt(ctx, in)
	if err != nil {
		return actors.Request{}, err
	}
	sampling := in.sampling.over(v.model.Defaults)
	if err := sampling.Validate(v.model.Tokenizer.VocabSize()); err != nil {
		return actors.Request{}, err
	}
	// One position is for the answer. Clients parse the text of this error to shorten a conversation by the right amount.
	if most := v.model.Context - 1; len(prompt) > most {
		err := runtime.InvalidParam("messages", "prompt is too long: %d tokens > %d maximum", len(prompt), most)
		return actors.Request{}, coded{err, "context_length_exceeded"}
	}
	return actors.Request{
		Prompt:    prompt,
		Sampling:  sampling,
		MaxTokens: min(in.maxTokens, v.model.Context-len(prompt)),
		Stops:     in.stops,
		IgnoreEOS: in.ignoreEOS,
	}, nil
}

// prompt renders the conversation of a call with the model's template.
func (v *service) prompt(ctx context.Context, in *call) ([]int32, error) {
	input, err := in.chat.input()
	if err != nil {
		return nil, err
	}
	return v.model.Prompt(ctx, input)
}

// checkModel returns an error if a client asks for another model than the one that is served, and that is not allowed.
func (s *Server) checkModel(v *service, id string) error {
	if !s.cfg.StrictModels || id == v.model.ID {
		return nil
	}
	return noModel(id, v.model.ID)
}

// noModel is the error for a model that is not here.
func noModel(id, served string) error {
	err := &runtime.Error{Kind: runtime.Unknown, Param: "model", Message: fmt.Sprintf("there is no model %s; this server has %s", textOf(id), served)}
	return coded{err, "model_not_found"}
}

// sendJSON answers with a JSON body.
func sendJSON(c *fiber.Ctx, status int, v any) error {
	var b bytes.Buffer
	if err := encode(&b, v); err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	return c.Status(status).Send(b.Bytes())
}
