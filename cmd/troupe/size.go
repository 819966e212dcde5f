package main

import (
	"fmt"
	"math"

	"github.com/dustin/go-humanize"
)

// byteSize is an amount of memory on the command line: 2GiB, 512MiB, 1.5GB or a plain number of bytes. "auto" and 0 leave the choice to the machine; see engineFlags.fit.
type byteSize int64

// UnmarshalText implements [encoding.TextUnmarshaler].
func (b *byteSize) UnmarshalText(text []byte) error {
	if string(text) == "auto" {
		*b = 0
		return nil
	}
	n, err := humanize.ParseBytes(string(text))
	if err != nil || n > math.MaxInt64 {
		return fmt.Errorf("%q is not an amount of memory; write it like 2GiB or 512MiB", text)
	}
	*b = byteSize(n)
	return nil
}

// String writes the size with binary units.
func (b byteSize) String() string { return humanize.IBytes(uint64(b)) }
