package persistence

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// sealEnds is what the names of sealed files end with, after what they end with otherwise.
const sealEnds = ".sealed"

// sealedNames hides what the names of files say: the hash of an agent's id, which can be guessed, and the key of a block, which is a hash of what was said. It
// is a synthetic-IV cipher of AES-CTR and HMAC-SHA256: equal names are sealed alike, so that a file is found, and nobody else can make one.
type sealedNames struct {
	mac   []byte
	block cipher.Block
}

func newSealedNames(master Key) sealedNames {
	block, err := aes.NewCipher(master.derive("names"))
	if err != nil {
		panic(err) // the length is fine
	}
	return sealedNames{mac: master.derive("IVs of names"), block: block}
}

// iv is that of a name of 32 bytes which ends so.
func (s sealedNames) iv(raw []byte, ends string) []byte {
	h := hmac.New(sha256.New, s.mac)
	h.Write([]byte(ends)) // never fails
	h.Write(raw)
	return h.Sum(nil)[:aes.BlockSize]
}

// seal returns the name below of a file. The names of folders, and those of files that say nothing, stay.
func (s sealedNames) seal(name string) string {
	slash := strings.LastIndexByte(name, '/') + 1
	raw, ends, ok := plainName(name[slash:])
	if !ok {
		return name
	}
	iv := s.iv(raw, ends)
	cipher.NewCTR(s.block, iv).XORKeyStream(raw, raw)
	return name[:slash] + hex.EncodeToString(append(iv, raw...)) + ends + sealEnds
}

// open is the reverse of seal for a name within its folder. It is not ok if the name may not stand there, or was sealed with another key.
func (s sealedNames) open(name string) (plain string, ok bool) {
	sealed, is := strings.CutSuffix(name, sealEnds)
	if !is {
		_, _, mine := plainName(name)
		return name, !mine
	}
	raw, ends, ok := splitName(sealed, aes.BlockSize+keyBytes)
	if !ok {
		return "", false
	}
	iv, raw := raw[:aes.BlockSize], raw[aes.BlockSize:]
	cipher.NewCTR(s.block, iv).XORKeyStream(raw, raw)
	return hex.EncodeToString(raw) + ends, hmac.Equal(iv, s.iv(raw, ends))
}

// plainName takes apart the name of a manifest or a block.
func plainName(name string) (raw []byte, ends string, ok bool) { return splitName(name, keyBytes) }

// splitName takes apart a name of so many bytes in hex.
func splitName(name string, bytes int) (raw []byte, ends string, ok bool) {
	if len(name) < 2*bytes {
		return nil, "", false
	}
	digits, ends := name[:2*bytes], name[2*bytes:]
	if ends != manifestEnds && ends != blockEnds {
		return nil, "", false
	}
	raw, err := hex.DecodeString(digits)
	return raw, ends, err == nil && hex.EncodeToString(raw) == digits
}
