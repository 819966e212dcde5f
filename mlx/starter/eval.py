"""Measures a model folder by greedy generation: python eval.py model [--n 40].

Recall: a fact is stated, unrelated text follows for a number of tokens, the fact is asked for. An answer counts if it contains the value exactly,
not inside a longer word. All values are held out from training (words.held_out and the EVAL_ lists).
"""

import argparse
import pathlib
import random
import re
import time

import jax
import jax.numpy as jnp
import numpy as np
from tokenizers import Tokenizer

import data
import model
from words import Values

DISTANCES = (0, 40, 100, 300, 600, 1000)
BUCKET = 128  # prompts are padded to a multiple of this, so that few shapes are compiled

# kind -> (statements, question, value maker). The first statement of "code word" forms are those of the README and the end-to-end tests.
_CODE_WORD = [("The code word is {v}.", "What is the code word?"), ("My code word is {v}.", "What is my code word?"),
              ("Remember this code word: {v}.", "What is the code word?"), ("Remember this code word: {v}", "What is my code word?")]
KINDS = {
    "pseudo-word": (_CODE_WORD, lambda v: v.pseudo()),
    "name": ([("My name is {v}.", "What is my name?"), ("Hi, I am {v}.", "What is my name?"), ("Call me {v}.", "Who am I?")], lambda v: v.name()),
    "place": ([("I live in {v}.", "Where do I live?"), ("I come from {v}.", "Where do I come from?")], lambda v: v.place()),
    "number": ([("My lucky number is {v}.", "What is my lucky number?"), ("The PIN is {v}.", "What is the PIN?")], lambda v: v.number()),
    "K7QX2": (_CODE_WORD, lambda v: v.mixed()),
    "ZEBRA-42": (_CODE_WORD, lambda v: v.hyphenated()),
}


