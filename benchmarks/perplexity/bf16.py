"""Computes texts with mlx-lm in float32 and bfloat16: {"folder", "texts"} on stdin, a JSON list of figures on stdout. Part of benchmarks/perplexity."""

import json
import sys
from pathlib import Path

import mlx.core as mx
import numpy as np
from mlx.utils import tree_map
from mlx_lm.utils import dequantize_model, load_model


def logits(folder, texts, dtype, dequantized):
    model, _ = load_model(Path(folder))
    if dequantized:
        model = dequantize_model(model)
    model.update(tree_map(lambda w: w.astype(dtype) if mx.issubdtype(w.dtype, mx.floating) else w, model.parameters()))
    # One after another: a matrix product in 16 bits takes long, and the memory of many texts at once.
    return [np.array(model(mx.array([t[:-1]]))[0].astype(mx.float32), dtype=np.float64) for t in texts]


def figures(name, rows, reference, texts):
    loss = [np.logaddexp.reduce(r, axis=-1) - np.take_along_axis(r, np.array(t[1:])[:, None], -1)[:, 0] for r, t in zip(rows, texts)]
    off = sum(((r - f) ** 2).sum() for r, f in zip(rows, reference))
    size = sum((f**2).sum() for f in reference)
    another = np.mean(np.concatenate([r.argmax(-1) != f.argmax(-1) for r, f in zip(rows, reference)]))
    return {"Name": name, "Perplexity": np.exp(np.concatenate(loss).mean()), "RMS": np.sqrt(off / size), "Another": another}


def main():
    mx.set_default_device(mx.cpu)
    job = json.load(sys.stdin)
    folder, texts = job["folder"], job["texts"]
    quantized = "quantization" in json.loads((Path(folder) / "config.json").read_text())
    reference = logits(folder, texts, mx.float32, False)
    rows = [("mlx-lm, float32", reference)]
    if quantized:
        rows.append(("mlx-lm, bfloat16, its own quantised product", logits(folder, texts, mx.bfloat16, False)))
    rows.append(("mlx-lm, bfloat16, products summed in float32", logits(folder, texts, mx.bfloat16, True)))
    json.dump([figures(name, r, reference, texts) for name, r in rows], sys.stdout)


main()
