#!/usr/bin/env python3
"""What llama.cpp makes of the files that `whinchat convert` writes: convert_peer.py [FOLDER...]

    WHINCHAT_LIBRARY=build/src/libwhinchat.so PYTHONPATH=python python3 tests/peers/convert_peer.py

For each model folder with a golden.json (those of tests/goldens when none is named) and for random weights of the one shape of
Gemma 3n that llama.cpp takes: convert to f32, then our greedy ids from each prompt, and at each of them the logits of both.
Prints a row a model: ids that llama.cpp chooses as we do, and the largest difference of logits. Where llama.cpp cannot do what
the configuration says, another value is compared (CHANGED) or a difference is expected (EXPECTED), and the row says why. The
exit status is 1 when another difference was found. numpy, cffi and llama-cpp-python are needed.
"""
import concurrent.futures
import ctypes
import glob
import json
import math
import os
import re
import struct
import subprocess
import sys
import tempfile

import numpy as np

import whinchat

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WHINCHAT = os.environ.get("WHINCHAT", os.path.join(ROOT, "build", "whinchat"))
STEPS, MAX_DIFFERENCE, MAX_GELU = 24, 1e-3, 5e-2

# What llama.cpp does not read is set to what it takes for granted: name, field, value.
CHANGED = {
    "gemma2": ("query_pre_attn_scalar", 16, "llama.cpp scales scores by head_dim"),
    "gemma3_text": ("query_pre_attn_scalar", 16, "llama.cpp scales scores by head_dim"),
    "phi3": ("sliding_window", None, "llama.cpp has no window for Phi-3"),
}
# Where llama.cpp itself differs from transformers, which we follow.
EXPECTED = {
    "phimoe": "llama.cpp has root mean square norms and a softmax over two experts, Phi-3.5-MoE neither",
    **dict.fromkeys(("gemma3n_mm", "gemma3_mm", "embeddinggemma", "bert", "bert_classify", "bert_pooled", "bert_rerank",
                     "bert_tokens", "minilm"), "refused: GGUF files have no tokenizer of its kind"),
    "qwen2_untied_window": "refused: files of qwen2 know no windows",
    **dict.fromkeys(("gemma3n_text", "gemma3n_text_bf16", "gemma3n_text_sharded", "gemma3n_slice"),
                    "llama.cpp has one shape of Gemma 3n: below"),
}
# ggml's gelu is a table in f16, and differences of that origin are no news (f16 weights make ten times as much).
GELU = ("gemma", "phi2")


# ---- ours ----

def greedy(model, ids):
    """Our greedy continuation, and the logits at each of its steps."""
    out, rows = list(ids), []
    for _ in range(STEPS):
        rows.append(np.array(model.logits(whinchat.Prompt(ids=out)), dtype=np.float32))
        out.append(int(rows[-1].argmax()))
    return out[len(ids):], np.stack(rows)


# ---- llama.cpp ----

class Peer:
    def __init__(self, path):
        import llama_cpp as L
        self.L = L
        silent = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
        self.said = []
        self.log = silent(lambda level, text, user: self.said.append(text.decode(errors="replace")))
        L.llama_log_set(self.log, ctypes.c_void_p())
        mp = L.llama_model_default_params()
        mp.n_gpu_layers = 0
        self.model = L.llama_model_load_from_file(path.encode(), mp)

    def why(self):
        lines = [s.strip() for s in self.said if "error" in s.lower() or "fail" in s.lower()]
        return lines[0][:150] if lines else "it does not load"

    def logits(self, ids, first):
        """Rows [len(ids) - first, V] behind the ids from first on."""
        L, n = self.L, len(ids)
        cp = L.llama_context_default_params()
        cp.n_ctx = cp.n_batch = cp.n_ubatch = max(256, n)
        cp.n_threads = cp.n_threads_batch = 2
        cp.type_k = cp.type_v = 0      # f32
        cp.flash_attn_type = 0
        context = L.llama_init_from_model(self.model, cp)
        batch = L.llama_batch_init(n, 0, 1)
        batch.n_tokens = n
        for i, id in enumerate(ids):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.seq_id[i][0] = id, i, 1, 0
            batch.logits[i] = i >= first
        assert L.llama_decode(context, batch) == 0
        n_vocab = L.llama_vocab_n_tokens(L.llama_model_get_vocab(self.model))
        rows = [np.ctypeslib.as_array(L.llama_get_logits_ith(context, i), shape=(n_vocab,)).copy()
                for i in range(first, n)]
        L.llama_batch_free(batch)
        L.llama_free(context)
        return np.stack(rows)

    def close(self):
        self.L.llama_model_free(self.model)


