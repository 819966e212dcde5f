"""Generator of the starter model's training data: conversations in which most answers have to be copied from earlier turns.

A conversation is a list of (role, text). In assistant texts the recalled value is enclosed in OPEN and CLOSE; `Encoder` takes the marks out and
gives the tokens between them the full loss weight.
"""

import importlib
import inspect
import random
import re

import numpy as np

from chat import QA, SYSTEM
from words import (ANIMALS, CODE_NOUNS, COLOURS, DAYS, FAVOURITES, FOODS, FRUITS, MONTHS, NAME_NOUNS, NUMBERS, PLACES, RELATIVES, THINGS,
                   Values, pseudo_word)

OPEN, CLOSE = "\x01", "\x02"
END_OF_TEXT, IM_START, IM_END = 0, 1, 2
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]

# ---------------------------------------------------------------------------------------------------------------------------- filler text

_FILL = ["The {a} sat near the {c} {p}.", "Today the weather is calm and the sky is {c}.", "There were {n} boats on the river.",
         "A {c} {a} crossed the road.", "I walked for {n} hours and saw a {a}.", "Please keep it in mind.", "The plan has {n} steps.",
         "Someone left a {c} {t} in the {p}.", "We talked about the {a} for a while.", "On {d} we had {f} and {f2}.",
         "It rained in {m}, so the {p} was empty.", "I bought {n} {f} and a {t}.", "The meeting on {d} took {n} hours.",
         "My friends say that the {p} is too small.", "You can find a {t} in every {p}.", "The {t} is old but it works.",
         "In {m} the {a} sleeps most of the day.", "I think the {c} {t} is better than the {c2} one.", "Then we went home.",
         "The report for {m} is almost done.", "Could the {a} have taken the {t}?", "There is nothing else to say about it."]
DOC_MODULES = ("argparse asyncio collections contextlib csv datetime decimal difflib email functools heapq html http inspect io ipaddress "
                "json logging mailbox numbers os pathlib pickle pprint random re sched shutil smtplib socket statistics string subprocess "
                "tarfile tempfile textwrap threading trace turtle typing unittest urllib.request uuid wave zipfile").split()
HELDOUT_MODULES = "calendar configparser copy fractions gettext imaplib locale optparse queue secrets selectors shelve timeit weakref".split()


def doc_sentences(modules) -> list[str]:
    """Sentences of English prose from the doc strings of the standard library, so that filler is not all made of templates."""
    out = set()
    for name in modules:
        module = importlib.import_module(name)
        members = [module] + [m for _, m in inspect.getmembers(module) if getattr(m, "__module__", None) == name]
        members += [f for c in members[1:] if inspect.isclass(c) for _, f in inspect.getmembers(c, inspect.isfunction)]
        for m in members:
            text = " ".join((inspect.getdoc(m) or "").split())
            for s in re.split(r"(?<=[.!?]) ", text):
                if 30 <= len(s) <= 160 and re.fullmatch(r"[A-Z][A-Za-z ,;'()-]+[.!?]", s):
                    out.add(s)
    return sorted(out)


class Filler:
    def __init__(self, r: random.Random, docs: list[str]):
        self.r, self.docs = r, docs

    def sentence(self) -> str:
        r = self.r
        k = r.random()
        if k < 0.55:
            return r.choice(_FILL).format(a=r.choice(ANIMALS), c=r.choice(COLOURS), c2=r.choice(COLOURS), n=r.choice(NUMBERS), p=r.choice(PLACES),
                                          t=r.choice(THINGS), d=r.choice(DAYS), m=r.choice(MONTHS), f=r.choice(FOODS), f2=r.choice(FOODS))
        if k < 0.9:
            return r.choice(self.docs)
        return " ".join(pseudo_word(r) for _ in range(r.randint(3, 9))).capitalize() + "."

    def sentences(self, n: int) -> str:
        return " ".join(self.sentence() for _ in range(n))


# ---------------------------------------------------------------------------------------------------------------------------------- facts

