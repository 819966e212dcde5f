"""The llama decoder in JAX, its initialisation, and its folder on disk."""

import dataclasses
import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
from safetensors.numpy import load_file, save_file


@dataclasses.dataclass(frozen=True)
class Config:
    vocab: int = 2048
    width: int = 256
    layers: int = 4
    heads: int = 4
    kv_heads: int = 2
    head_dim: int = 64
    ffn: int = 512
    theta: float = 1e7
    eps: float = 1e-5
    context: int = 8192


def rope_frequencies(c: Config) -> np.ndarray:
    return c.theta ** (-np.arange(c.head_dim // 2) / (c.head_dim // 2))


def forward(c: Config, p, ids):
    """Logits [batch, length, vocab] in float32."""
    return hidden(c, p, ids) @ p["embed"].T


def hidden(c: Config, p, ids):
    """The normed output of the last layer, [batch, length, width]."""
    t = ids.shape[1]
    angle = np.arange(t)[:, None] * rope_frequencies(c)[None]
    cos, sin = (jnp.asarray(f(angle), jnp.float32)[:, None] for f in (np.cos, np.sin))
    causal = jnp.where(np.tril(np.ones((t, t), bool)), 0.0, -1e9).astype(jnp.float32)
    half = c.head_dim // 2

    def norm(x, w):
        return x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + c.eps) * w

    def rope(x):
        a, b = x[..., :half], x[..., half:]
        return jnp.concatenate([a * cos - b * sin, b * cos + a * sin], -1)

    def layer(h, l):
        y = norm(h, l["attn_norm"])
        qkv = y @ jnp.concatenate([l["q"], l["k"], l["v"]], 1)
        q, k, v = jnp.split(qkv.reshape(*ids.shape, -1, c.head_dim), [c.heads, c.heads + c.kv_heads], 2)
        q, k = rope(q) * c.head_dim ** -0.5, rope(k)
        q = q.reshape(*ids.shape, c.kv_heads, -1, c.head_dim)
        s = jnp.einsum("btgrd,bsgd->bgrts", q, k) + causal
        a = jnp.einsum("bgrts,bsgd->btgrd", jax.nn.softmax(s), v)
        h = h + a.reshape(*ids.shape, -1) @ l["o"]
        y = norm(h, l["mlp_norm"])
        gate, up = jnp.split(y @ jnp.concatenate([l["gate"], l["up"]], 1), 2, -1)
        return h + (jax.nn.silu(gate) * up) @ l["down"]

    h = p["embed"][ids]
    for l in p["layers"]:
        h = layer(h, l)
    return norm(h, p["norm"])


def initial(c: Config, seed: int = 0):
    """Parameters that copy from the first step on.

    Plain random weights need thousands of steps until an induction circuit appears. Here it is put in by hand, and training only refines it:
    the residual stream begins as [token code | a constant | room for the codes of the three previous tokens]. The constant makes the heads of
    layer 0 attend one, two or three positions back through the fast RoPE frequencies, and they write that token's code into its room. Layer 1
    matches (this, previous, one before) against (previous, one before, ...) of every earlier position through the slow frequencies, and
    writes the code of the token found. Everything else is small noise.
    """
    rng = np.random.default_rng(seed)
    noise = lambda *s: rng.normal(0, 0.02, s)
    orth = lambda n: np.linalg.qr(rng.normal(size=(n, n)))[0]
    code, unit = c.width // 2, 0.15  # width of the token code; size of a residual entry
    const, d, pairs = code, c.head_dim, c.head_dim // 2
    room = [slice(code + 1, code + 49), slice(code + 49, code + 89), slice(code + 89, c.width)]
    embed = np.zeros((c.vocab, c.width))
    embed[:, :code] = rng.normal(size=(c.vocab, code)) * unit * 1.26
    embed[:, const] = unit * 7.2
    embed += noise(*embed.shape) * 0.2
    layers = []
    for i in range(c.layers):
        scale = 1 / (2 * c.layers) ** 0.5
        layers.append({
            "attn_norm": np.ones(c.width), "mlp_norm": np.ones(c.width), "q": noise(c.width, c.heads * d), "k": noise(c.width, c.kv_heads * d),
            "v": noise(c.width, c.kv_heads * d), "o": noise(c.heads * d, c.width) * scale, "gate": noise(c.width, c.ffn),
            "up": noise(c.width, c.ffn), "down": noise(c.ffn, c.width) * scale})

    # Layer 0: heads that look 1, 2, 3 and 4 back (the fourth writes nothing yet).
    first, w, fast = layers[0], rope_frequencies(c), 8
    project = orth(code)[:, :48]
    gain = (11.0 * d ** 0.5 / 2) ** 0.5 / 7.2
    for g in range(c.kv_heads):
        first["k"][const, g * d:g * d + fast] += gain
        first["v"][:code, g * d:g * d + 48] += project
    for h in range(c.heads):
        first["q"][const, h * d:h * d + fast] += gain * np.cos(w[:fast] * (h + 1))
        first["q"][const, h * d + pairs:h * d + pairs + fast] -= gain * np.sin(w[:fast] * (h + 1))
        if h < 3:
            n = room[h].stop - room[h].start
            first["o"][h * d:h * d + n, room[h]] += np.eye(n) * unit

    # Layer 1: induction by three tokens of context, each half of the token code in one key-value group.
    second, slow = layers[1], 13
    content = np.r_[slow:pairs, pairs + slow:d]
    halves = orth(code)
    for g in range(c.kv_heads):
        match = [orth(48)[:, :len(content)] for _ in range(3)]
        strength = [(1.0, 0.8, 0.5), (0.8, 0.9, 0.8)][g % 2]
        cols = g * d + content
        part = halves[:, g * code // c.kv_heads:(g + 1) * code // c.kv_heads]
        second["v"][:code, g * d:g * d + part.shape[1]] += part
        for j in range(3):
            n = room[j].stop - room[j].start
            second["k"][np.ix_(np.arange(room[j].start, room[j].stop), cols)] += match[j][:n] * strength[j]
        for h in range(g * c.heads // c.kv_heads, (g + 1) * c.heads // c.kv_heads):
            cols = h * d + content
            second["q"][np.ix_(np.arange(code), cols)] += project @ match[0] * strength[0] * 1.4
            second["q"][np.ix_(np.arange(room[0].start, room[0].stop), cols)] += match[1][:48] * strength[1] * 1.4
            second["q"][np.ix_(np.arange(room[1].start, room[1].stop), cols)] += match[2][:40] * strength[2] * 1.4
            second["o"][h * d:h * d + part.shape[1], :code] += part.T * unit * 1.5
    p = {"embed": embed, "norm": np.full(c.width, 0.5), "layers": layers}
    return jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), p)


_NAMES = {"attn_norm": "input_layernorm", "mlp_norm": "post_attention_layernorm", "q": "self_attn.q_proj", "k": "self_attn.k_proj",
          "v": "self_attn.v_proj", "o": "self_attn.o_proj", "gate": "mlp.gate_proj", "up": "mlp.up_proj", "down": "mlp.down_proj"}


def save(c: Config, p, folder: pathlib.Path) -> None:
    """Writes config.json, generation_config.json and model.safetensors (bfloat16, [out, in] as Hugging Face has it)."""
    half = lambda x: np.ascontiguousarray(np.asarray(x)).astype(jnp.bfloat16)
    tensors = {"model.embed_tokens.weight": half(p["embed"]), "model.norm.weight": half(p["norm"])}
    for i, l in enumerate(p["layers"]):
        for short, long in _NAMES.items():
            tensors[f"model.layers.{i}.{long}.weight"] = half(np.asarray(l[short]).T)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": c.vocab, "hidden_size": c.width,
        "intermediate_size": c.ffn, "num_hidden_layers": c.layers, "num_attention_heads": c.heads, "num_key_value_heads": c.kv_heads,
        "head_dim": c.head_dim, "rope_theta": c.theta, "rope_scaling": None, "rms_norm_eps": c.eps, "max_position_embeddings": c.context,
        "hidden_act": "silu", "attention_bias": False, "mlp_bias": False, "attention_dropout": 0.0, "initializer_range": 0.02,
        "tie_word_embeddings": True, "torch_dtype": "bfloat16", "use_cache": True, "bos_token_id": None, "eos_token_id": [2, 0],
        "pad_token_id": 0}, indent=2) + "\n")
    (folder / "generation_config.json").write_text(json.dumps({
        "do_sample": False, "eos_token_id": [2, 0], "pad_token_id": 0}, indent=2) + "\n")


def load(folder: pathlib.Path):
    """Reads a folder that `save` wrote: (Config, parameters in float32)."""
    j = json.loads((folder / "config.json").read_text())
    c = Config(j["vocab_size"], j["hidden_size"], j["num_hidden_layers"], j["num_attention_heads"], j["num_key_value_heads"], j["head_dim"],
               j["intermediate_size"], j["rope_theta"], j["rms_norm_eps"], j["max_position_embeddings"])
    t = load_file(folder / "model.safetensors")
    get = lambda name: jnp.asarray(t[name].astype(np.float32).T if t[name].ndim == 2 else t[name].astype(np.float32))
    layers = [{s: get(f"model.layers.{i}.{n}.weight") for s, n in _NAMES.items()} for i in range(c.layers)]
    return c, {"embed": get("model.embed_tokens.weight").T, "norm": get("model.norm.weight"), "layers": layers}
