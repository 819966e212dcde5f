package http

import (
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"troupe/actors"
)

// dialect is what differs between the two wire formats.
type dialect interface {
	// parse decodes and validates a request body.
	parse(body []byte) (*call, error)
	// answer is the body of an answer that is not streamed.
	answer(g *generation, text string, out actors.Outcome) any
	// encoder writes an answer as events.
	encoder(w *sse, g *generation) encoder
	// errorBody is the body of an error.
	errorBody(f failure, requestID string) any
	// limitHeaders sets the headers that say what is left of the rate limits.
	limitHeaders(q quotas, now time.Time, set func(name, value string))
}

// encoder writes one generation as the events of a dialect. Each method writes whole events; none flushes.
type encoder interface {
	start(cached int)          // comes first
	text(s string)             // s is not empty
	ping()                     // a sign of life
	nudge()                    // a sign of life for clients that do not count pings
	finish(out actors.Outcome) // comes last if the generation ended well
	fail(f failure)            // comes last if it did not
}

// call is a decoded request, whatever its dialect.
type call struct {
	model     string
	chat      conversation
	sampling  samplingFields
	maxTokens int // 0: as many as fit
	stops     []string
	ignoreEOS bool
	stream    bool
	usage     bool // an OpenAI stream ends with the usage
	identity  identityFields
}

// dialectOf returns the dialect that a path is answered in. /v1/models is of both; there the header that every Anthropic client sends decides.
// A request that did not arrive whole has no path any more, and is answered in OpenAI's.
func dialectOf(c *fiber.Ctx) dialect {
	if strings.HasPrefix(c.Path(), "/v1/messages") || c.Get("Anthropic-Version") != "" {
		return anthropic{}
	}
	return openai{}
}