# ---- models ----

def prompts_of(folder):
    with open(os.path.join(folder, "golden.json")) as f:
        prompts = json.load(f).get("prompts", [])
    with open(os.path.join(folder, "config.json")) as f:
        rope = json.load(f).get("rope_parameters") or {}
    # llama.cpp chooses LongRoPE's list by the size of the context, 256 at least: only long sequences have the same
    least = rope.get("original_max_position_embeddings", 0) if rope.get("rope_type") == "longrope" else 0
    return [p["ids"] for p in prompts if len(p.get("ids", [])) > least and not p.get("images") and not p.get("audio")]


def changed(folder, key, value, work):
    """The folder with one field of config.json changed."""
    copy = os.path.join(work, "changed")
    os.makedirs(copy, exist_ok=True)
    for name in os.listdir(copy):
        os.unlink(os.path.join(copy, name))
    for name in os.listdir(folder):
        os.symlink(os.path.abspath(os.path.join(folder, name)), os.path.join(copy, name))
    os.unlink(os.path.join(copy, "config.json"))
    with open(os.path.join(folder, "config.json")) as f:
        config = json.load(f)
    config[key] = value
    with open(os.path.join(copy, "config.json"), "w") as f:
        json.dump(config, f)
    return copy


def reordered(folder, work):
    """gemma4_e with layers 2 and 3 in each other's place, so that the last layers with keys are a sliding and a full one: llama.cpp
    lets shared ones read these, whatever their kind."""
    copy = changed(folder, "layer_types", ["sliding_attention"] * 3 + ["full_attention", "sliding_attention", "full_attention"], work)
    with open(os.path.join(copy, "config.json")) as f:
        config = json.load(f)
    config["per_layer_config"]["3"] = config["per_layer_config"].pop("2")
    with open(os.path.join(folder, "model.safetensors"), "rb") as f:
        data = f.read()
    n, other = struct.unpack("<Q", data[:8])[0], {"2": "3", "3": "2"}
    head = re.sub(rb"layers\.([23])\.", lambda m: b"layers.%s." % other[m[1].decode()].encode(), data[8:8 + n])
    for name in ("config.json", "model.safetensors"):
        os.unlink(os.path.join(copy, name))
    with open(os.path.join(copy, "config.json"), "w") as f:
        json.dump(config, f)
    with open(os.path.join(copy, "model.safetensors"), "wb") as f:
        f.write(data[:8] + head + data[8 + n:])
    return copy


