#!/usr/bin/env python3
"""Makes the models of the benchmarks in .models/ (which git ignores).

    python3 -m venv .venv && .venv/bin/pip install -r benchmarks/models/requirements.txt
    .venv/bin/python benchmarks/models/make.py [name ...]

smollm2-135m, llama-3.2-1b: the shapes of SmolLM2-135M and Llama-3.2-1B with random weights, as folders that Troupe and mlx-lm load:

    NAME-4bit        affine 4 bits in groups of 64, scales in bfloat16: what mlx_lm.convert makes of the real models
    NAME-4bit-f32    the same numbers with scales and norms in float32, so that mlx-lm computes in float32
    NAME-f32         the same numbers as plain float32 weights (5 GB for the 1B shape; made only when asked for by its full name)

starter-4bit, starter-8bit: the embedded starter model, quantised by mlx-lm.

Every weight is scale * (q - 8), with scales that bfloat16 and float16 both hold. So make_gguf.py writes exactly the same model as Q4_0, and all
programs that are compared compute the same function.
"""

import json
import math
import shutil
import sys
from pathlib import Path

import mlx.core as mx
import numpy as np
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / ".models"
GROUP = 64
DEVIATION = math.sqrt(21.5)  # of q - 8, with q uniform in 0..15, about zero
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"  # nothing but the text, so that lengths are exact

COMMON = dict(
    architectures=["LlamaForCausalLM"], model_type="llama", head_dim=64, rms_norm_eps=1e-5, hidden_act="silu", attention_bias=False,
    mlp_bias=False, tie_word_embeddings=True, bos_token_id=None, eos_token_id=[2], pad_token_id=0,
)
SHAPES = {
    "smollm2-135m": dict(
        vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9, num_key_value_heads=3,
        rope_theta=100000.0, rope_scaling=None, max_position_embeddings=8192,
    ),
    "llama-3.2-1b": dict(
        vocab_size=128256, hidden_size=2048, intermediate_size=8192, num_hidden_layers=16, num_attention_heads=32, num_key_value_heads=8,
        rope_theta=500000.0, max_position_embeddings=131072,
        rope_scaling=dict(rope_type="llama3", factor=32.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=8192),
    ),
}


def matrices(c):
    """Name, rows, columns and gain of every linear layer. The branches are stronger than the embedding's own logit, or the model would repeat its input."""
    hidden, inner = c["hidden_size"], c["intermediate_size"]
    queries, keys = c["num_attention_heads"] * c["head_dim"], c["num_key_value_heads"] * c["head_dim"]
    yield "model.embed_tokens", c["vocab_size"], hidden, 0.4 * math.sqrt(hidden)
    for i in range(c["num_hidden_layers"]):
        at = f"model.layers.{i}."
        yield at + "self_attn.q_proj", queries, hidden, 1.0
        yield at + "self_attn.k_proj", keys, hidden, 1.0
        yield at + "self_attn.v_proj", keys, hidden, 1.0
        yield at + "self_attn.o_proj", hidden, queries, 1.6
        yield at + "mlp.gate_proj", inner, hidden, 1.0
        yield at + "mlp.up_proj", inner, hidden, 1.0
        yield at + "mlp.down_proj", hidden, inner, 1.6


def norms(c):
    yield "model.norm"
    for i in range(c["num_hidden_layers"]):
        yield f"model.layers.{i}.input_layernorm"
        yield f"model.layers.{i}.post_attention_layernorm"


