package http

import (
	"net/http"

	"github.com/gofiber/fiber/v2"
)

// cacheBody are the sums over all agents. Tokens and what comes behind them count from the start of the server.
type cacheBody struct {
	Blocks struct {
		Total  int   `json:"total"`
		Free   int   `json:"free"`
		Leased int   `json:"leased"`
		Cached int   `json:"cached"`
		Shared int   `json:"shared"`
		Tokens int   `json:"tokens"` // of one block
		Bytes  int64 `json:"bytes"`  // of one block
	} `json:"blocks"`
	Agents struct {
		Hot   int `json:"hot"`
		Saved int `json:"saved"`
	} `json:"agents"`
	PromptTokens struct {
		Cached   uint64 `json:"cached"`
		Computed uint64 `json:"computed"`
	} `json:"prompt_tokens"`
	Evictions     uint64 `json:"evictions"`
	Hibernations  uint64 `json:"hibernations"`
	Restores      uint64 `json:"restores"`
	SavedBytes    uint64 `json:"saved_bytes"`
	RestoredBytes uint64 `json:"restored_bytes"`
	Disk          struct {
		Agents      int    `json:"agents"`
		Blocks      int    `json:"blocks"`
		Bytes       int64  `json:"bytes"`
		Budget      int64  `json:"budget"`  // 0: no limit
		Written     int64  `json:"written"` // bytes, over the life of the folder
		Collected   uint64 `json:"collected"`
		Quarantined int    `json:"quarantined"`
	} `json:"disk"`
}

// getCache answers GET /v1/cache.
func (s *Server) getCache(c *fiber.Ctx, v *service) error {
	i, err := v.agents.Cache(s.ctx)
	if err != nil {
		return err
	}
	var b cacheBody
	b.Blocks.Total, b.Blocks.Free, b.Blocks.Leased, b.Blocks.Cached, b.Blocks.Shared = i.Blocks, i.Free, i.Leased, i.Cached, i.Shared
	b.Blocks.Tokens, b.Blocks.Bytes = i.BlockTokens, i.BlockBytes
	b.Agents.Hot, b.Agents.Saved = i.AgentsHot, i.AgentsSaved
	b.PromptTokens.Cached, b.PromptTokens.Computed = i.Hits, i.Misses
	b.Evictions, b.Hibernations, b.Restores, b.SavedBytes, b.RestoredBytes = i.Evictions, i.Hibernations, i.Restores, i.SavedBytes, i.RestoredBytes
	d := i.Disk
	b.Disk.Agents, b.Disk.Blocks, b.Disk.Bytes, b.Disk.Budget = d.Agents, d.Blocks, d.Bytes, d.Budget
	b.Disk.Written, b.Disk.Collected, b.Disk.Quarantined = d.Written, d.Collected, d.Quarantined
	return sendJSON(c, http.StatusOK, b)
}
