"""Trains the tokenizer: byte-level BPE whose single digits are never merged and whose merges come from prose only.

Values (names, codes) are kept out of the text it learns from, so that an unknown value falls into short pieces like every other one.
"""

import json
import pathlib

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from data import CLOSE, OPEN, SPECIALS, Generator

VOCAB = 2048
# Qwen's pattern: contractions, words with their leading space, one digit at a time, punctuation, white space.
_SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")

CHAT_TEMPLATE = ("{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
                 "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")


def train(docs: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(_SPLIT), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    generator = Generator(7, docs)

    def prose():
        for _ in range(6000):
            for role, text in generator.conversation(300):
                yield text if OPEN not in text else text[:text.index(OPEN)] + text[text.index(CLOSE):]
        yield from docs * 20

    tokenizer.train_from_iterator(prose(), trainers.BpeTrainer(
        vocab_size=VOCAB, special_tokens=SPECIALS, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False, max_token_length=12))
    return tokenizer


def save(tokenizer: Tokenizer, folder: pathlib.Path) -> None:
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 8192, "clean_up_tokenization_spaces": False, "add_bos_token": False,
        "bos_token": None, "eos_token": SPECIALS[2], "pad_token": SPECIALS[0], "unk_token": None, "chat_template": CHAT_TEMPLATE,
        "additional_special_tokens": SPECIALS[1:],
        "added_tokens_decoder": {str(i): {"content": s, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False,
                                          "special": True} for i, s in enumerate(SPECIALS)}}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
