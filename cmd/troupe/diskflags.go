package main

import (
	"errors"
	"time"
)

// diskFlags are the settings of the memory that lasts.
type diskFlags struct {
	Data       string        `placeholder:"DIR" help:"Folder for what outlives the process, made if missing; by default troupe in the user's data folder."`
	DataKey    string        `placeholder:"FILE" help:"File with 32 random bytes, as they are, in hex or in base64, which encrypt the data folder. It must be new, or encrypted with them."`
	DiskBudget byteSize      `default:"16GiB" placeholder:"SIZE" help:"Most bytes of saved agents, the least recently used of which go first; 0 is no limit (${default})."`
	IdleSave   time.Duration `default:"5s" placeholder:"TIME" help:"An agent is saved when it has been idle for so long; a crash costs at most the turns since then (${default})."`
	MaxShare   float64       `default:"0.5" placeholder:"PART" help:"Part of the KV pool that one idle agent, or the idle agents of one key, may hold before they go to disk ahead of others (${default})."`
}

func (f *diskFlags) validate() error {
	if f.IdleSave <= 0 {
		return errors.New("--idle-save must be positive")
	}
	if f.MaxShare <= 0 || f.MaxShare > 1 {
		return errors.New("--max-share must be above 0 and at most 1")
	}
	return nil
}
