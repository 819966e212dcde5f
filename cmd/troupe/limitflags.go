package main

import (
	"errors"
	"time"

	"troupe/http"
)

// limitFlags say how much clients may ask for, and when the server counts as ill.
type limitFlags struct {
	RequestsPerMinute      int           `placeholder:"N" help:"Most requests of an API key in a minute, or of all clients if there is none; 0 is no limit."`
	TokensPerMinute        int           `placeholder:"N" help:"Most tokens that are computed for an API key in a minute; cached ones do not count. 0 is no limit."`
	AgentRequestsPerMinute int           `placeholder:"N" help:"Most requests of an agent in a minute; 0 is no limit."`
	AgentTokensPerMinute   int           `placeholder:"N" help:"Most tokens that are computed for an agent in a minute; 0 is no limit."`
	StuckAfter             time.Duration `default:"2m" placeholder:"TIME" help:"How long a step may take before /health/live says that the engine hangs (${default})."`
}

// limit puts the settings into the server's, which are checked as a whole by [securityFlags.apply].
func (f *limitFlags) limit(cfg *http.Config) error {
	if f.StuckAfter <= 0 {
		return errors.New("--stuck-after must be positive")
	}
	cfg.StuckAfter = f.StuckAfter
	cfg.RateLimits = http.RateLimits{
		KeyRequests: f.RequestsPerMinute, KeyTokens: f.TokensPerMinute, AgentRequests: f.AgentRequestsPerMinute, AgentTokens: f.AgentTokensPerMinute,
	}
	return nil
}
