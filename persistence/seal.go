package persistence

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

// A sealed file is a head and chunks of ciphertext. See FORMAT.md.
const (
	sealMagic   = "troupe-s"
	sealVersion = 1
	sealHead    = len(sealMagic) + 4 + sealSalt
	sealSalt    = 32
	sealTag     = 16
	sealChunk   = 64 << 10 // of plaintext; only the last one is shorter
)

// sealedFS encrypts the contents and the names of the files of another FS. Whoever reads the disk learns how many agents and blocks there are, how large and
// when they were written. Whoever writes to it can bring back an older file under its own name, or take one away; all else is found, as damage is.
//
// A name is bound to its contents by what stands inside: a manifest has its agent's id, a block its key.
type sealedFS struct {
	FS
	root  []byte // the key that those of the files come from
	names sealedNames
	boxes sync.Pool // of *sealBox
}

// sealBox has room for the head and a chunk.
type sealBox [sealHead + sealChunk + sealTag]byte

func newSealedFS(below FS, master Key) *sealedFS {
	return &sealedFS{FS: below, root: master.derive("files"), names: newSealedNames(master), boxes: sync.Pool{New: func() any { return new(sealBox) }}}
}

// Create implements [FS]. The file is whole once End, Sync or Close has returned without an error.
func (s *sealedFS) Create(name string) (File, error) {
	f, err := s.FS.Create(s.names.seal(name))
	if err != nil {
		return nil, err
	}
	w := &sealedWriter{File: f, fs: s, box: s.boxes.Get().(*sealBox), from: sealHead, to: sealHead}
	head := append(w.box[:0], sealMagic...)
	head = binary.LittleEndian.AppendUint32(head, sealVersion)
	_, _ = rand.Read(w.box[len(head):sealHead]) // never fails
	w.crypt = s.cryptFor(w.box[:sealHead])
	return w, nil
}

// Open implements [FS].
func (s *sealedFS) Open(name string) (File, error) {
	f, err := s.FS.Open(s.names.seal(name))
	if err != nil {
		return nil, err
	}
	return &sealedReader{File: f, fs: s, left: -1}, nil
}

// Rename implements [FS].
func (s *sealedFS) Rename(from, to string) error {
	return s.FS.Rename(s.names.seal(from), s.names.seal(to))
}

// Remove implements [FS].
func (s *sealedFS) Remove(name string) error { return s.FS.Remove(s.names.seal(name)) }

// List implements [FS]. Names that could be ours and were not made with this key are left out.
func (s *sealedFS) List(dir string, each func(name string)) error {
	return s.FS.List(dir, func(name string) {
		if plain, ok := s.names.open(name); ok {
			each(plain)
		}
	})
}

// sealCrypt seals and opens the chunks of one file in their order.
type sealCrypt struct {
	aead  cipher.AEAD
	head  [sealHead]byte // goes into the tag of every chunk
	count uint64         // chunks so far
}

// cryptFor makes the crypt of a file with that head: every file has a key of its own, so a nonce only has to count its chunks.
func (s *sealedFS) cryptFor(head []byte) *sealCrypt {
	key, err := hkdf.Key(sha256.New, s.root, head[sealHead-sealSalt:], "file", 32)
	if err != nil {
		panic(err) // the length is fine
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // the length is fine
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // AES has the right block size
	}
	return &sealCrypt{aead: aead, head: [sealHead]byte(head)}
}

// nonce returns that of the next chunk, which says whether it is the last one.
func (c *sealCrypt) nonce(last bool) []byte {
	n := make([]byte, 12)
	binary.BigEndian.PutUint64(n[3:], c.count)
	if last {
		n[11] = 1
	}
	c.count++
	return n
}

// seal encrypts a chunk where it is; the tag follows it.
func (c *sealCrypt) seal(chunk []byte, last bool) []byte {
	return c.aead.Seal(chunk[:0], c.nonce(last), chunk, c.head[:])
}

// open decrypts a chunk with its tag into dst, which is at its place or elsewhere.
func (c *sealCrypt) open(dst, chunk []byte, last bool) error {
	if _, err := c.aead.Open(dst[:0], c.nonce(last), chunk, c.head[:]); err != nil {
		return fmt.Errorf("%w: it was not sealed with this key, or was changed since", errDamaged)
	}
	return nil
}

// sealedWriter seals what is written to a file. A chunk goes out once it is known not to be the last one.
type sealedWriter struct {
	File
	fs       *sealedFS
	crypt    *sealCrypt
	box      *sealBox // nil: ended
	from, to int      // the plaintext of the chunk in the box; before it is the head, if that was not written
}

var errEnded = errors.New("the file has ended")