class Greedy:
    """Batched greedy decoding without a cache; prompts may differ in length."""

    def __init__(self, config, params):
        self.config = config
        self.params = jax.tree.map(jnp.asarray, params)
        self.step = jax.jit(self._step)

    def _step(self, params, ids, at):
        logits = model.hidden(self.config, params, ids)[jnp.arange(ids.shape[0]), at] @ params["embed"].T
        return logits.argmax(-1)

    def generate(self, prompts: list[list[int]], limit: int = 28) -> list[list[int]]:
        out = [None] * len(prompts)
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        width = lambda i: -(-(len(prompts[i]) + limit) // BUCKET) * BUCKET
        for w in sorted({width(i) for i in order}):
            group, rows = [i for i in order if width(i) == w], max(1, 2048 // w)
            for j in range(0, len(group), rows):
                part = group[j:j + rows]
                ids, at = np.zeros((rows, w), np.int32), np.zeros(rows, np.int32)
                for k, i in enumerate(part):
                    ids[k, :len(prompts[i])], at[k] = prompts[i], len(prompts[i]) - 1
                live = np.arange(rows) < len(part)
                for _ in range(limit):
                    token = np.asarray(self.step(self.params, ids, at))
                    live &= ~np.isin(token, (data.IM_END, data.END_OF_TEXT))
                    if not live.any():
                        break
                    at = at + live
                    ids[live, at[live]] = token[live]
                for k, i in enumerate(part):
                    out[i] = ids[k, len(prompts[i]):at[k] + 1].tolist()
        return out


def prompt(encoder, turns) -> list[int]:
    return encoder.encode(turns)[0] + [data.IM_START] + encoder.tokenizer.encode("assistant\n").ids


def contains(answer: str, value: str) -> bool:
    return re.search(r"(?<![\w-])" + re.escape(value) + r"(?![\w-])", answer) is not None


def recall_case(r, values, filler, kind, distance, count):
    """Turns that state a fact, then about `distance` tokens of filler (by `count`), then the question; and the value."""
    forms, make = KINDS[kind]
    (statement, question), value = r.choice(forms), make(values)
    turns = [("system", "You are a helpful assistant.")] if r.random() < 0.5 else []
    turns.append(["user", statement.format(v=value)])
    inside = distance and r.random() < 0.4  # the rest of the message itself is part of the distance
    between, text = 0, ""
    while between < distance:
        text = filler.sentences(min(8, 1 + (distance - between) // 20))
        between += count(text) + (0 if inside else 14)
        if inside:
            turns[-1][1] += " " + text
            inside = False
        else:
            turns += [("assistant", "Understood."), ("user", text)]
    return [tuple(t) for t in turns] + [("assistant", "Understood."), ("user", question)], value


def recall(greedy, encoder, docs, n, distances=DISTANCES, seed=5, show=0):
    count = lambda s: len(encoder.tokenizer.encode(s).ids)
    table = {}
    for distance in distances:
        for kind in KINDS:
            r = random.Random(f"{seed} {distance} {kind}")
            values, filler = Values(r, True), data.Filler(r, docs)
            cases = [recall_case(r, values, filler, kind, distance, count) for _ in range(n)]
            answers = [encoder.tokenizer.decode(a) for a in greedy.generate([prompt(encoder, t) for t, _ in cases])]
            right = [contains(a, v) for a, (_, v) in zip(answers, cases)]
            table[kind, distance] = sum(right) / n
            for (_, v), a, ok in list(zip(cases, answers, right))[:]:
                if not ok and show > 0:
                    print(f"  miss at {distance}: {v!r} -> {a!r}")
                    show -= 1
    return table


def print_table(table, n, distances=DISTANCES):
    print("| kind | " + " | ".join(map(str, distances)) + " |\n| --- |" + " ---: |" * len(distances))
    for kind in KINDS:
        print(f"| {kind} | " + " | ".join(f"{table[kind, d]:.1%}" for d in distances) + " |")
    print("| **all** | " + " | ".join(f"**{np.mean([table[k, d] for k in KINDS]):.1%}**" for d in distances) + f" |\n\nn = {n} for each kind and distance")


def skills(greedy, encoder, docs, n=60, seed=6):
    """Several facts at once, small exercises and questions about things never said, in conversations like those of the training."""
    generator, tests = data.Generator(seed, docs, held=True), {}
    r = generator.r
    for _ in range(n):
        facts = {}
        while len(facts) < 5:
            f = data.make_fact(r, generator.values)
            facts.setdefault(f.about, f)
        told = [("user", " ".join(r.choice(f.statements).replace("{v}", f.value) for f in facts.values())), ("assistant", "Understood.")]
        f = r.choice(list(facts.values()))
        tests.setdefault("one of five facts of one message", []).append((told + [("user", r.choice(f.questions))], f.value))
        user, reply = data.exercise(r, generator.values)
        kind = "repeat" if data.OPEN in reply and "plus" not in reply and "minus" not in reply else "sum" if data.OPEN in reply else "count, list"
        tests.setdefault(kind, []).append(([("user", user)], reply.replace(data.OPEN, "").replace(data.CLOSE, "")))
        user, reply = r.choice(data.QA)
        tests.setdefault("questions about Troupe, greetings", []).append(([("user", r.choice(user))], reply[0]))
        tests.setdefault("asked for what was never said", []).append((told + [generator._unknown(facts)[:1] and ("user", generator._unknown(facts)[0])],
                                                                      "not told me"))
    for kind, cases in tests.items():
        answers = [encoder.tokenizer.decode(a) for a in greedy.generate([prompt(encoder, t) for t, _ in cases], 100)]
        right = sum(want in a for a, (_, want) in zip(answers, cases))
        print(f"| {kind} | {right} of {len(cases)} |")
        for a, (t, want) in zip(answers, cases):
            if want not in a:
                print(f"    e.g. {t[-1][1]!r}: {a!r}, wanted {want!r}")
                break


def main():
    arg = argparse.ArgumentParser(description=__doc__)
    arg.add_argument("folder", type=pathlib.Path)
    arg.add_argument("--n", type=int, default=40)
    arg.add_argument("--distances", type=lambda s: tuple(map(int, s.split(","))), default=DISTANCES)
    arg.add_argument("--show", type=int, default=0, help="print so many misses")
    a = arg.parse_args()
    config, params = model.load(a.folder)
    encoder = data.Encoder(Tokenizer.from_file(str(a.folder / "tokenizer.json")))
    docs, greedy, start = data.doc_sentences(data.HELDOUT_MODULES), Greedy(config, params), time.time()
    print_table(recall(greedy, encoder, docs, a.n, a.distances, show=a.show), a.n, a.distances)
    skills(greedy, encoder, docs)
    print(f"{time.time() - start:.0f} s")


if __name__ == "__main__":
    main()
