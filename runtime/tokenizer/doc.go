// Package tokenizer turns text into token ids and back, as a Hugging Face
// tokenizer.json describes it.
//
// The reference is the `tokenizers` library, release 0.23: for every file that
// [Parse] accepts, Encode and Decode give what its encode and decode give. The
// goldens in testdata were written by that library.
//
// # Pipeline
//
//	text ─▶ added tokens ─▶ normaliser ─▶ added tokens ─▶ pre-tokeniser ─▶ BPE ─▶ post-processor ─▶ ids
//	         (verbatim)                   (normalised)
//	ids ─▶ token strings ─▶ decoder ─▶ text
//
// # What is read
//
//   - model: BPE, with byte_fallback, unk_token, fuse_unk, ignore_merges and both
//     spellings of merges. Unigram, WordPiece, WordLevel, dropout and the sub-word
//     prefix and suffix are refused.
//   - normaliser: Sequence, NFC, NFD, NFKC, NFKD, Lowercase, Strip, StripAccents,
//     Prepend, Replace, ByteLevel.
//   - pre-tokeniser: Sequence, Split, ByteLevel, Metaspace, Digits, Punctuation,
//     Whitespace, WhitespaceSplit.
//   - post-processor: Sequence, TemplateProcessing, ByteLevel, BertProcessing,
//     RobertaProcessing.
//   - decoder: Sequence, ByteLevel, Metaspace, Replace, ByteFallback, Fuse, Strip.
//
// Any other node is an error that names it. The truncation and padding sections are
// ignored, as transformers does when it is called without such options: a server
// that cut a prompt silently would answer another question.
//
// # Time and memory
//
// Encoding takes O(n log n) time for n bytes of text, whatever the text. A regular
// expression of the file that is not of the usual kind (see compileRuns) runs on
// regexp2 under a time limit; when it strikes, the rest of the text is one piece.
// A Tokenizer holds the file's vocabulary and a word cache of fixed size.
package tokenizer