// Write implements [io.Writer].
func (w *sealedWriter) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		if w.box == nil {
			return n, errEnded
		}
		if w.to-w.from == sealChunk {
			if err := w.flush(false); err != nil {
				w.free()
				return n, err
			}
		}
		part := copy(w.box[w.to:w.from+sealChunk], p)
		w.to, n, p = w.to+part, n+part, p[part:]
	}
	return n, nil
}

func (w *sealedWriter) flush(last bool) error {
	sealed := w.from + len(w.crypt.seal(w.box[w.from:w.to], last))
	n, err := w.File.Write(w.box[:sealed])
	if err == nil && n < sealed {
		err = io.ErrShortWrite
	}
	w.from, w.to = 0, 0
	return err
}

func (w *sealedWriter) free() {
	w.fs.boxes.Put(w.box)
	w.box = nil
}

// End implements [ender].
func (w *sealedWriter) End() error {
	if w.box == nil {
		return nil
	}
	defer w.free()
	return w.flush(true)
}

// Sync implements [File].
func (w *sealedWriter) Sync() error {
	if err := w.End(); err != nil {
		return err
	}
	return w.File.Sync()
}

// Close implements [io.Closer].
func (w *sealedWriter) Close() error { return errors.Join(w.End(), w.File.Close()) }

// sealedReader opens what is read from a file. It hands out nothing of a chunk before all of it was checked.
type sealedReader struct {
	File
	fs    *sealedFS
	crypt *sealCrypt // nil before the first chunk
	left  int64      // plaintext that is still sealed; -1: not known yet
	over  bool       // all chunks are open
	box   *sealBox
	rest  []byte // of a chunk in the box
}

// Size implements [File]: the bytes of the plaintext.
func (r *sealedReader) Size() (int64, error) {
	stored, err := r.File.Size()
	if err != nil {
		return 0, err
	}
	size, ok := unsealedSize(stored)
	if !ok {
		return 0, fmt.Errorf("%w: %d bytes cannot be sealed ones", errDamaged, stored)
	}
	if r.left < 0 {
		r.left = size
	}
	return size, nil
}

// Read implements [io.Reader]. A buffer that holds a chunk is decrypted into without a copy.
func (r *sealedReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(r.rest) == 0 {
		if r.over {
			return 0, io.EOF
		}
		if n, err := r.chunk(p); n > 0 || err != nil {
			return n, err
		}
	}
	n := copy(p, r.rest)
	if r.rest = r.rest[n:]; n == 0 {
		return 0, io.EOF // it is empty
	}
	return n, nil
}

// chunk opens the next chunk, into p if it has room for it, which it says by a positive count.
func (r *sealedReader) chunk(p []byte) (int, error) {
	if r.left < 0 {
		if _, err := r.Size(); err != nil {
			return 0, err
		}
	}
	if r.box == nil {
		r.box = r.fs.boxes.Get().(*sealBox)
	}
	n := int(min(r.left, sealChunk))
	sealed := r.box[:n+sealTag]
	if r.crypt == nil {
		sealed = r.box[:sealHead+n+sealTag]
	}
	if _, err := io.ReadFull(r.File, sealed); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("%w: it ends early", errDamaged)
		}
		return 0, err
	}
	if r.crypt == nil {
		if string(sealed[:len(sealMagic)]) != sealMagic || binary.LittleEndian.Uint32(sealed[len(sealMagic):]) != sealVersion {
			return 0, fmt.Errorf("%w: it does not begin like a sealed file", errDamaged)
		}
		r.crypt = r.fs.cryptFor(sealed[:sealHead])
		sealed = sealed[sealHead:]
	}
	to, direct := sealed[:n], len(p) >= n && n > 0
	if direct {
		to = p[:n]
	}
	r.over = r.left == int64(n)
	if err := r.crypt.open(to, sealed, r.over); err != nil {
		return 0, err
	}
	r.left -= int64(n)
	if direct {
		return n, nil
	}
	r.rest = to
	return 0, nil
}

// Close implements [io.Closer].
func (r *sealedReader) Close() error {
	if r.box != nil {
		r.fs.boxes.Put(r.box)
		r.box, r.rest, r.over = nil, nil, true
	}
	return r.File.Close()
}

// sealedSize returns how many bytes a file of n has once it is sealed.
func sealedSize(n int64) int64 {
	chunks := max(1, (n+sealChunk-1)/sealChunk)
	return int64(sealHead) + n + chunks*sealTag
}

// unsealedSize is the reverse of sealedSize, if there is one.
func unsealedSize(stored int64) (int64, bool) {
	chunks := (stored - int64(sealHead) + sealChunk + sealTag - 1) / (sealChunk + sealTag)
	n := stored - int64(sealHead) - chunks*sealTag
	return n, n >= 0 && sealedSize(n) == stored
}