class Fact:
    """What the user states and later asks for. `about` names the slot, so that a second statement about it replaces the first."""

    def __init__(self, about, statements, questions, answer, value):
        self.about, self.statements, self.questions, self.answer, self.value = about, statements, questions, answer, value


def noun_fact(r: random.Random, noun: str, value: str) -> Fact:
    """ "My code word is X." and its relatives; "my" and "the" may be mixed, the answer follows the question."""
    owner = r.choice(["my", "the", "my", "the", r.choice(["this", "our"])])
    said = owner if owner != "this" else "the"
    cap = said.capitalize()
    statements = [f"{cap} {noun} is {{v}}.", f"{cap} {noun} is {{v}}.", f"{cap} {noun} is {{v}}", f"{said} {noun} is {{v}}",
                  f"Remember that {said} {noun} is {{v}}.", f"Remember {said} {noun}: {{v}}.", f"Remember {said} {noun}: {{v}}",
                  f"{cap} {noun}: {{v}}", f"Please remember: {said} {noun} is {{v}}.", f"{said} {noun} = {{v}}",
                  f"Keep {said} {noun} for me: {{v}}.", f"{{v}} is {said} {noun}.", f"By the way, {said} {noun} is {{v}}.",
                  f"I have chosen {{v}} as {said} {noun}.", f"Note that {said} {noun} is {{v}}, please."]
    if owner == "this":
        statements = [f"Remember this {noun}: {{v}}.", f"Remember this {noun}: {{v}}", f"Please remember this {noun}: {{v}}.",
                      f"Keep this {noun}: {{v}}.", f"Here is a {noun}: {{v}}.", f"I give you this {noun}: {{v}}."]
    asked = r.choice(["the", "my"]) if owner == "this" or r.random() < 0.2 else said
    questions = [f"What is {asked} {noun}?", f"What is {asked} {noun}?", f"What is {asked} {noun}?", f"what is {asked} {noun}",
                 f"What's {asked} {noun}?", f"Tell me {asked} {noun}.", f"Do you remember {asked} {noun}?", f"And what is {asked} {noun}?",
                 f"What was {asked} {noun}?", f"Please tell me {asked} {noun}.", f"Which {noun} did I give you?", f"Can you repeat {asked} {noun}?",
                 f"What is {asked} {noun}? Answer with the {noun} only.", f"Give me {asked} {noun}."]
    question = r.choice(questions)
    answer = {"my": "Your", "our": "Our", "the": "The"}["the" if "Which" in question else asked] + f" {noun} is {{v}}."
    return Fact(noun, statements, [question], "{v}" if "only" in question else answer, value)