def save(folder, config, tensors):
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump(config, f)
    head, at = {}, 0
    for name, x in tensors.items():
        head[name] = {"dtype": "F32", "shape": list(x.shape), "data_offsets": [at, at + 4 * x.size]}
        at += 4 * x.size
    text = json.dumps(head).encode()
    with open(os.path.join(folder, "model.safetensors"), "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for x in tensors.values():
            f.write(x.astype("<f4").tobytes())


def gemma3n(folder):
    """Random weights; llama.cpp has 4 inputs of AltUp, rank 64, layer inputs of 256, 20 layers with keys, 10 sparse ones."""
    L, D, V, H, K, d, F, A, P, R = 25, 64, 320, 4, 2, 16, 128, 4, 256, 64
    # its threshold stands 1.6448533535 deviations over the mean, and its variance is divided by F - 1, not by F
    dropped = 0.5 * math.erfc(-1.6448533535 * math.sqrt(F / (F - 1) / 2))
    r = np.random.default_rng(3)

    def w(*shape):
        return r.normal(0, 1 / np.sqrt(shape[-1]), shape)

    def norm(n, size=1.0):      # small ones behind branches, so that 25 random layers do not blow rounding up
        return size * r.uniform(0.5, 1.5, n)
    t = {"model.embed_tokens.weight": r.normal(0, 0.3, (V, D)), "model.norm.weight": norm(D),
         "model.embed_tokens_per_layer.weight": r.normal(0, 1 / 16, (V - 16, L * P)),
         "model.per_layer_model_projection.weight": w(L * P, D), "model.per_layer_projection_norm.weight": norm(P)}
    for i in range(A - 1):
        t["model.altup_projections.%d.weight" % i] = w(D, D)
        t["model.altup_unembed_projections.%d.weight" % i] = w(D, D)
    for i in range(L):
        layer = {"input_layernorm.weight": norm(D), "post_attention_layernorm.weight": norm(D, 0.5),
                 "pre_feedforward_layernorm.weight": norm(D), "post_feedforward_layernorm.weight": norm(D, 0.5),
                 "self_attn.q_proj.weight": w(H * d, D), "self_attn.o_proj.weight": w(D, H * d),
                 "self_attn.q_norm.weight": norm(d, 0.5), "mlp.gate_proj.weight": w(F, D), "mlp.up_proj.weight": w(F, D),
                 "mlp.down_proj.weight": w(D, F), "altup.router_norm.weight": norm(D),
                 "altup.modality_router.weight": w(A, D), "altup.prediction_coefs.weight": 0.2 * w(A * A, A),
                 "altup.correction_coefs.weight": 0.2 * w(A, A), "altup.correct_output_scale": norm(D),
                 "laurel.linear_left.weight": w(R, D), "laurel.linear_right.weight": w(D, R),
                 "laurel.post_laurel_norm.weight": norm(D, 0.5), "per_layer_input_gate.weight": w(P, D),
                 "per_layer_projection.weight": w(D, P), "post_per_layer_input_norm.weight": norm(D, 0.5)}
        if i < 20:      # as transformers 5 saves it: the others share keys and have none
            layer.update({"self_attn.k_proj.weight": w(K * d, D), "self_attn.v_proj.weight": w(K * d, D),
                          "self_attn.k_norm.weight": norm(d, 0.5)})
        t.update({"model.layers.%d.%s" % (i, k): x for k, x in layer.items()})
    save(folder, {
        "model_type": "gemma3n_text", "architectures": ["Gemma3nForCausalLM"], "hidden_size": D, "num_hidden_layers": L,
        "num_attention_heads": H, "num_key_value_heads": K, "head_dim": d, "intermediate_size": F, "vocab_size": V,
        "vocab_size_per_layer_input": V - 16, "hidden_size_per_layer_input": P, "laurel_rank": R, "altup_num_inputs": A,
        "num_kv_shared_layers": 5, "sliding_window": 12, "max_position_embeddings": 512,
        "activation_sparsity_pattern": [dropped] * 10 + [0.0] * 15,
        "layer_types": ["full_attention" if i % 5 == 4 else "sliding_attention" for i in range(L)]}, t)
    return [[7], [int(x) for x in r.integers(0, V - 16, 9)], [int(x) for x in r.integers(0, V - 16, 40)]]


# ---- the table ----

def compare(name, folder, prompts, work):
    out = os.path.join(work, "model.gguf")
    made = subprocess.run([WHINCHAT, "convert", folder, out, "--type", "f32", "-q"], capture_output=True, text=True)
    if made.returncode:
        return "not converted: " + made.stderr.strip()[:150], name not in EXPECTED
    peer = Peer(out)
    if not peer.model:
        return "llama.cpp: " + peer.why(), name not in EXPECTED
    same, total, worst = 0, 0, 0.0
    with whinchat.Model(out, f32=True) as m:
        for ids in prompts:
            path, ours = greedy(m, ids)
            theirs = peer.logits(ids + path[:-1], len(ids) - 1)
            same += int((theirs.argmax(axis=1) == np.array(path)).sum())
            total += STEPS
            worst = max(worst, float(np.abs(theirs - ours).max()))
    peer.close()
    most = MAX_GELU if name.startswith(GELU) else MAX_DIFFERENCE
    bad = (worst > most or same < total) and name not in EXPECTED
    return "%4d of %4d ids   largest difference %9.6f" % (same, total, worst), bad


def main():
    folders = sys.argv[1:] or [os.path.dirname(p) for p in sorted(glob.glob(os.path.join(ROOT, "tests/goldens/*/golden.json")))]
    bad = 0
    with tempfile.TemporaryDirectory() as work:
        made = os.path.join(work, "gemma3n")
        os.mkdir(made)
        cases = [(os.path.basename(f.rstrip("/")), f, prompts_of(f)) for f in folders
                 if os.path.exists(os.path.join(f, "config.json"))]
        cases += [("gemma3n, random", made, gemma3n(made))]
        for name, folder, prompts in cases:
            if not prompts:
                continue
            why = EXPECTED.get(name, "")
            if name == "gemma4_e":
                folder, why = reordered(folder, work), "layers 2 and 3 in each other's place, where llama.cpp looks for keys"
            if name in CHANGED:
                key, value, why = CHANGED[name]
                folder, why = changed(folder, key, value, work), "%s = %s: %s" % (key, value, why)
            with concurrent.futures.ProcessPoolExecutor(1) as alone:     # llama.cpp ends a process that asks too much
                try:
                    text, failed = alone.submit(compare, name, folder, prompts, work).result()
                except concurrent.futures.process.BrokenProcessPool:
                    text, failed = "llama.cpp aborted", name not in EXPECTED
            bad += failed
            print("%-4s %-20s %s   %s" % ("FAIL" if failed else "ok", name, text, why), flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
