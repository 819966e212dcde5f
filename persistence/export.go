package persistence

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"

	"troupe/runtime"
)

// exportedManifest is the name of the first entry of an export; the blocks follow under the names that they have on disk.
const exportedManifest = "manifest"

const (
	maxExport      = 1 << 40 // bytes that an import spools when there is no budget
	maxBlockTokens = 4096    // positions of a block in an export: there is one try for each
)

// Export writes a saved agent as one file: a tar of its manifest and its blocks, for Import on this or another server. It checks everything that it writes.
// An error that is not one of w means that the file is not whole; an agent that is not there is Unknown, before anything is written.
func (d *Disk) Export(w io.Writer, agent string) error {
	if err := d.export(w, agent); err != nil {
		return fmt.Errorf("export agent %q: %w", agent, err)
	}
	return nil
}

func (d *Disk) export(w io.Writer, agent string) error {
	m, err := d.Manifest(agent)
	if err != nil {
		return err
	}
	sizes := make([]uint32, len(m.Blocks)) // of this export; the files' own follow
	for i := range sizes {
		sizes[i] = 1
	}
	p, err := pack(&m, sizes).encode()
	if err != nil {
		return err
	}
	t := tar.NewWriter(w)
	put := func(name string, data []byte) error {
		h := &tar.Header{Name: name, Mode: 0o600, Size: int64(len(data)), ModTime: m.SavedAt.Truncate(1e9), Typeflag: tar.TypeReg}
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		_, err := t.Write(data)
		return err
	}
	if err := put(exportedManifest, p); err != nil {
		return err
	}
	for _, key := range distinct(m.Blocks) {
		if err := d.blockFile(key, func(file []byte, _ int) error { return put(blockName(key), file) }); err != nil {
			return err
		}
	}
	return t.Close()
}

// distinct returns the keys without those that came before.
func distinct(keys []runtime.BlockKey) []runtime.BlockKey {
	seen := make(map[runtime.BlockKey]bool, len(keys))
	var list []runtime.BlockKey
	for _, key := range keys {
		if !seen[key] {
			seen[key] = true
			list = append(list, key)
		}
	}
	return list
}

// Import saves an exported agent under the given id, replacing what is saved under it. An export of another tag than the given one is Invalid, as is one
// that is not whole, or whose blocks are not keyed by the tokens that it gives (see [runtime.NextKey]); then nothing changes. If the agent gets another owner
// the blocks get his keys.
//
// That proves that the file is whole, not that it is honest: whoever made it can have computed its checksums anew. Its blocks are shared with every agent of
// the owner that has the same tokens, so import only what came from a server that you trust.
func (d *Disk) Import(r io.Reader, agent, tag string) (runtime.Manifest, error) {
	m, err := d.importFrom(r, agent, tag)
	if err != nil {
		return m, fmt.Errorf("import agent %q: %w", agent, err)
	}
	return m, nil
}

func (d *Disk) importFrom(r io.Reader, agent, tag string) (m runtime.Manifest, err error) {
	if d.closed.Load() {
		return m, errClosed
	}
	if err := checkManifest(&runtime.Manifest{Agent: agent}); err != nil {
		return m, err
	}
	// Spooled first: a client may be slow, and no save can run while another one does.
	name := d.temp()
	if err := d.spool(name, r); err != nil {
		return m, err
	}
	defer func() {
		if gone := d.remove(name); gone != nil {
			d.log.Warn("cannot remove a temporary file", "error", gone)
		}
	}()
	f, err := d.fs.Open(name)
	if err != nil {
		return m, err
	}
	defer f.Close() //nolint:errcheck // opened for reading
	size, err := f.Size()
	if err != nil {
		return m, err
	}
	var blockTokens int
	if m, blockTokens, err = checkExport(f, size, tag); err != nil {
		return m, asInvalid(err)
	}
	again, err := d.fs.Open(name)
	if err != nil {
		return m, err
	}
	defer again.Close() //nolint:errcheck // opened for reading
	in := &importing{tar: tar.NewReader(again), limit: size}
	if _, err := in.manifest(); err != nil {
		return m, err
	}
	exported := m.Blocks
	m.Agent, m.Pinned = agent, false
	if len(exported) > 0 {
		owner, _ := runtime.SplitAgent(agent)
		m.Blocks = runtime.Keys(m.Tag, owner, blockTokens, m.Tokens[:m.Length], nil)
	}
	return m, d.Save(m, func(i int) ([]byte, error) { return in.upTo(exported[i]) })
}

// spool copies a reader to a file that need not be durable.
func (d *Disk) spool(name string, r io.Reader) error {
	limit := int64(maxExport)
	if d.budget > 0 {
		limit = d.budget
	}
	f, err := d.fs.Create(name)
	if err != nil {
		return err
	}
	n, err := io.Copy(onlyWriter{f}, io.LimitReader(r, limit+1))
	d.mu.Lock()
	d.written += n
	d.mu.Unlock()
	if err == nil && n > limit {
		err = runtime.Errorf(runtime.TooLarge, "more than the %d bytes that an import may have", limit)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, d.remove(name))
	}
	return nil
}

