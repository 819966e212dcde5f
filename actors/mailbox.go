package actors

import (
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"
)

// mailbox lets others ask how many messages wait for an actor. It outlives restarts of the actor.
type mailbox struct{ box atomic.Pointer[actor.Mailbox] }

// option gives an actor a mailbox that can be asked.
func (m *mailbox) option() actor.PropsOption {
	return actor.WithMailbox(func() actor.Mailbox {
		box := actor.Unbounded()()
		m.box.Store(&box)
		return box
	})
}

// waiting is how many messages wait, without the one that is being handled; 0 if the actor was never started.
func (m *mailbox) waiting() int {
	box := m.box.Load()
	if box == nil {
		return 0
	}
	return (*box).UserMessageCount()
}

// mailboxes are those of the actors that everything goes through.
type mailboxes struct{ pool, batcher, keeper mailbox }
