package persistence

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
)

// Key is what a data folder is encrypted with: 32 random bytes.
type Key [32]byte

// String hides the key.
func (Key) String() string { return "(hidden)" }

// GoString hides it too.
func (k Key) GoString() string { return k.String() }

// LogValue hides it in the log.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// ParseKey reads a key as it stands in a file: 32 bytes as they are, or in hex or base64 and then perhaps with spaces around. Its errors do not repeat it.
func ParseKey(file []byte) (Key, error) {
	if len(file) == len(Key{}) {
		if isText(file) {
			return Key{}, errors.New("32 letters are not 32 random bytes: write the key in hex or base64")
		}
		return Key(file), nil
	}
	text := string(bytes.TrimSpace(file))
	for _, decode := range []func(string) ([]byte, error){
		hex.DecodeString, base64.StdEncoding.DecodeString, base64.RawStdEncoding.DecodeString, base64.URLEncoding.DecodeString, base64.RawURLEncoding.DecodeString,
	} {
		if b, err := decode(text); err == nil && len(b) == len(Key{}) {
			return Key(b), nil
		}
	}
	return Key{}, errors.New("a key is 32 random bytes, as they are, in hex or in base64")
}

func isText(b []byte) bool {
	return !bytes.ContainsFunc(b, func(r rune) bool { return (r < ' ' || r > '~') && r != '\t' && r != '\n' && r != '\r' })
}

// derive returns the key for one purpose.
func (k Key) derive(purpose string) []byte {
	b, err := hkdf.Key(sha256.New, k[:], nil, "troupe data folder, format 1: "+purpose, 32)
	if err != nil {
		panic(err) // the length is fine
	}
	return b
}

const (
	sealMark      = "SEALED" // the file that says that a folder is encrypted
	sealMarkMagic = "troupe-k"
)

// seals puts encryption between the store and its folder if there is a key. A folder is encrypted from its beginning or never: it fails, and has changed nothing,
// if the key is another one than before, or was or is none.
func (d *Disk) seals(key *Key) error {
	mark, err := d.read(sealMark, 1<<10)
	unmarked := errors.Is(err, fs.ErrNotExist)
	switch {
	case err != nil && !unmarked:
		return fmt.Errorf("%s: %w", sealMark, err)
	case unmarked:
		if err := d.neverSealed(); err != nil || key == nil {
			return err
		}
		if err := d.mark(*key); err != nil {
			return err
		}
	default:
		check, err := unseal(sealMarkMagic, mark)
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", sealMark, err)
		case key == nil:
			return errors.New("it is encrypted and there is no key: --data-key names the file with it")
		case subtle.ConstantTimeCompare(check, key.derive("check")) != 1:
			return errors.New("it is encrypted with another key")
		}
	}
	d.fs = newSealedFS(d.fs, *key)
	d.stored = sealedSize
	return nil
}

// neverSealed fails if a folder without a mark has agents that are encrypted: it would look like one that is not, and empty.
func (d *Disk) neverSealed() error {
	never := true
	if err := d.fs.List("agents", func(name string) { never = never && !strings.HasSuffix(name, manifestEnds+sealEnds) }); err != nil {
		return err
	}
	if !never {
		return errors.New("it is encrypted, but its file " + sealMark + " is missing: copy that of another folder with the same key")
	}
	return nil
}

// mark begins an encrypted folder.
func (d *Disk) mark(key Key) error {
	for _, dir := range []string{"agents", "blocks", "quarantine"} {
		empty := true
		if err := d.fs.List(dir, func(string) { empty = false }); err != nil {
			return err
		}
		if !empty {
			return errors.New("it has contents and is not encrypted, and a key does not change that: export its agents into an encrypted one")
		}
	}
	const temp = "tmp/" + sealMark
	if err := d.remove(temp); err != nil {
		return err
	}
	f, err := d.write(temp, seal(sealMarkMagic, key.derive("check")))
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := d.fs.Rename(temp, sealMark); err != nil {
		return err
	}
	return d.fs.SyncDir(".")
}
