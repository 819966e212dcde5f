// Package persistence keeps what must outlive the process: [Disk] is a [runtime.Store] in a folder. FORMAT.md has the bytes.
//
// # What is on disk
//
//	LOCK          held by the process that has the folder
//	agents/       one manifest for each agent: its tokens and the keys of its blocks
//	blocks/       one safetensors file for each block, named by its key; agents that have a block in common share the file
//	quarantine/   the last few files that were found damaged
//	tmp/          files that are being written; emptied at start
//	wear          how many bytes were ever written
//	SEALED        there if the folder is encrypted
//
// # Why a kill loses nothing
//
// Save writes the new blocks and the new manifest under temporary names, renames the blocks, and makes all of it durable at once. Only then does it rename the
// manifest over the old one, and return when that is durable too. Before the rename the old manifest holds and every block that it names is
// untouched; after it the new one does. Files are removed only when no durable manifest names them: manifests go first, then their folder is
// synced, then the blocks go. Whatever a kill leaves behind that no manifest names is removed after the next Open.
//
// Every file has a checksum over all its bytes and is checked each time before it is used. A damaged one is moved to the quarantine and counts as not
// there, so that it is computed and saved anew.
//
// # Encryption
//
// With a key all contents and the names that say something are encrypted, by an [FS] between the store and the folder; nothing else knows of it.
//
// # Who may do what at a time
//
// change is held by whoever changes the folder (Save, Delete), for as long as that takes, and from Open until the files of blocks are compared with the
// manifests; mu protects what is in memory, and is held for no longer than a rename. Lock order: change, mu. Manifest and Block take mu only, and never
// while they read.
package persistence
