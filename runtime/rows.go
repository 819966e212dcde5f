package runtime

import "fmt"

// CheckRows returns an error if a batch breaks the contract of [Engine.Step]: an engine calls it before it computes anything.
func CheckRows(info EngineInfo, rows []Row) error {
	written := map[BlockID]int{}
	for i, r := range rows {
		end := r.Start + len(r.Tokens)
		switch {
		case len(r.Tokens) == 0:
			return fmt.Errorf("row %d has no tokens", i)
		case r.Start < 0 || r.Start > info.Context || end > info.Context:
			return fmt.Errorf("row %d covers positions %d to %d, and the context has %d", i, r.Start, end, info.Context)
		case end > len(r.Blocks)*info.BlockTokens:
			return fmt.Errorf("row %d ends at position %d, and its %d blocks hold %d", i, end, len(r.Blocks), len(r.Blocks)*info.BlockTokens)
		case r.Want < WantAll:
			return fmt.Errorf("row %d wants %d candidates", i, r.Want)
		}
		for _, t := range r.Tokens {
			if t < 0 || int(t) >= info.Vocab {
				return fmt.Errorf("row %d has token %d, and the vocabulary has %d", i, t, info.Vocab)
			}
		}
		for at, b := range r.Blocks[:info.BlocksFor(end)] {
			if b < 0 || int(b) >= info.Blocks {
				return fmt.Errorf("row %d names block %d, and the pool has %d", i, b, info.Blocks)
			}
			if at < r.Start/info.BlockTokens {
				continue
			}
			if other, twice := written[b]; twice {
				return fmt.Errorf("rows %d and %d both write block %d", other, i, b)
			}
			written[b] = i
		}
	}
	return nil
}
