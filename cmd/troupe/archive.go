package main

import (
	"context"
	"io"

	"troupe/actors"
	"troupe/persistence"
	"troupe/runtime"
)

// archive carries agents between servers: it implements [http.Archive].
type archive struct {
	data   *persistence.Disk
	system *actors.System
}

// Export implements [http.Archive].
func (a *archive) Export(_ context.Context, id string, w io.Writer) error {
	return a.data.Export(w, a.system.SavedName(id))
}

// Import implements [http.Archive]. It replaces no agent: what the pool holds of one would be at odds with what is on disk.
func (a *archive) Import(ctx context.Context, id string, r io.Reader) error {
	switch _, err := a.system.Agent(ctx, id); {
	case err == nil:
		return runtime.InvalidParam("id", "there is an agent of this name already: delete it first, or import under another name")
	case runtime.KindOf(err) != runtime.Unknown:
		return err
	}
	_, err := a.data.Import(r, a.system.SavedName(id), a.system.Tag())
	return err
}
