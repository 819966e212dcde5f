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

# kind -> (forms of statement, question and expected answer; value maker). The code words are asked as the README and the end-to-end tests do.
_CODE_WORD = [("The code word is {v}.", "What is the code word?", "The code word is {v}."),
              ("My code word is {v}.", "What is my code word?", "Your code word is {v}."),
              ("Remember this code word: {v}.", "What is the code word?", "The code word is {v}."),
              ("Remember this code word: {v}", "What is my code word?", "Your code word is {v}.")]
KINDS = {
    "pseudo-word": (_CODE_WORD, lambda v: v.pseudo()),
    "name": ([(f, q, "Your name is {v}.") for f in ("My name is {v}.", "Hi, I am {v}.", "Call me {v}.")
              for q in ("What is my name?", "Who am I?")], lambda v: v.name()),
    "place": ([(f, q, "You live in {v}.") for f in ("I live in {v}.", "I come from {v}.")
               for q in ("Where do I live?", "Where do I come from?")], lambda v: v.place()),
    "number": ([("My lucky number is {v}.", "What is my lucky number?", "Your lucky number is {v}."),
                ("The PIN is {v}.", "What is the PIN?", "The PIN is {v}.")], lambda v: v.number()),
    "K7QX2": (_CODE_WORD, lambda v: v.mixed()),
    "ZEBRA-42": (_CODE_WORD, lambda v: v.hyphenated()),
}


class Greedy:
    """Greedy answers, batched, without a cache.

    One forward pass over prompt and expected answer tells whether greedy decoding gives exactly that answer, because each token is then the
    argmax after the ones before it. Only the others are generated token by token.
    """

    def __init__(self, config, params):
        self.params = params
        self._argmax = jax.jit(lambda p, ids: model.forward(config, p, ids).argmax(-1))
        self._next = jax.jit(lambda p, ids, at: (model.hidden(config, p, ids)[jnp.arange(ids.shape[0]), at] @ p["embed"].T).argmax(-1))

    def answers(self, encoder, conversations, expected, limit: int = 40) -> list[str]:
        out = list(expected)
        prompts = [prompt(encoder, t) for t in conversations]
        wanted = [encoder.tokenizer.encode(e).ids + [data.IM_END] for e in expected]
        for width, rows in self._groups([len(p) + len(w) for p, w in zip(prompts, wanted)]):
            ids = np.zeros((max(1, 4096 // width), width), np.int32)
            for k, i in enumerate(rows):
                ids[k, :len(prompts[i]) + len(wanted[i])] = prompts[i] + wanted[i]
            best = np.asarray(self._argmax(self.params, ids))
            for k, i in enumerate(rows):
                at = len(prompts[i]) - 1
                if best[k, at:at + len(wanted[i])].tolist() != wanted[i]:
                    out[i] = None
        missed = [i for i, a in enumerate(out) if a is None]
        for i, a in zip(missed, self._generate([prompts[i] for i in missed], limit)):
            out[i] = encoder.tokenizer.decode(a)
        return out

    @staticmethod
    def _groups(lengths):
        """Yields (padded width, indices of rows) with about 4,096 positions in each group."""
        widths = [-(-n // BUCKET) * BUCKET for n in lengths]
        for width in sorted(set(widths)):
            rows = [i for i, w in enumerate(widths) if w == width]
            size = max(1, 4096 // width)
            for j in range(0, len(rows), size):
                yield width, rows[j:j + size]

    def _generate(self, prompts, limit: int) -> list[list[int]]:
        out = [None] * len(prompts)
        for width, rows in self._groups([len(p) + limit for p in prompts]):
            ids, at = np.zeros((len(rows), width), np.int32), np.zeros(len(rows), np.int32)
            for k, i in enumerate(rows):
                ids[k, :len(prompts[i])], at[k] = prompts[i], len(prompts[i]) - 1
            live = np.ones(len(rows), bool)
            for _ in range(limit):
                token = np.asarray(self._next(self.params, ids, at))
                live &= ~np.isin(token, (data.IM_END, data.END_OF_TEXT))
                if not live.any():
                    break
                at = at + live
                ids[live, at[live]] = token[live]
            for k, i in enumerate(rows):
                out[i] = ids[k, len(prompts[i]):at[k] + 1].tolist()
        return out


def prompt(encoder, turns) -> list[int]:
    return encoder.encode(turns)[0] + [data.IM_START] + encoder.tokenizer.encode("assistant\n").ids


def contains(answer: str, value: str) -> bool:
    return re.search(r"(?<![\w-])" + re.escape(value) + r"(?![\w-])", answer) is not None


def recall_case(r, values, filler, kind, distance, count):
    """Turns that state a fact, then about `distance` tokens of filler (by `count`), then the question; the value; the answer that is
    expected word for word."""
    forms, make = KINDS[kind]
    (statement, question, answer), value = r.choice(forms), make(values)
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
    return [tuple(t) for t in turns] + [("assistant", "Understood."), ("user", question)], value, answer.format(v=value)


def recall(greedy, encoder, docs, n, distances=DISTANCES, seed=5, show=0):
    count = lambda s: len(encoder.tokenizer.encode(s).ids)
    table = {}
    for distance in distances:
        for kind in KINDS:
            r = random.Random(f"{seed} {distance} {kind}")
            values, filler = Values(r, True), data.Filler(r, docs)
            cases = [recall_case(r, values, filler, kind, distance, count) for _ in range(n)]
            answers = greedy.answers(encoder, [t for t, _, _ in cases], [e for _, _, e in cases])
            right = [contains(a, v) for a, (_, v, _) in zip(answers, cases)]
            table[kind, distance] = sum(right) / n
            for (_, v, _), a, ok in zip(cases, answers, right):
                if not ok and show > 0:
                    print(f"  miss at {distance}: {v!r} -> {a!r}")
                    show -= 1
    return table


def print_table(table, n, distances=DISTANCES):
    print("| kind | " + " | ".join(map(str, distances)) + " |\n| --- |" + " ---: |" * len(distances))
    for kind in KINDS:
        print(f"| {kind} | " + " | ".join(f"{table[kind, d]:.1%}" for d in distances) + " |")
    means = [np.mean([table[k, d] for k in KINDS]) for d in distances]
    print("| **all** | " + " | ".join(f"**{m:.1%}**" for m in means) + f" |\n\nn = {n} for each kind and distance\n")


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
        tests.setdefault("one of five facts of one message", []).append(
            (told + [("user", r.choice(f.questions))], f.value, f.answer.replace("{v}", f.value)))
        user, reply = data.exercise(r, generator.values)
        kind = "repeat" if data.OPEN in reply and "plus" not in reply and "minus" not in reply else "sum" if data.OPEN in reply else "count, list"
        reply = reply.replace(data.OPEN, "").replace(data.CLOSE, "")
        tests.setdefault(kind, []).append(([("user", user)], reply, reply))
        user, reply = r.choice(data.QA)
        tests.setdefault("questions about Troupe, greetings", []).append(([("user", r.choice(user))], reply[0], reply[0]))
        user, reply = generator.unknown(facts)
        tests.setdefault("asked for what was never said", []).append((told + [("user", user)], "not told me", reply))
    for kind, cases in tests.items():
        answers = greedy.answers(encoder, [t for t, _, _ in cases], [e for _, _, e in cases])
        right = sum(want in a for a, (_, want, _) in zip(answers, cases))
        print(f"| {kind} | {right} of {len(cases)} |")
        for a, (t, want, _) in zip(answers, cases):
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
