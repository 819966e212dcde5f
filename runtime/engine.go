package runtime

// BlockID names one KV block of the pool: 0 <= id < [EngineInfo.Blocks].
type BlockID int32

// WantAll asks for a whole row of logits. See [Row.Want].
const WantAll = -1

// Engine computes steps. It owns the KV memory and everything on the device.
//
// It is used by one goroutine at a time: the engine loop of actors. Info may be called from anywhere.
type Engine interface {
	// Info describes the engine; it never changes.
	Info() EngineInfo

	// Step runs one forward pass over the rows and returns one result for each, in their order.
	//
	// It writes the KV of every row's Tokens at positions [Start, Start+len(Tokens)) through the row's block table, and reads positions
	// [0, Start+len(Tokens)). It writes nothing else. No two rows of a batch may write the same block.
	//
	// A row's result depends on the tokens at its positions alone: not on the other rows, on the ids of its blocks, or on how the tokens before
	// were cut into steps.
	//
	// On error no result is valid, and the KV at the rows' own positions is undefined; the same rows may be stepped again, one by one, to find the
	// culprit. An error never harms blocks of others.
	Step(rows []Row) ([]Result, error)

	// ReadBlock copies the contents of a block into dst, which has BlockBytes bytes, in the layout of [EngineInfo.Tensors]. WriteBlock is the reverse.
	//
	// Both may be called from any goroutine, also while a step runs, as long as nobody writes the block meanwhile. They fail after Close.
	ReadBlock(b BlockID, dst []byte) error
	WriteBlock(b BlockID, src []byte) error

	// Close frees the memory. Nothing but Info and Close must be called afterwards.
	Close() error
}

// EngineInfo is what others need to know of an engine.
type EngineInfo struct {
	Tag         string // identifies everything that the contents of a block depend on
	Vocab       int    // logits per row; token ids are in [0, Vocab)
	Context     int    // most positions of one agent
	BlockTokens int    // positions per block
	Blocks      int    // blocks in the pool
	BlockBytes  int64  // memory of one block over all layers
	Tensors     []BlockTensor
}

// BlockTensor is a part of the contents of a block. The parts follow one another without gaps and add up to [EngineInfo.BlockBytes].
type BlockTensor struct {
	Name  string // unique within the block, like "layers.0.keys"
	DType string // as safetensors spells it: F16, U8, U32, …
	Shape []int  // row-major; one axis is the position in the block
}

// BlocksFor returns how many blocks hold n positions.
func (i EngineInfo) BlocksFor(n int) int { return (n + i.BlockTokens - 1) / i.BlockTokens }

// Row is one agent's part of a step: one token when it decodes, more when it prefills.
type Row struct {
	Blocks []BlockID // block table, in order of position; covers at least [0, Start+len(Tokens))
	Start  int       // position of Tokens[0]; everything before it is in the blocks already
	Tokens []int32   // at least one
	Want   int       // candidates wanted for the token that follows: 0 none, n > 0 the best n, WantAll every logit
}

// Result is what sampling needs of the logits after a row's last token. It is valid until the next Step.
type Result struct {
	Top       []Candidate // Want > 0: the best min(Want, Vocab) by falling logit, equal ones by rising id
	LogSumExp float32     // log of the sum of exp(logit) over the whole vocabulary; set unless Want is 0
	Logits    []float32   // WantAll: the whole row, indexed by token id
}

// Candidate is a token and its logit, before temperature and penalties.
type Candidate struct {
	ID    int32
	Logit float32
}