def make_fact(r: random.Random, v: Values) -> Fact:
    k = r.random()
    if k < 0.34:
        return noun_fact(r, r.choice(CODE_NOUNS), v.code())
    if k < 0.42:
        return noun_fact(r, r.choice(NAME_NOUNS), v.name() if r.random() < 0.6 else v.place())
    if k < 0.47:
        return noun_fact(r, r.choice(THINGS) + " " + r.choice(["number", "code", "name", "colour", "key"]), v.code())
    if k < 0.58:
        return Fact("name", ["My name is {v}.", "My name is {v}.", "I'm {v}.", "I am {v}.", "Call me {v}.", "You can call me {v}.", "Hi, I am {v}.",
                             "Hello, my name is {v}.", "Hi! My name is {v}.", "my name is {v}", "This is {v} speaking.", "I am called {v}."],
                    ["What is my name?", "What is my name?", "Do you remember my name?", "Who am I?", "Tell me my name.", "What am I called?",
                     "What's my name?", "what is my name"], "Your name is {v}.", v.name())
    if k < 0.63:
        return Fact("favourite colour", ["My favourite colour is {v}.", "I like the colour {v}.", "The colour I love is {v}.",
                                         "My favorite color is {v}."],
                    ["What is my favourite colour?", "Which colour do I like?", "What colour do I love?", "What is my favorite color?"],
                    "Your favourite colour is {v}.", v.colour())
    if k < 0.69:
        n = r.choice(FAVOURITES)
        return Fact("favourite " + n, [f"My favourite {n} is {{v}}.", f"My favorite {n} is {{v}}.", f"The {n} I like best is {{v}}."],
                    [f"What is my favourite {n}?", f"Which {n} do I like best?", f"What is my favorite {n}?"],
                    f"Your favourite {n} is {{v}}.", v.thing())
    if k < 0.76:
        return Fact("home", ["I live in {v}.", "My home is in {v}.", "I come from {v}.", "I am from {v}.", "I have lived in {v} for years."],
                    ["Where do I live?", "Which city am I from?", "Where is my home?", "Where do I come from?", "In which city do I live?"],
                    "You live in {v}.", v.place())
    if k < 0.79:
        return Fact("work", ["I work in {v}.", "My office is in {v}."], ["Where do I work?", "Where is my office?"], "You work in {v}.", v.place())
    if k < 0.84:
        rel = r.choice(RELATIVES)
        return Fact(rel + " lives", [f"My {rel} lives in {{v}}."], [f"Where does my {rel} live?"], f"Your {rel} lives in {{v}}.", v.place())
    if k < 0.91:
        rel = r.choice(RELATIVES + ANIMALS)
        return Fact(rel + " name", [f"My {rel} is called {{v}}.", f"I have a {rel} named {{v}}.", f"My {rel}'s name is {{v}}.",
                                    f"The name of my {rel} is {{v}}."],
                    [f"What is my {rel} called?", f"What is the name of my {rel}?", f"What is my {rel}'s name?"],
                    f"Your {rel} is called {{v}}.", v.name())
    if k < 0.96:
        who, noun = v.name(), r.choice(["code", "code word", "number", "city", "password", "colour"])
        return Fact(who + noun, [f"{who}'s {noun} is {{v}}.", f"The {noun} of {who} is {{v}}."],
                    [f"What is {who}'s {noun}?", f"What is the {noun} of {who}?"], f"{who}'s {noun} is {{v}}.", v.code())
    t = r.choice(THINGS)
    if r.random() < 0.5:
        return Fact(t + " at", [f"The {t} is in {{v}}.", f"I left the {t} in {{v}}."], [f"Where is the {t}?"], f"The {t} is in {{v}}.", v.place())
    return Fact(t + " at", [f"The {t} is in the {{v}}.", f"I put the {t} in the {{v}}."], [f"Where is the {t}?"], f"The {t} is in the {{v}}.",
                r.choice(PLACES))


_ACK = ["Understood.", "Noted.", "I will remember that.", "All right."]

# ------------------------------------------------------------------------------------------------------------------------- small exercises


