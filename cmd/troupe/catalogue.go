package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"troupe/actors"
	"troupe/mlx/engine"
	"troupe/persistence"
	"troupe/runtime"
)

// catalogue has the models that a server may serve: that of --model, the starter, and the folders in --models. No other folder can be named, so whoever
// has the admin key cannot look around on the machine. It implements [actors.Catalogue].
type catalogue struct {
	c     *serveCmd
	root  string // of --models, absolute; "": none
	first string // name of the model of --model
	data  *persistence.Disk
	con   *console
	log   *slog.Logger
}

func newCatalogue(c *serveCmd, data *persistence.Disk, con *console, log *slog.Logger) (*catalogue, error) {
	k := &catalogue{c: c, data: data, con: con, log: log, first: c.Model}
	if c.Models != "" {
		root, err := filepath.Abs(c.Models)
		if err == nil {
			_, err = os.ReadDir(root)
		}
		if err != nil {
			return nil, fmt.Errorf("--models: %w", err)
		}
		k.root = root
	}
	if c.Model == starterName {
		return k, nil
	}
	dir, err := filepath.Abs(c.Model)
	if err != nil {
		return nil, fmt.Errorf("--model: %w", err)
	}
	k.first = filepath.Base(dir)
	if k.root != "" {
		if name, err := filepath.Rel(k.root, dir); err == nil && filepath.IsLocal(name) && name != "." {
			k.first = filepath.ToSlash(name)
		}
	}
	if k.first == starterName {
		k.first = filepath.ToSlash(dir)
	}
	return k, nil
}

// Names implements [actors.Catalogue].
func (k *catalogue) Names() ([]string, error) {
	names := []string{k.first, starterName}
	if k.root != "" {
		found, err := modelFolders(k.root)
		if err != nil {
			return nil, fmt.Errorf("--models: %w", err)
		}
		names = append(names, found...)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// modelFolders are the folders with a config.json in a folder and in the folders there, as paths with slashes.
func modelFolders(root string) (names []string, err error) {
	for _, pattern := range []string{"*/config.json", "*/*/config.json"} {
		found, err := fs.Glob(os.DirFS(root), pattern)
		if err != nil {
			return nil, err
		}
		for _, f := range found {
			names = append(names, strings.TrimSuffix(f, "/config.json"))
		}
	}
	return names, nil
}

// Open implements [actors.Catalogue].
func (k *catalogue) Open(name string) (*actors.Source, error) {
	names, err := k.Names()
	if err != nil {
		return nil, err
	}
	if !slices.Contains(names, name) {
		return nil, &runtime.Error{Kind: runtime.Unknown, Param: "model", Message: fmt.Sprintf("there is no model %q; there are %s", name, strings.Join(names, ", "))}
	}
	folder, err := k.open(name)
	if err != nil {
		return nil, unfit(err)
	}
	fits, err := k.c.fit(folder)
	if err != nil {
		return nil, unfit(err)
	}
	return k.source(name, folder, fits), nil
}

func (k *catalogue) open(name string) (*engine.Folder, error) {
	switch name {
	case k.first:
		return k.c.open()
	case starterName:
		return modelFlag{starterName}.open()
	}
	return engine.ReadFolder(os.DirFS(filepath.Join(k.root, filepath.FromSlash(name))), name)
}

// unfit is the error for a model that cannot be served as it is.
func unfit(err error) error {
	return &runtime.Error{Kind: runtime.Invalid, Param: "model", Message: err.Error()}
}

// source is a model that was read and fits.
func (k *catalogue) source(name string, folder *engine.Folder, fits fitting) *actors.Source {
	s := &actors.Source{
		Name: name, Bytes: fits.plan.Weights + fits.plan.PoolBytes,
		Load: func(ctx context.Context) (actors.Config, error) { return k.load(ctx, folder, fits.options) },
	}
	if fits.limit > 0 {
		s.Room = fits.limit - fits.working
	}
	return s
}

// load loads the weights. The engine is the caller's.
func (k *catalogue) load(ctx context.Context, folder *engine.Folder, options engine.Options) (actors.Config, error) {
	options.Progress = loadProgress(k.con.err, folder.Name)
	options.Abort = ctx.Err
	eng, err := engine.New(folder, options)
	debug.FreeOSMemory() // the tensors as they were read
	if err != nil {
		return actors.Config{}, err
	}
	info := eng.Info()
	k.log.Info("loaded", "model", folder.Name, "context", info.Context, "kv_memory", byteSize(info.BlockBytes*int64(info.Blocks)).String(),
		"blocks", info.Blocks, "block_tokens", info.BlockTokens)
	if err := k.data.Use(info.Tag, info.Tensors); err != nil {
		return actors.Config{}, errors.Join(err, eng.Close())
	}
	cfg := actors.Config{
		Engine: eng, Model: folder.Model, Logger: k.log,
		Store: k.data, IdleSave: k.c.IdleSave, MaxShare: k.c.MaxShare,
	}
	k.c.admit(&cfg)
	return cfg, nil
}
