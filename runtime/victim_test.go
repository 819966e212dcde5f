package runtime_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/runtime"
)

func TestVictim(t *testing.T) {
	pinned := runtime.Idle{Agent: "pinned", Blocks: 90, Pinned: true}
	waiting := runtime.Idle{Agent: "waiting", Blocks: 90, Waiting: true}
	small, old, large := runtime.Idle{Agent: "small", Blocks: 1}, runtime.Idle{Agent: "old", Blocks: 2}, runtime.Idle{Agent: "large", Blocks: 51}
	one, two := runtime.Idle{Agent: "key/one", Blocks: 26}, runtime.Idle{Agent: "key/two", Blocks: 25}
	for name, c := range map[string]struct {
		idle []runtime.Idle
		want int
	}{
		"nobody":                                    {nil, -1},
		"the least recently used":                   {[]runtime.Idle{waiting, pinned, old, small}, 2},
		"who has more than a share goes before":     {[]runtime.Idle{old, large}, 1},
		"agents of one owner share":                 {[]runtime.Idle{old, one, two}, 1},
		"but have a share":                          {[]runtime.Idle{old, one}, 0},
		"the pinned one before one who waits":       {[]runtime.Idle{waiting, pinned}, 1},
		"one who waits if there is nobody else":     {[]runtime.Idle{waiting}, 0},
		"one without an owner is alone":             {[]runtime.Idle{small, {Agent: "key", Blocks: 40}, one}, 0},
		"a pinned one counts for its owner's share": {[]runtime.Idle{old, {Agent: "key/p", Blocks: 40, Pinned: true}, one}, 2},
	} {
		require.Equal(t, c.want, runtime.Victim(c.idle, 50), name)
	}
}
