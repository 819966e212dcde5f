package actors

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"runtime/debug"

	"troupe/runtime"
)

// Source is a model that was found good, as far as that can be known without loading it.
type Source struct {
	Name  string // that a [Catalogue] knows it by
	Bytes int64  // that it takes in memory once it is loaded, with its KV pool
	Room  int64  // bytes that all loaded models may take together; 0: unknown

	// Load loads the weights. It ends early when ctx does, and may be called more than once. The engine is the caller's.
	Load func(ctx context.Context) (Config, error)
}

// fitsBeside reports whether there is memory for a model while another one is loaded.
func (s *Source) fitsBeside(other *Source) bool { return s.Room > 0 && s.Bytes+other.Bytes <= s.Room }

// Catalogue knows which models there are. Its methods may be called from any goroutine.
type Catalogue interface {
	// Names lists the models that can be asked for.
	Names() ([]string, error)
	// Open reads everything of a model but its weights, and checks it and that there is memory for it alone. A name that is not one of Names is an error
	// of kind Unknown, a model that cannot be served one of kind Invalid.
	Open(name string) (*Source, error)
}

// load loads a model and tries it out. A panic in either is an error.
func (s *Source) load(ctx context.Context, log *slog.Logger) (cfg Config, err error) {
	defer func() {
		if r := recover(); r != nil {
			log.Error("loading a model panicked", slog.Any("reason", r), slog.String("stack", string(debug.Stack())))
			err = fmt.Errorf("loading it panicked: %v", r)
		}
		if err != nil && cfg.Engine != nil {
			if e := cfg.Engine.Close(); e != nil {
				log.Error("an engine that is not used could not be closed", slog.Any("error", e))
			}
			cfg.Engine = nil
		}
	}()
	if cfg, err = s.Load(ctx); err != nil {
		return cfg, err
	}
	if err = cfg.prepare(); err != nil {
		return cfg, err
	}
	return cfg, warmUp(cfg.Engine)
}

// warmUp computes one step as a first prompt would, so that an engine that cannot compute, or weights that make no sense, are found before somebody
// depends on them. What it writes is in a block that is free.
func warmUp(e runtime.Engine) error {
	info := e.Info()
	tokens := make([]int32, min(info.BlockTokens, info.Context-1))
	for i := range tokens {
		tokens[i] = int32(i % info.Vocab)
	}
	results, err := e.Step([]runtime.Row{{Blocks: []runtime.BlockID{0}, Tokens: tokens, Want: 1}})
	switch {
	case err != nil:
		return fmt.Errorf("the first step failed: %w", err)
	case len(results) != 1 || len(results[0].Top) != 1:
		return fmt.Errorf("the first step gave no result")
	}
	for _, x := range []float32{results[0].LogSumExp, results[0].Top[0].Logit} {
		if v := float64(x); math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("the first step gave numbers that are none: the weights are not those of a working model")
		}
	}
	return nil
}
