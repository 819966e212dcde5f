#!/usr/bin/env python3
"""Writes the random models that make.py made as GGUF, for llama.cpp:

    .venv/bin/python benchmarks/models/make_gguf.py [smollm2-135m | llama-3.2-1b ...]

.models/NAME-4bit becomes .models/NAME-q4_0.gguf, with every matrix in Q4_0: 4.5 bits per weight, as MLX's 4 bits in groups of 64. It is exactly the
same model, since all its weights are scale * (q - 8); that is checked. (llama-quantize would give the embedding, which is the output layer too, 6 or
8 bits, and llama.cpp would be slower.)
"""

import json
import math
import sys
from pathlib import Path

import gguf
import mlx.core as mx
import numpy as np

MODELS = Path(__file__).resolve().parents[2] / ".models"
NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
}


def gguf_name(name):
    if name in ("model.embed_tokens", "model.norm"):
        return {"model.embed_tokens": "token_embd", "model.norm": "output_norm"}[name] + ".weight"
    _, _, layer, part = name.split(".", 3)
    return f"blk.{layer}.{NAMES[part]}.weight"


def floats(a):
    return np.array(a.astype(mx.float32))


def q4_0(words, scales, biases):
    """Rows of blocks of 32 weights: a float16 scale, then 16 bytes with weight j in the low and weight j + 16 in the high half of byte j."""
    words, scales, biases = np.array(words), floats(scales), floats(biases)
    if not np.array_equal(biases, -8 * scales):
        sys.exit("a bias is not -8 times its scale: only folders of make.py can be converted")
    rows, groups = scales.shape
    q = (words[..., None] >> (4 * np.arange(8, dtype=np.uint32))).astype(np.uint8) & 15
    q = q.reshape(rows, groups * 2, 2, 16)
    d = np.repeat(scales, 2, axis=1).astype(np.float16)
    if not np.array_equal(d.astype(np.float32), np.repeat(scales, 2, axis=1)):
        sys.exit("a scale does not fit into float16")
    blocks = np.concatenate([d[..., None].view(np.uint8), q[:, :, 0] | q[:, :, 1] << 4], axis=-1)
    return blocks.reshape(rows, -1)


def interleave(rows, heads):
    """llama.cpp rotates neighbouring pairs of a head where others rotate its halves, so that the rows of queries and keys change places."""
    return rows.reshape(heads, 2, -1, rows.shape[-1]).swapaxes(1, 2).reshape(rows.shape)


def rope_factors(config):
    """The divisor of each frequency by the llama3 rule."""
    s = config["rope_scaling"]
    low, high, span = s["low_freq_factor"], s["high_freq_factor"], s["original_max_position_embeddings"]
    factors = []
    for i in range(0, config["head_dim"], 2):
        wavelength = 2 * math.pi * config["rope_theta"] ** (i / config["head_dim"])
        smooth = min(max((span / wavelength - low) / (high - low), 0), 1)
        factors.append(1 / ((1 - smooth) / s["factor"] + smooth))
    return np.array(factors, dtype=np.float32)


def add_config(w, name, c):
    w.add_name(name)
    w.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_0)
    w.add_quantization_version(2)
    w.add_vocab_size(c["vocab_size"])
    w.add_context_length(c["max_position_embeddings"])
    w.add_embedding_length(c["hidden_size"])
    w.add_block_count(c["num_hidden_layers"])
    w.add_feed_forward_length(c["intermediate_size"])
    w.add_head_count(c["num_attention_heads"])
    w.add_head_count_kv(c["num_key_value_heads"])
    w.add_key_length(c["head_dim"])
    w.add_value_length(c["head_dim"])
    w.add_layer_norm_rms_eps(c["rms_norm_eps"])
    w.add_rope_dimension_count(c["head_dim"])
    w.add_rope_freq_base(c["rope_theta"])


def add_text(w, folder):
    text = json.loads((folder / "tokenizer.json").read_text())
    special = {t["id"] for t in text["added_tokens"]}
    vocab = sorted(text["model"]["vocab"].items(), key=lambda item: item[1])
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("gpt-2")
    w.add_token_list([token for token, _ in vocab])
    w.add_token_types([gguf.TokenType.CONTROL if i in special else gguf.TokenType.NORMAL for _, i in vocab])
    w.add_token_merges([" ".join(m) for m in text["model"]["merges"]])
    w.add_eos_token_id(2)
    w.add_pad_token_id(0)
    w.add_add_bos_token(False)
    w.add_chat_template(json.loads((folder / "tokenizer_config.json").read_text())["chat_template"])


def convert(name):
    folder = MODELS / (name + "-4bit")
    config = json.loads((folder / "config.json").read_text())
    tensors = mx.load(str(folder / "model.safetensors"))
    path = MODELS / (name + "-q4_0.gguf")
    w = gguf.GGUFWriter(path, "llama")
    add_config(w, name, config)
    add_text(w, folder)
    if config["rope_scaling"]:
        w.add_tensor("rope_freqs.weight", rope_factors(config))
    heads = {"self_attn.q_proj": config["num_attention_heads"], "self_attn.k_proj": config["num_key_value_heads"]}
    for key in sorted(k for k in tensors if k.endswith(".weight")):
        base = key.removesuffix(".weight")
        if base + ".scales" not in tensors:
            w.add_tensor(gguf_name(base), floats(tensors[key]))
            continue
        blocks = q4_0(tensors[key], tensors[base + ".scales"], tensors[base + ".biases"])
        part = base.split(".", 3)[-1]
        if part in heads:
            blocks = interleave(blocks, heads[part])
        w.add_tensor(gguf_name(base), np.ascontiguousarray(blocks), raw_dtype=gguf.GGMLQuantizationType.Q4_0)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    print(f"{path.relative_to(MODELS.parent)}: {path.stat().st_size / 2**20:.0f} MiB")


if __name__ == "__main__":
    mx.set_default_device(mx.cpu)
    for chosen in sys.argv[1:] or ["smollm2-135m", "llama-3.2-1b"]:
        convert(chosen)