def exercise(r: random.Random, v: Values) -> tuple[str, str]:
    """One small instruction and its answer."""
    k = r.random()
    if k < 0.25:
        n = r.choice([1, 1, 2, 3, 4, 6, 9])
        w = " ".join(v.code() if r.random() < 0.5 else r.choice([v.word, v.name])() for _ in range(n))
        ask = r.choice(["Repeat after me: {w}", "Repeat: {w}", "Say {w}", "Please repeat: {w}", "Echo {w}", "Say this: {w}", "Repeat this: {w}"])
        return ask.format(w=w), OPEN + w + CLOSE
    if k < 0.30:
        n, w = r.randint(2, 5), v.word()
        return f"Say {w} {NUMBERS[n - 1]} times.", OPEN + " ".join([w] * n) + CLOSE
    if k < 0.60:
        x, y = r.choice([(9, 9), (12, 12), (20, 20)])
        x, y = r.randint(0, x), r.randint(0, y)
        if r.random() < 0.25 and x >= y:
            q, a = r.choice([f"What is {x} minus {y}?", f"What is {x} - {y}?"]), f"{x} minus {y} is {OPEN}{x - y}{CLOSE}."
        else:
            q = r.choice([f"What is {x} plus {y}?", f"What is {x} + {y}?", f"Add {x} and {y}.", f"{x} + {y} = ?"])
            a = f"{x} plus {y} is {OPEN}{x + y}{CLOSE}."
        return q, a
    if k < 0.84:
        lo = r.choice([1, 1, 1, r.randint(2, 60)])
        hi = lo + (r.randint(1, 19) if r.random() < 0.7 else r.randint(20, 60))
        q = [f"Count from {lo} to {hi}.", f"Please count from {lo} to {hi}."]
        if lo == 1:
            q += [f"Count to {hi}.", f"Please count to {hi}.", f"count to {hi}"] + ([f"Count to {NUMBERS[hi - 1]}."] if hi <= 20 else [])
        return r.choice(q), ", ".join(map(str, range(lo, hi + 1))) + "."
    kind, items = r.choice([("colours", COLOURS), ("animals", ANIMALS), ("fruits", FRUITS), ("foods", FOODS)])
    if r.random() < 0.3:
        return r.choice([("List the days of the week.", ", ".join(DAYS) + "."), ("List the months.", ", ".join(MONTHS) + "."),
                         ("Name the months of the year.", ", ".join(MONTHS) + ".")])
    n = r.randint(2, 7)
    return r.choice([f"List {NUMBERS[n - 1]} {kind}.", f"Name {NUMBERS[n - 1]} {kind}.", f"List {n} {kind}."]), ", ".join(items[:n]) + "."


# ---------------------------------------------------------------------------------------------------------------------------- conversations

class Generator:
    """Makes conversations of about a wanted number of characters. Not safe for concurrent use; everything comes from the seed."""

    def __init__(self, seed: int, docs: list[str], held: bool = False):
        self.r = random.Random(seed)
        self.values = Values(self.r, held)
        self.filler = Filler(self.r, docs)

    def conversation(self, chars: int, filler: float = 0.3, exercises: float = 0.1) -> list[tuple[str, str]]:
        """`filler` in 0..1 says how much unrelated text there is between what matters, `exercises` what share of turns are exercises."""
        r = self.r
        turns, facts, unasked, size = [], {}, [], 0
        if r.random() < 0.45:
            system = r.choice(SYSTEM)
            if r.random() < 0.25:
                system += " " + self._state(facts, unasked)
            if r.random() < 0.2:
                system += " " + self.filler.sentences(r.randint(1, 4))
            turns.append(("system", system))
        while size < chars:
            k = r.random()
            if r.random() < exercises:
                user, reply = exercise(r, self.values)
            elif not facts or (k < 0.28 and len(unasked) < 6):
                user, reply = self._statement(facts, unasked, filler)
            elif k < 0.74:
                user, reply = self._question(facts, unasked)
                if r.random() < 0.06:  # statement and question in one message
                    user = self._state(facts, unasked) + " " + user
                elif r.random() < filler * 0.3:
                    user = self.filler.sentences(r.randint(1, 3)) + " " + user
            elif k < 0.79:
                user, reply = self.unknown(facts)
            elif k < 0.87:
                user, reply = r.choice(QA)
                user, reply = r.choice(user), r.choice(reply)
            elif r.random() > filler:
                continue
            else:
                user, reply = self.filler.sentences(r.randint(1, 12)), r.choice(_ACK)
            turns += [("user", user), ("assistant", reply)]
            size += len(user) + len(reply) + 30
        return turns

    def _state(self, facts, unasked) -> str:
        fact = make_fact(self.r, self.values)
        while fact.about in facts and self.r.random() < 0.85:
            fact = make_fact(self.r, self.values)
        if fact.about not in facts:
            unasked.append(fact.about)
        facts[fact.about] = fact
        return self.r.choice(fact.statements).replace("{v}", fact.value)

    def _statement(self, facts, unasked, filler):
        r = self.r
        said = [self._state(facts, unasked) for _ in range(r.choice([1, 1, 1, 1, 2, 2, 3]))]
        if r.random() < 0.05:
            return "Remember this: " + said[-1], r.choice(_ACK)
        parts = []
        for s in said:
            if r.random() < filler:
                parts.append(self.filler.sentences(r.choice([1, 2, 3, 6])))
            parts.append(s)
        if r.random() < filler:
            parts.append(self.filler.sentences(r.choice([1, 2, 3, 6])))
        fact = facts.get("name")
        if len(said) == 1 and fact and fact.value in said[0] and r.random() < 0.5:
            return " ".join(parts), r.choice(["Nice to meet you, {}.", "Hello, {}."]).format(OPEN + fact.value + CLOSE)
        return " ".join(parts), r.choice(_ACK)

    def _question(self, facts, unasked):
        r = self.r
        about = unasked.pop(r.randrange(len(unasked))) if unasked and r.random() < 0.75 else r.choice(list(facts))
        fact = facts[about]
        return r.choice(fact.questions), fact.answer.replace("{v}", OPEN + fact.value + CLOSE)

    def unknown(self, facts):
        """A question about something that is not among `facts`, and the answer that admits it."""
        r = self.r
        fact = make_fact(r, self.values)
        while fact.about in facts or any(fact.about in a or a in fact.about for a in facts):
            fact = make_fact(r, self.values)
        return r.choice(fact.questions), "You have not told me that yet."


