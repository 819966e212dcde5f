"""Trains small tokenizers of every shape that the package reads and writes what the reference makes of texts.

    python -m venv v && v/bin/pip install -r requirements.txt && v/bin/python make_goldens.py

writes goldens/NAME.tokenizer.json (the file to parse) and goldens/NAME.cases.json:
  ids      per text of goldens/texts.json; special tokens are added for texts of odd index
  decoded  per text, what decode gives for those ids, skipping special tokens where the index is a multiple of 3;
           null where that is the text itself
  random   [ids, decoded with special tokens, decoded without]
Other arguments are tokenizer.json files: cases for them go to the folder that --out names (see golden_test.go).
"""

import argparse
import json
import pathlib
import random

from tokenizers import Tokenizer

import shapes
import texts


def cases(tok: Tokenizer, seed: int, strings: list[str], randoms: int) -> dict:
    ids, decoded = [], []
    for i, s in enumerate(strings):
        e = tok.encode(s, add_special_tokens=i % 2 == 1).ids
        d = tok.decode(e, skip_special_tokens=i % 3 == 0)
        ids.append(e)
        decoded.append(None if d == s else d)
    rng = random.Random(seed)
    top = max(tok.get_vocab(with_added_tokens=True).values())
    rare = [i for i in range(top + 2) if tok.id_to_token(i) is None or not tok.id_to_token(i).isascii() or tok.id_to_token(i).startswith("<")]
    out = []
    for _ in range(randoms):
        seq = [rng.choice(rare) if rare and rng.random() < 0.4 else rng.randint(0, top + 1) for _ in range(rng.randint(0, 14))]
        out.append([seq, tok.decode(seq, skip_special_tokens=False), tok.decode(seq, skip_special_tokens=True)])
    return {"ids": ids, "decoded": decoded, "random": out}


def dump(path: pathlib.Path, value) -> None:
    # Surrogates cannot occur: the reference only takes and gives valid text.
    path.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("files", nargs="*", type=pathlib.Path)
    ap.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent / "goldens")
    ap.add_argument("--fuzz", type=int, default=110)
    args = ap.parse_args()
    strings = texts.FIXED + texts.fuzz(7, args.fuzz)
    args.out.mkdir(exist_ok=True, parents=True)
    dump(args.out / "texts.json", strings)
    if args.files:
        made = {f.parent.parent.name if f.name == "tokenizer.json" else f.stem: f.read_text(encoding="utf-8") for f in args.files}
    else:
        made = shapes.make()
    for seed, (name, text) in enumerate(made.items()):
        tok = Tokenizer.from_str(text)
        (args.out / f"{name}.tokenizer.json").write_text(text, encoding="utf-8")
        dump(args.out / f"{name}.cases.json", cases(tok, seed, strings, 40 if not args.files else 400))
        print(f"{name:20} vocab {tok.get_vocab_size():6} file {len(text.encode()) // 1024:4} KB")


if __name__ == "__main__":
    main()