def draw(c, seed):
    """The numbers of a model: name -> (packed words, scales) of the linear layers, name -> weights of the norms; floats as bfloat16."""
    rng = np.random.default_rng(seed)
    linear = {}
    for name, rows, columns, gain in matrices(c):
        words = rng.integers(0, 2**32, (rows, columns // 8), dtype=np.uint32)
        scales = gain / math.sqrt(columns) / DEVIATION * rng.uniform(0.7, 1.3, (rows, columns // GROUP))
        linear[name] = mx.array(words), mx.array(scales.astype(np.float32)).astype(mx.bfloat16)
    return linear, {n: mx.array(rng.normal(1, 0.1, c["hidden_size"]).astype(np.float32)).astype(mx.bfloat16) for n in norms(c)}


def quantised(linear, norm, dtype):
    """The tensors of the folder of a quantised model."""
    tensors = {name + ".weight": w.astype(dtype) for name, w in norm.items()}
    for name, (words, scales) in linear.items():
        tensors |= {name + ".weight": words, name + ".scales": scales.astype(dtype), name + ".biases": (-8 * scales).astype(dtype)}
    return tensors


def plain(linear, norm):
    """The same as float32 weights."""
    tensors = {name + ".weight": w.astype(mx.float32) for name, w in norm.items()}
    for name, (words, scales) in linear.items():
        s = scales.astype(mx.float32)
        tensors[name + ".weight"] = mx.dequantize(words, s, -8 * s, GROUP, 4)
        mx.eval(tensors[name + ".weight"])
    return tensors


def vocabulary(size):
    """One token for each byte, so that the length of a prompt is the number of its bytes. The rest is never made of a text, only generated."""
    tokens = SPECIAL + sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("Ā", "Ā")]  # two zero bytes: some programs want at least one merge
    tokens.append("ĀĀ")
    return tokens + [f"w{i:06d}" for i in range(len(tokens), size)], merges


def write_text(folder, size):
    tokens, merges = vocabulary(size)
    tokenizer = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=merges))
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIAL])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    write(folder / "tokenizer_config.json", dict(
        tokenizer_class="PreTrainedTokenizerFast", clean_up_tokenization_spaces=False, add_bos_token=False, bos_token=None,
        eos_token=SPECIAL[2], pad_token=SPECIAL[0], chat_template=TEMPLATE,
    ))
    write(folder / "generation_config.json", dict(eos_token_id=[2], pad_token_id=0))


def write(path, value):
    path.write_text(json.dumps(value, indent=1) + "\n")


def write_model(name, config, tensors):
    folder = OUT / name
    folder.mkdir(parents=True, exist_ok=True)
    mx.save_safetensors(str(folder / "model.safetensors"), tensors, metadata={"format": "mlx"})
    write(folder / "config.json", config)
    write_text(folder, config["vocab_size"])
    print(f"{folder.relative_to(ROOT)}: {(folder / 'model.safetensors').stat().st_size / 2**20:.0f} MiB")


def make(name):
    for shape, config in SHAPES.items():
        if not name.startswith(shape):
            continue
        config = COMMON | config
        linear, norm = draw(config, seed=1)
        form = {"group_size": GROUP, "bits": 4, "mode": "affine"}
        packed = config | dict(quantization=form, quantization_config=form)
        if name in (shape, shape + "-4bit"):
            write_model(shape + "-4bit", packed | dict(torch_dtype="bfloat16"), quantised(linear, norm, mx.bfloat16))
        if name in (shape, shape + "-4bit-f32"):
            write_model(shape + "-4bit-f32", packed | dict(torch_dtype="float32"), quantised(linear, norm, mx.float32))
        if name == shape + "-f32":
            write_model(name, config | dict(torch_dtype="float32"), plain(linear, norm))
        return
    if name in ("starter-4bit", "starter-8bit"):
        return make_starter(name)
    sys.exit(f"there is no model {name}")


def make_starter(name):
    from mlx_lm import convert

    shutil.rmtree(OUT / name, ignore_errors=True)
    OUT.mkdir(exist_ok=True)
    convert(str(ROOT / "mlx/starter/model"), str(OUT / name), quantize=True, q_group_size=GROUP, q_bits=int(name.split("-")[1][0]))


if __name__ == "__main__":
    mx.set_default_device(mx.cpu)
    for chosen in sys.argv[1:] or [*SHAPES, "starter-4bit", "starter-8bit"]:
        make(chosen)
