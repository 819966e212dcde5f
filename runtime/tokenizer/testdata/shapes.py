"""The shapes of tokenizer.json in use, each trained small on texts.CORPUS."""

import json

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

import texts

CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
LLAMA3 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
QWEN35 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CL100K = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
DEEPSEEK = [
    r"\p{N}{1,3}",
    r"[一-龥぀-ゟ゠-ヿ]+",
    r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+""",
]
_UP, _LOW = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
O200K = "|".join([
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UP}*{_LOW}+{CONTRACTIONS}?", rf"[^\r\n\p{{L}}\p{{N}}]?{_UP}+{_LOW}*{CONTRACTIONS}?",
    r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"])
KIMI = r"[\p{Han}]+|" + O200K.replace(r"\p{M}]", r"\p{M}&&[^\p{Han}]]")

BYTES = pre_tokenizers.ByteLevel.alphabet()
PLAIN = [AddedToken("<|begin|>", special=True), AddedToken("<|end|>", special=True), AddedToken("<|tool|>", special=False, normalized=False)]
FANCY = [
    AddedToken("<s>", special=True), AddedToken("</s>", special=True, normalized=True), AddedToken("<mask>", lstrip=True, rstrip=True, special=True),
    AddedToken("<left>", lstrip=True, normalized=False), AddedToken("<right>", rstrip=True, normalized=False), AddedToken("word", single_word=True, normalized=False),
    AddedToken("Yesterday", normalized=True), AddedToken("<new token>", normalized=True),
]


def split(regex: str):
    return pre_tokenizers.Split(Regex(regex), "isolated", invert=False)


def byte_level(tok: Tokenizer, *parts) -> None:
    tok.pre_tokenizer = pre_tokenizers.Sequence([*parts, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tok.decoder = decoders.ByteLevel()


def train(tok: Tokenizer, size: int, added=(), alphabet=(), special=()) -> Tokenizer:
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=list(alphabet), special_tokens=list(special), show_progress=False, max_token_length=16)
    tok.train_from_iterator(texts.CORPUS.split("\n") * 2, trainer)
    tok.add_tokens(list(added))
    return tok


def template(tok: Tokenizer, begin: str, end: str | None = None):
    pieces = f"{begin} $A" + (f" {end}" if end else "")
    return processors.TemplateProcessing(single=pieces, pair=pieces + " $B", special_tokens=[(t, tok.token_to_id(t)) for t in (begin, end) if t])


def byte_bpe(regexes, size=620, added=PLAIN, normalizer=None, **model) -> Tokenizer:
    tok = Tokenizer(models.BPE(**model))
    if normalizer:
        tok.normalizer = normalizer
    byte_level(tok)  # merges across the splits, so that every split shows in the ids
    train(tok, size, added, BYTES)
    byte_level(tok, *[split(r) for r in regexes])
    return tok


def sentencepiece(size=600, fallback=True, fuse=True, normalizer=None, pre=None, decoder=None, added=(), drop="") -> Tokenizer:
    """BPE over characters. Characters of drop are taken out of the vocabulary, so that they are unknown."""
    tok = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=fuse, byte_fallback=fallback))
    if normalizer:
        tok.normalizer = normalizer
    if pre:
        tok.pre_tokenizer = pre
    tok.decoder = decoder
    special = ["<unk>", "<s>", "</s>"] + ([f"<0x{b:02X}>" for b in range(256)] if fallback else [])
    train(tok, size, (), (), special)
    f = json.loads(tok.to_str())
    f["added_tokens"] = [a for a in f["added_tokens"] if not a["content"].startswith("<0x")]
    lost = {t for t in f["model"]["vocab"] if len(t) < 6 and any(c in drop for c in t)}
    f["model"]["merges"] = [m for m in f["model"]["merges"] if not {*m, "".join(m)} & lost]
    f["model"]["vocab"] = {t: i for t, i in f["model"]["vocab"].items() if t not in lost}
    tok = Tokenizer.from_str(json.dumps(f))
    tok.add_tokens(list(added))
    return tok


def legacy_merges(tok: Tokenizer) -> str:
    f = json.loads(tok.to_str())
    f["model"]["merges"] = [" ".join(m) for m in f["model"]["merges"]]
    return json.dumps(f, ensure_ascii=False)


def llama2() -> str:
    tok = sentencepiece(
        900, normalizer=normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]), added=[AddedToken("<new token>", normalized=True), AddedToken("Yesterday", normalized=True)],
        decoder=decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]))
    tok.post_processor = template(tok, "<s>")
    return legacy_merges(tok)


def gemma() -> str:
    runs = [AddedToken("\n" * n, normalized=False) for n in range(2, 6)] + [AddedToken("▁" * n, normalized=False) for n in range(2, 6)] + [AddedToken("\t" * 2, normalized=False)]
    tok = sentencepiece(
        700, normalizer=normalizers.Replace(" ", "▁"), pre=pre_tokenizers.Split(" ", "merged_with_previous"), added=runs,
        decoder=decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]))
    tok.post_processor = template(tok, "<s>")
    return tok.to_str()


def metaspace(scheme: str, cut: bool, fancy=(), **kw) -> str:
    tok = sentencepiece(pre=pre_tokenizers.Metaspace("▁", scheme, cut), decoder=decoders.Metaspace("▁", scheme), added=fancy, **kw)
    tok.post_processor = template(tok, "<s>", "</s>")
    return tok.to_str()


def mistral() -> str:
    tok = sentencepiece(pre=pre_tokenizers.Metaspace("▁", "first", False), decoder=decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]), added=FANCY)
    return tok.to_str()


def gpt2(prefix: bool) -> str:
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=True)
    tok.decoder = decoders.ByteLevel()
    train(tok, 500, FANCY, BYTES, ["<s>", "</s>"])
    if prefix:
        tok.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
    return tok.to_str()


def words(normalizer, pre, decoder, post=False, added=FANCY) -> str:
    tok = Tokenizer(models.BPE(unk_token="<unk>"))
    tok.normalizer, tok.pre_tokenizer = normalizer, pre
    if decoder:
        tok.decoder = decoder
    train(tok, 400, added, (), ["<unk>"])
    if post:
        tok.post_processor = processors.BertProcessing(("</s>", tok.token_to_id("</s>")), ("<s>", tok.token_to_id("<s>")))
    return tok.to_str()


def llama3() -> str:
    f = json.loads(byte_bpe([LLAMA3], 800, added=(), ignore_merges=True).to_str())
    # Words that merges do not make: only ignore_merges finds them.
    for w in ["Ġseconds", "Yesterday", "Ġhashtag", "ĠÐ¼Ð¸ÑĢ", "abababababab", "Ġleading"]:
        f["model"]["vocab"].setdefault(w, len(f["model"]["vocab"]))
    tok = Tokenizer.from_str(json.dumps(f))
    tok.add_tokens(PLAIN)
    tok.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), template(tok, "<|begin|>")])
    return tok.to_str()


def gaps() -> str:
    """Ids with gaps and added tokens whose ids in the file are not those that the reference gives."""
    f = json.loads(byte_bpe([QWEN2], 300).to_str())
    f["model"]["vocab"] = {t: i + (5 if i > 270 else 0) for t, i in f["model"]["vocab"].items()}
    for a in f["added_tokens"]:
        a["id"] += 50
    f["truncation"] = {"direction": "Right", "max_length": 100000, "strategy": "LongestFirst", "stride": 0}
    return json.dumps(f, ensure_ascii=False)


def splitter(pattern, behavior: str, invert: bool) -> str:
    tok = Tokenizer(models.BPE(ignore_merges=True))
    byte_level(tok)
    train(tok, 330, PLAIN[:1], BYTES)
    byte_level(tok, pre_tokenizers.Split(pattern, behavior, invert))
    return tok.to_str()


def make() -> dict[str, str]:
    """All shapes by name, as tokenizer.json."""
    n, p, d = normalizers, pre_tokenizers, decoders
    out = {
        "llama3": llama3(),
        "qwen2": byte_bpe([QWEN2], normalizer=n.NFC()).to_str(),
        "qwen35": byte_bpe([QWEN35], 400, normalizer=n.NFC()).to_str(),
        "cl100k": byte_bpe([CL100K], 400).to_str(),
        "deepseek": byte_bpe(DEEPSEEK).to_str(),
        "o200k": byte_bpe([O200K]).to_str(),
        "kimi": byte_bpe([KIMI], 400).to_str(),
        "gpt2": gpt2(False),
        "roberta": gpt2(True),
        "gaps": gaps(),
        "llama2": llama2(),
        "gemma": gemma(),
        "mistral": mistral(),
        "metaspace-always": metaspace("always", True, FANCY),
        "metaspace-first": metaspace("first", True, FANCY, drop="eé你😀"),
        "metaspace-never": metaspace("never", False, fallback=False, fuse=False, size=400, drop="xyz我"),
        "unk-fused": metaspace("always", True, fallback=False, fuse=True, size=400, drop="xyz我"),
        "bert-like": words(
            n.Sequence([n.NFKD(), n.StripAccents(), n.Lowercase(), n.Strip(), n.Replace(Regex(r"\s+"), " ")]),
            p.Sequence([p.WhitespaceSplit(), p.Punctuation(), p.Digits(True)]), None, post=True),
        "words": words(n.NFD(), p.Sequence([p.Whitespace(), p.Digits(False)]), d.Fuse()),
        "strip-first": words(
            n.Sequence([n.NFKC(), n.Strip(left=True, right=False), n.Replace("ab", "ba")]), p.Sequence([p.Punctuation("merged_with_next"), p.Metaspace("▁", "first", True)]),
            d.Sequence([d.Metaspace("▁", "first"), d.Strip("e", 1, 0), d.Fuse(), d.Replace(Regex("[aeiou]+"), "<v>")])),
        "byte-normalizer": None,
    }
    tok = Tokenizer(models.BPE())
    tok.normalizer = n.Sequence([n.NFC(), n.ByteLevel()])
    tok.pre_tokenizer = p.Split(Regex("Ġ"), "merged_with_next")
    tok.decoder = d.ByteLevel()
    out["byte-normalizer"] = train(tok, 400, FANCY, BYTES).to_str()
    for i, b in enumerate(["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]):
        out[f"split-{b}"] = splitter("-" if i % 2 else Regex(r"\s|ab?"), b, False)
        out[f"split-{b}-invert"] = splitter(Regex(r"[a-z]+|\d") if i % 2 else " ", b, True)
    out["split-empty"] = splitter(Regex(r"x*"), "isolated", False)
    out["split-general"] = splitter(Regex(r"(?:[a-z][aeiou])+|(?<=\d)[.,]|^\w+$|(\W)\1"), "contiguous", False)
    return out
