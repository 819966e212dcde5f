package runtime

// Restore says what of a saved agent a prompt has a use for.
type Restore struct {
	Length int        // positions of the prompt that are saved
	Blocks []BlockKey // of the blocks that hold them, in order; the last one may hold more, and is written on then
	Load   []int      // which of Blocks are to be read: all that are not in the pool
}

// PlanRestore compares a prompt of which at least one token is computed with what is saved. In the pool are the full blocks that found knows.
func PlanRestore(prompt []int32, m *Manifest, blockTokens int, found func(BlockKey) bool) (r Restore) {
	r.Length = min(CommonPrefix(m.Tokens[:m.Length], prompt), len(prompt)-1)
	r.Blocks = m.Blocks[:(r.Length+blockTokens-1)/blockTokens]
	for i, key := range r.Blocks {
		if i >= r.Length/blockTokens || !found(key) {
			r.Load = append(r.Load, i)
		}
	}
	return r
}

// Sound reports whether a manifest says what the blocks hold: that its keys are those of its tokens and of its agent's owner.
func (m *Manifest) Sound(blockTokens int) bool {
	if m.Length < 0 || m.Length > len(m.Tokens) || len(m.Blocks) != (m.Length+blockTokens-1)/blockTokens {
		return false
	}
	owner, _ := SplitAgent(m.Agent)
	keys := Keys(m.Tag, owner, blockTokens, m.Tokens[:m.Length], nil)
	for i, key := range m.Blocks {
		if key != keys[i] {
			return false
		}
	}
	return true
}
