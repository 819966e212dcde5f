package main

import (
	"context"
	"io"

	"troupe/actors"
	"troupe/persistence"
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

// Import implements [http.Archive].
func (a *archive) Import(_ context.Context, id string, r io.Reader) error {
	_, err := a.data.Import(r, a.system.SavedName(id), a.system.Tag())
	return err
}
