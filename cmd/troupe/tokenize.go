package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

type tokenizeCmd struct {
	modelFlag
}

// Run reads text and prints its token ids as the server would compute them for a prompt: special tokens that are written out in the text count as
// such, and none are added.
func (c *tokenizeCmd) Run(con *console) error {
	folder, err := c.open()
	if err != nil {
		return err
	}
	text, err := io.ReadAll(con.in)
	if err != nil {
		return fmt.Errorf("read the text: %w", err)
	}
	if !utf8.Valid(text) {
		return errors.New("the text on stdin is not valid UTF-8")
	}
	ids := folder.Model.Tokenizer.Encode(string(text), false)
	if ids == nil {
		ids = []int32{}
	}
	return json.NewEncoder(con.out).Encode(ids)
}
