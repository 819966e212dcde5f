#!/usr/bin/env python3
"""Makes the models and goldens of this folder with mlx-lm, the reference.

    python3 -m venv /tmp/parity && /tmp/parity/bin/pip install mlx==0.32.4 mlx-cpu==0.32.4 mlx-lm==0.32.2
    /tmp/parity/bin/python make.py [name ...]

Each model is a complete folder, tiny and random. golden.safetensors beside its
weights holds a prompt, the 32 tokens that follow greedily, and the logits that
chose each. The reference computes with float32 activations and cache whatever
the weights are stored in: MLX's 16-bit matmul on CPU is off by percents.

Weights are drawn so that the greedy tokens vary, and a seed is refused if any
choice is so close that rounding could turn it.
"""

import json
import shutil
import sys
from pathlib import Path

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten, tree_map_with_path
from mlx_lm.models.cache import make_prompt_cache
from mlx_lm.utils import _get_classes, load_model, quantize_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

HERE = Path(__file__).parent
PROMPT, TOKENS = 24, 32
MIN_DISTINCT, MIN_MARGIN = 10, 0.02  # of the tokens; of the logits' deviation

BASE = dict(
    hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, vocab_size=256, rms_norm_eps=1e-5, max_position_embeddings=512,
    hidden_act="silu", bos_token_id=1, eos_token_id=2,
)
SMALL = dict(hidden_size=48, intermediate_size=64)  # for float32 files
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64)
YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=64)


def case(family, dtype, quant=None, shards=1, stepwise=False, rewrite=None, quant_rule=None, **config):
    return dict(
        config={**BASE, "model_type": family, **config}, dtype=dtype, quant=quant, quant_rule=quant_rule,
        shards=shards, stepwise=stepwise, rewrite=rewrite or (lambda c: c),
    )


def nest(config):
    """The place of rope keys since transformers 5."""
    scaling = config.pop("rope_scaling", None) or {"rope_type": "default"}
    config["rope_parameters"] = {**scaling, "rope_theta": config.pop("rope_theta")}
    return config


def mixed(path, module):
    """Every kind of entry under "quantization"."""
    if "lm_head" in path or "layers.0.self_attn.o_proj" in path:
        return False
    if "down_proj" in path:
        return {"group_size": 128, "bits": 4, "mode": "affine"}
    if "v_proj" in path:
        return {"group_size": 32, "bits": 8, "mode": "affine"}
    return True


def forget_overrides(config):
    """Leaves one default that is wrong for some layers: shapes must decide."""
    for key in ("quantization", "quantization_config"):
        config[key] = {"group_size": 64, "bits": 4, "mode": "affine"}
    return config


CASES = {
    "llama-f32": case("llama", "float32", **SMALL),
    "llama-f16-linear": case("llama", "float16", rope_scaling=dict(type="linear", factor=2.0), tie_word_embeddings=False),
    "llama-bf16-llama3": case("llama", "bfloat16", rope_scaling=LLAMA3, rope_theta=5e5, tie_word_embeddings=False),
    "llama-f32-dynamic": case("llama", "float32", stepwise=True, tie_word_embeddings=False, rope_scaling=dict(type="dynamic", factor=4.0), **{**SMALL, "max_position_embeddings": 16}),
    "llama-bf16-yarn": case("llama", "bfloat16", rope_scaling={**YARN, "beta_fast": 16, "mscale": 0.8, "mscale_all_dim": 0.4}),
    "llama-f16-longrope": case("llama", "float16", rope_scaling=dict(type="longrope", original_max_position_embeddings=64, short_factor=[1.0] * 8, long_factor=[1 + i / 2 for i in range(8)])),
    "llama-bf16-traditional-biases": case("llama", "bfloat16", rope_traditional=True, attention_bias=True, mlp_bias=True),
    "llama-bf16-window": case("llama", "bfloat16", num_hidden_layers=3, sliding_window=8, layer_types=["sliding_attention", "full_attention", "sliding_attention"]),
    "llama-f16-nested-rope": case("llama", "float16", rope_scaling=LLAMA3, rope_theta=5e5, rewrite=nest),
    "llama-4bit-sharded": case("llama", "bfloat16", quant=(64, 4), shards=3, num_hidden_layers=3, intermediate_size=128),
    "llama-8bit-group32": case("llama", "float16", quant=(32, 8), tie_word_embeddings=False),
    "mistral-bf16-sharded": case("mistral", "bfloat16", shards=2, tie_word_embeddings=False, head_dim=24, sliding_window=None),
    "mistral-4bit-group32": case("mistral", "float16", quant=(32, 4), tie_word_embeddings=False, num_key_value_heads=1),
    "smollm2-bf16": case("llama", "bfloat16", hidden_size=72, num_attention_heads=9, num_key_value_heads=3, tie_word_embeddings=True, rope_theta=1e5),
    "smollm3-bf16": case("smollm3", "bfloat16", num_hidden_layers=4, intermediate_size=64, rope_theta=5e6),
    "smollm3-8bit": case("smollm3", "bfloat16", quant=(64, 8), tie_word_embeddings=False, no_rope_layers=[0, 1, 1], num_hidden_layers=3, intermediate_size=64),
    "qwen2-f16": case("qwen2", "float16", tie_word_embeddings=False, use_sliding_window=False, sliding_window=4, max_window_layers=1),
    "qwen2-4bit-yarn": case("qwen2", "bfloat16", quant=(64, 4), intermediate_size=128, rope_scaling=YARN, rope_theta=1e6),
    "qwen3-bf16-nested-rope": case("qwen3", "bfloat16", head_dim=32, intermediate_size=64, tie_word_embeddings=False, rope_theta=1e6, rewrite=nest),
    "qwen3-mixed": case("qwen3", "bfloat16", quant=(64, 4), quant_rule=mixed, intermediate_size=128, head_dim=16, tie_word_embeddings=False, rope_theta=1e6),
    "qwen3-mixed-inferred": case("qwen3", "float16", quant=(64, 4), quant_rule=mixed, rewrite=forget_overrides, intermediate_size=128, head_dim=16, tie_word_embeddings=False, rope_theta=1e6),
}


