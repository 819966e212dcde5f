"""Writes heldout.jsonl: conversations of held-out values and fillers, for perplexity measurements: python heldout.py."""

import json
import pathlib

from data import CLOSE, HELDOUT_MODULES, OPEN, Generator, doc_sentences

generator = Generator(11, doc_sentences(HELDOUT_MODULES), held=True)
with pathlib.Path("heldout.jsonl").open("w") as f:
    for _ in range(60):
        turns = generator.conversation(2000, 0.3)
        messages = [{"role": role, "content": text.replace(OPEN, "").replace(CLOSE, "")} for role, text in turns]
        f.write(json.dumps({"messages": messages}) + "\n")