// onlyWriter hides what else a file can do, so that io.Copy treats all alike.
type onlyWriter struct{ io.Writer }

func asInvalid(err error) error {
	if runtime.KindOf(err) != runtime.Internal {
		return err
	}
	return &runtime.Error{Kind: runtime.Invalid, Message: "this is not an export of an agent, or not a whole one", Err: err}
}

// checkExport reads a whole export of so many bytes and returns its manifest, and how many tokens its blocks have, if everything in it is as it should be.
func checkExport(r io.Reader, size int64, tag string) (m runtime.Manifest, blockTokens int, err error) {
	in := &importing{tar: tar.NewReader(r), limit: size}
	if m, err = in.manifest(); err != nil {
		return m, 0, err
	}
	if m.Tag != tag {
		return m, 0, runtime.Errorf(runtime.Invalid, "the agent's cache is of another model, or of this one with other settings: %q, not %q", m.Tag, tag)
	}
	if blockTokens, err = checkKeys(&m); err != nil {
		return m, 0, err
	}
	for _, key := range distinct(m.Blocks) {
		if _, err := in.block(key); err != nil {
			return m, 0, err
		}
	}
	if _, err := in.tar.Next(); !errors.Is(err, io.EOF) {
		return m, 0, errors.Join(errors.New("more follows the last block"), err)
	}
	// After its end a tar is padded with zeros.
	if rest, err := onlyZeros(r); err != nil || !rest {
		return m, 0, errors.Join(errors.New("more follows the end"), err)
	}
	return m, blockTokens, nil
}

// onlyZeros reads to the end.
func onlyZeros(r io.Reader) (bool, error) {
	b := make([]byte, 32<<10)
	for {
		n, err := r.Read(b)
		if len(bytes.Trim(b[:n], "\x00")) > 0 {
			return false, nil
		}
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// checkKeys requires that the blocks are those of the tokens, as runtime.NextKey has it, and returns how many tokens a full block holds, which follows from the
// first one's key; 0 if there is none.
func checkKeys(m *runtime.Manifest) (blockTokens int, err error) {
	n := len(m.Blocks)
	if (n == 0) != (m.Length == 0) || n > m.Length {
		return 0, fmt.Errorf("%d blocks for %d positions", n, m.Length)
	}
	if n == 0 {
		return 0, nil
	}
	owner, _ := runtime.SplitAgent(m.Agent)
	least, most := (m.Length+n-1)/n, m.Length // n blocks of that size hold Length positions, n-1 do not
	if n > 1 {
		most = (m.Length - 1) / (n - 1)
	}
	for size := least; size <= min(most, max(least, maxBlockTokens)); size++ {
		if runtime.NextKey(m.Tag, runtime.Root(owner), m.Tokens[:min(size, m.Length)]) == m.Blocks[0] {
			if m.Sound(size) {
				return size, nil
			}
			break
		}
	}
	return 0, errors.New("its blocks are not those of its tokens")
}

// importing reads the entries of an export in their order.
type importing struct {
	tar   *tar.Reader
	limit int64 // no entry is larger than the whole
}

// next returns the size of the next entry, which must have a name.
func (in *importing) next(name string, limit int64) (int64, error) {
	h, err := in.tar.Next()
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return 0, fmt.Errorf("instead of %s: %w", name, err)
	}
	if h.Name != name || h.Typeflag != tar.TypeReg || h.Size > min(limit, in.limit) {
		return 0, fmt.Errorf("instead of %s: an entry of %d bytes", name, h.Size)
	}
	return h.Size, nil
}

func (in *importing) manifest() (runtime.Manifest, error) {
	if _, err := in.next(exportedManifest, maxManifest); err != nil {
		return runtime.Manifest{}, err
	}
	b, err := io.ReadAll(in.tar) // grows with what is there, whatever the size says
	if err != nil {
		return runtime.Manifest{}, err
	}
	p, err := decodeManifest(b)
	if err != nil {
		return runtime.Manifest{}, err
	}
	return p.whole(), nil
}

// block returns the contents of the block that comes next, which must be the one of key.
func (in *importing) block(key runtime.BlockKey) ([]byte, error) {
	size, err := in.next(blockName(key), maxBlockFile)
	if err != nil {
		return nil, err
	}
	file, contents, err := readBlockFile(in.tar, size, key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", blockName(key), err)
	}
	return file[contents:], nil
}

// upTo skips to the block of key and returns its contents.
func (in *importing) upTo(key runtime.BlockKey) ([]byte, error) {
	for {
		h, err := in.tar.Next()
		if err != nil {
			return nil, err
		}
		if h.Name != blockName(key) {
			continue
		}
		file, contents, err := readBlockFile(in.tar, h.Size, key)
		if err != nil {
			return nil, err
		}
		return file[contents:], nil
	}
}