def random_model(config, seed):
    """Fan-in scaled weights. The residual branches are stronger than the
    embedding's own logit, or a tied model would repeat its input."""
    rng = np.random.default_rng(seed)
    model_class, args_class = _get_classes(config=config)
    model = model_class(args_class.from_dict(config))

    def draw(path, w):
        n = rng.standard_normal(w.shape).astype(np.float32)
        if "norm" in path:
            return mx.array(1 + 0.1 * n)
        if path.endswith("bias"):
            return mx.array(0.2 * n)
        gain = 0.4 if "embed_tokens" in path else 1.6 if "o_proj" in path or "down_proj" in path else 1.0
        fan_in = 1 if "embed_tokens" in path else w.shape[-1]
        return mx.array(gain * n / np.sqrt(fan_in))

    model.update(tree_map_with_path(draw, model.parameters()))
    return model


def save_weights(folder, model, shards):
    weights = sorted(tree_flatten(model.parameters()))
    if shards == 1:
        mx.save_safetensors(str(folder / "model.safetensors"), dict(weights), metadata={"format": "mlx"})
        return
    index = {"metadata": {"total_size": sum(w.nbytes for _, w in weights)}, "weight_map": {}}
    for i in range(shards):
        name = f"model-{i + 1:05d}-of-{shards:05d}.safetensors"
        part = dict(weights[i::shards])
        mx.save_safetensors(str(folder / name), part, metadata={"format": "mlx"})
        index["weight_map"].update({k: name for k in part})
    write(folder / "model.safetensors.index.json", index)


def save_text(folder):
    """One token per byte, which is all that a vocabulary of 256 has room for."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    write(folder / "generation_config.json", {"eos_token_id": [2, 3], "do_sample": True, "temperature": 0.6, "top_p": 0.9})


def write(path, value):
    path.write_text(json.dumps(value, indent=1) + "\n")


def greedy(model, prompt, stepwise):
    """The tokens, and the row of logits that chose each."""
    cache = make_prompt_cache(model)
    chunks = [[t] for t in prompt] if stepwise else [prompt]
    tokens, rows = [], []
    for chunk in chunks:
        logits = model(mx.array([chunk]), cache=cache)[0, -1]
    for _ in range(TOKENS):
        assert logits.dtype == mx.float32
        rows.append(np.array(logits))
        tokens.append(int(np.argmax(rows[-1])))
        logits = model(mx.array([[tokens[-1]]]), cache=cache)[0, -1]
    return tokens, np.stack(rows)


def well_chosen(tokens, rows):
    best = np.sort(rows, axis=-1)
    margin = np.min((best[:, -1] - best[:, -2]) / rows.std(axis=-1))
    return len(set(tokens)) >= MIN_DISTINCT and margin >= MIN_MARGIN


def make(name, c):
    folder = HERE / name
    prompt = [(37 * i + 11) % c["config"]["vocab_size"] for i in range(PROMPT)]
    for seed in range(200):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        config = dict(c["config"])
        model = random_model(config, seed)
        model.set_dtype(getattr(mx, c["dtype"]))
        if c["quant"]:
            model, config = quantize_model(model, config, *c["quant"], quant_predicate=c["quant_rule"])
        save_weights(folder, model, c["shards"])
        write(folder / "config.json", config)
        model, _ = load_model(folder)
        model.set_dtype(mx.float32)
        tokens, rows = greedy(model, prompt, c["stepwise"])
        if well_chosen(tokens, rows):
            break
    else:
        sys.exit(f"{name}: no seed gives varied tokens")
    write(folder / "config.json", c["rewrite"](config))
    save_text(folder)
    golden = {"prompt": mx.array(prompt, mx.int32), "tokens": mx.array(tokens, mx.int32), "logits": mx.array(rows)}
    mx.save_safetensors(str(folder / "golden.safetensors"), golden)
    size = sum(f.stat().st_size for f in folder.iterdir())
    print(f"{name}: seed {seed}, {len(set(tokens))} distinct tokens, {size // 1024} KB", flush=True)


if __name__ == "__main__":
    mx.set_default_device(mx.cpu)
    for name in sys.argv[1:] or CASES:
        make(name, CASES[name])
