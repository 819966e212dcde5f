"""Trains the starter model and writes the model folder: python train.py --out model --minutes 60.

The initial weights already copy (model.initial). Training therefore goes straight to conversations, with a share of random-pattern copying at
the start, and lengthens them stage by stage. A checkpoint with optimiser state is written every few minutes; --resume continues from one.
"""

import argparse
import pathlib
import pickle
import time
import typing

import jax
import jax.numpy as jnp
import numpy as np
import optax
from tokenizers import Tokenizer

import data
import model
import tokenizer


class Batch(typing.NamedTuple):
    length: int  # tokens of a row
    rows: int
    filler: float  # how much unrelated text lies between what matters
    copying: float  # share of batches that are random patterns
    exercises: float = 0.1  # share of turns that are sums, counting, lists, repeating


# Share of the time at which the stage ends, and the batches it draws from by turns.
STAGES = [
    (0.10, [Batch(192, 24, 0.15, 0.34)]),
    (0.50, [Batch(256, 20, 0.3, 0.05)]),
    (0.80, [Batch(512, 9, 0.45, 0.03)]),
    (1.01, [Batch(1024, 4, 0.6, 0.03)]),
]
PEAK, FLOOR, WARMUP, DECAY = 2e-3, 0.06, 60, 0.5  # learning rate: warm-up steps, then flat, then linear decay over the last DECAY of the time


def optimiser():
    decayed = lambda p: jax.tree.map(lambda x: x.ndim == 2, p)
    return optax.inject_hyperparams(lambda learning_rate: optax.chain(
        optax.clip_by_global_norm(1.0), optax.adamw(learning_rate, b1=0.9, b2=0.97, weight_decay=0.02, mask=decayed)))(learning_rate=0.0)


def make_step(config, opt):
    def loss(p, ids, weights):
        logits, w = model.forward(config, p, ids[:, :-1]), weights[:, 1:]
        ce = optax.softmax_cross_entropy_with_integer_labels(logits, ids[:, 1:])
        value = w >= 0.99
        right = ((logits.argmax(-1) == ids[:, 1:]) & value).sum() / jnp.maximum(value.sum(), 1)
        return (ce * w).sum() / w.sum(), right

    def step(p, state, ids, weights):
        (l, right), g = jax.value_and_grad(loss, has_aux=True)(p, ids, weights)
        updates, state = opt.update(g, state, p)
        return optax.apply_updates(p, updates), state, l, right

    return jax.jit(step, donate_argnums=(0, 1))


def learning_rate(step: int, done: float) -> float:
    return PEAK * min(1.0, (step + 1) / WARMUP) * max(FLOOR, min(1.0, (1 - done) / DECAY))


def main():
    arg = argparse.ArgumentParser(description=__doc__)
    arg.add_argument("--out", type=pathlib.Path, default=pathlib.Path("model"))
    arg.add_argument("--minutes", type=float, default=60)
    arg.add_argument("--seed", type=int, default=1)
    arg.add_argument("--checkpoint", type=pathlib.Path, default=pathlib.Path("/tmp/starter-checkpoint.pkl"))
    arg.add_argument("--resume", action="store_true", help="continue from the checkpoint; its minutes count")
    a = arg.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)

    config, docs = model.Config(), data.doc_sentences(data.DOC_MODULES)
    if not (a.out / "tokenizer.json").exists():
        tokenizer.save(tokenizer.train(docs), a.out)
    encoder = data.Encoder(Tokenizer.from_file(str(a.out / "tokenizer.json")))
    generator, rng = data.Generator(a.seed, docs), np.random.default_rng(a.seed)
    params, opt = model.initial(config), optimiser()
    state, n, tokens, before = opt.init(params), 0, 0, 0.0
    if a.resume:
        params, state, n, tokens, before = pickle.loads(a.checkpoint.read_bytes())
        generator, rng = data.Generator(a.seed + n, docs), np.random.default_rng(a.seed + n)
    step = make_step(config, opt)
    print(f"{sum(x.size for x in jax.tree.leaves(params)):,} parameters", flush=True)

    def write():
        tmp = a.checkpoint.with_suffix(".tmp")
        tmp.write_bytes(pickle.dumps(jax.device_get((params, state, n, tokens, before + time.time() - start))))
        tmp.rename(a.checkpoint)
        model.save(config, params, a.out)

    start = saved = time.time()
    sources, log = {}, []
    while (done := (before + time.time() - start) / (a.minutes * 60)) < 1:
        stage = next(batches for end, batches in STAGES if done < end)
        kind = stage[n % len(stage)]
        if kind not in sources:
            sources[kind] = data.batches(generator, encoder, kind.rows, kind.length, kind.filler, kind.exercises)
        copying = rng.random() < kind.copying
        ids, weights = data.copy_batch(rng, config.vocab, kind.rows, kind.length) if copying else next(sources[kind])
        state.hyperparams["learning_rate"] = jnp.float32(learning_rate(n, done))
        params, state, l, right = step(params, state, ids, weights)
        log.append((float(l), float(right)))
        n, tokens = n + 1, tokens + ids.size
        if n % 20 == 0:
            l, right = np.mean(log, 0)
            print(f"{n:5d} {before + time.time() - start:6.0f}s length {kind.length} tokens {tokens:9,} "
                  f"loss {l:.3f} value tokens right {right:.3f}", flush=True)
            log.clear()
        if time.time() - saved > 150:
            write()
            saved = time.time()
    write()


if __name__ == "__main__":
    main()
