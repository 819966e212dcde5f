package http

import (
	"net/url"
	"time"

	"github.com/gofiber/fiber/v2"

	"troupe/runtime/model"
)

// modelInfo describes a model to clients of both dialects at once; each ignores the other's fields.
type modelInfo struct {
	ID string `json:"id"`

	Object  string `json:"object"` // OpenAI
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`

	Type           string `json:"type"` // Anthropic
	DisplayName    string `json:"display_name"`
	CreatedAt      string `json:"created_at"`
	Lifecycle      string `json:"lifecycle"`
	MaxInputTokens int    `json:"max_input_tokens"`
	MaxTokens      int    `json:"max_tokens"`
}

// modelList is one page, which is all there is. Without has_more the pager of Anthropic's SDK asks for ever.
type modelList struct {
	Object  string      `json:"object"`
	Data    []modelInfo `json:"data"`
	HasMore bool        `json:"has_more"`
	FirstID string      `json:"first_id"`
	LastID  string      `json:"last_id"`
}

func newModelInfo(m *model.Model) modelInfo {
	return modelInfo{
		ID:             m.ID,
		Object:         "model",
		Created:        m.Created.Unix(),
		OwnedBy:        "troupe",
		Type:           "model",
		DisplayName:    m.ID,
		CreatedAt:      m.Created.UTC().Format(time.RFC3339),
		Lifecycle:      "active",
		MaxInputTokens: m.Context - 1,
		MaxTokens:      m.Context - 1,
	}
}

// listModels answers GET /v1/models.
func (s *Server) listModels(c *fiber.Ctx) error {
	v, err := s.known()
	if err != nil {
		return err
	}
	id := v.model.ID
	return sendJSON(c, fiber.StatusOK, modelList{Object: "list", Data: []modelInfo{newModelInfo(v.model)}, FirstID: id, LastID: id})
}

// getModel answers GET /v1/models/ID; an id may have slashes. Only the loaded model is found, strict or not: this asks what there is.
func (s *Server) getModel(c *fiber.Ctx) error {
	v, err := s.known()
	if err != nil {
		return err
	}
	id, err := url.PathUnescape(c.Params("*"))
	if err != nil || id != v.model.ID {
		return noModel(c.Params("*"), v.model.ID)
	}
	return sendJSON(c, fiber.StatusOK, newModelInfo(v.model))
}

// countTokens answers POST /v1/messages/count_tokens with the number of tokens that the same conversation has as a prompt.
func (s *Server) countTokens(c *fiber.Ctx) error {
	body, err := s.receive(c)
	if err != nil {
		return err
	}
	v, err := s.current(s.ctx)
	if err != nil {
		return err
	}
	in, err := s.read(v, body, anthropic{}.parseCount)
	if err != nil {
		return err
	}
	prompt, err := v.prompt(s.ctx, in)
	if err != nil {
		return err
	}
	return sendJSON(c, fiber.StatusOK, struct {
		InputTokens int `json:"input_tokens"`
	}{len(prompt)})
}