# --------------------------------------------------------------------------------------------------------------------------------- tokens

class Encoder:
    """Conversations to token ids and loss weights."""

    VALUE, ANSWER, READ = 1.0, 0.4, 0.03  # weights of recalled values, of other answer tokens, and of text the model only reads

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.newline = tokenizer.encode("\n").ids

    def encode(self, turns) -> tuple[list[int], list[float]]:
        ids, weights = [], []
        for role, text in turns:
            plain = text.replace(OPEN, "").replace(CLOSE, "")
            e = self.tokenizer.encode(role + "\n" + plain)
            head = len(role) + 1
            w = [self.READ] * len(e.ids)
            if role == "assistant":
                lo = head + text.find(OPEN) if OPEN in text else 1 << 30
                hi = head + text.find(CLOSE) - 1 if CLOSE in text else 0
                # The token after the value ends it, so it counts as part of the value.
                w = [self.READ if s < head else self.VALUE if t > lo and s <= hi else self.ANSWER for s, t in e.offsets]
            ids += [IM_START] + e.ids + [IM_END] + self.newline
            end = self.READ if role != "assistant" else self.VALUE if text.endswith(CLOSE) else self.ANSWER
            weights += [self.READ] + w + [end] + [self.READ] * len(self.newline)
        return ids, weights


def batches(generator: Generator, encoder: Encoder, rows: int, length: int, filler: float, exercises: float = 0.1):
    """Yields (ids, weights) of shape [rows, length + 1] without end; each row is one conversation, cut at the end."""
    while True:
        ids, weights = np.zeros((rows, length + 1), np.int32), np.zeros((rows, length + 1), np.float32)
        for i in range(rows):
            x, w = encoder.encode(generator.conversation(int(length * 4.2), filler, exercises))
            n = min(len(x), length + 1)
            ids[i, :n], weights[i, :n] = x[:n], w[:n]
        yield ids, weights


def copy_batch(rng: np.random.Generator, vocab: int, rows: int, length: int):
    """Random patterns, repeated: nothing but copying predicts them."""
    ids, weights = np.empty((rows, length + 1), np.int32), np.zeros((rows, length + 1), np.float32)
    for i in range(rows):
        n = int(rng.integers(8, length // 2))
        pattern = rng.integers(3, vocab, n)
        if rng.random() < 0.5:  # few distinct tokens: one token of context is not enough to find the place
            pattern = rng.choice(rng.integers(3, vocab, max(4, n // 4)), n)
        ids[i] = np.resize(pattern, length + 1)
        weights[i, n + 2:] = 1.0
    return ids, weights
