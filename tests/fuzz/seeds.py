#!/usr/bin/env python3
"""Makes the first corpus of a fuzz target: seeds.py NAME OUT

The seeds are the kit's own files (tests/badinput, broken and legal ones) and those of the shipped model, where they
are small enough for a fuzzer to go through quickly.
"""
import hashlib
import json
import math
import os
import re
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
MODEL = os.path.join(ROOT, "models", "gemma-3n-mini-it")
MAX_BYTES = 24 << 10

# family of the kit, names of the files
KIT = {
    "safetensors": ("safetensors", (".safetensors",)),
    "json": ("config", ("config.json", "generation_config.json", "tokenizer_config.json")),
    "tokenizer": ("tokenizer", ("tokenizer.json",)),
    "template": ("template", (".jinja",)),
    "image": ("images", ("",)),
    "audio": ("audio", ("",)),
}
MAGIC = {
    "png": (b"\x89PNG",),
    "jpeg": (b"\xff\xd8",),
    "webp": (b"RIFF",),
    "gif": (b"GIF8",),
    "bmp": (b"BM",),
    "pnm": (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6"),
}


def kit_files(family, endings, out):
    """The bytes of the kit's files of a family."""
    subprocess.run([sys.executable, os.path.join(ROOT, "tests", "badinput", "make.py"), out, "--family", family],
                   check=True, stdout=subprocess.DEVNULL)
    for folder, _, files in os.walk(os.path.join(out, family)):
        for name in files:
            path = os.path.join(folder, name)
            if name.endswith(endings) and os.path.isfile(path) and 0 < os.path.getsize(path) <= MAX_BYTES:
                with open(path, "rb") as f:
                    yield f.read()


def small_safetensors():
    """Legal files of a few bytes: the kit's hold a whole model and are too long for a fuzzer."""
    for tensors in ({}, {"a": ("F32", [2, 3], 24)}, {"a": ("BF16", [4], 8), "b": ("F16", [], 2)},
                    {"a": ("I64", [0, 7], 0), "__metadata__": {"format": "pt"}}):
        header, end = {}, 0
        for name, what in tensors.items():
            if isinstance(what, dict):
                header[name] = what
                continue
            header[name] = {"dtype": what[0], "shape": what[1], "data_offsets": [end, end + what[2]]}
            end += what[2]
        text = json.dumps(header).encode()
        yield struct.pack("<Q", len(text)) + text + bytes(end)


def small_gguf():
    """Legal files of a few hundred bytes: one of each architecture and kind of tokenizer, one of each type of tensor."""
    sys.path.insert(0, os.path.join(ROOT, "tests", "badinput"))
    from badlib.common import ARR, BOOL, F32, G, I32, STR, U32
    bytes_of = {0: (1, 4), 1: (1, 2), 30: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
                10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 20: (32, 18), 23: (256, 136)}
    words = ["<unk>", "<s>", "</s>", "a", "b", "ab", "\u2581", "  "]
    for arch in ("llama", "gemma", "gemma2", "gemma3", "qwen2", "qwen3", "smollm3", "phi2", "phi3"):
        kv = [("general.architecture", STR, arch), ("%s.context_length" % arch, U32, 64),
              ("%s.embedding_length" % arch, U32, 8), ("%s.block_count" % arch, U32, 1),
              ("%s.feed_forward_length" % arch, U32, 8), ("%s.attention.head_count" % arch, U32, 2),
              ("%s.attention.sliding_window" % arch, U32, 4), ("%s.attention.layer_norm_epsilon" % arch, F32, 1e-5),
              ("%s.attention.layer_norm_rms_epsilon" % arch, F32, 1e-5),
              ("tokenizer.ggml.model", STR, "llama" if arch.startswith("gemma") else "gpt2"),
              ("tokenizer.ggml.pre", STR, "llama-bpe"), ("tokenizer.ggml.tokens", ARR, (STR, words)),
              ("tokenizer.ggml.scores", ARR, (F32, [0.0] * 8)), ("tokenizer.ggml.merges", ARR, (STR, ["a b"])),
              ("tokenizer.ggml.token_type", ARR, (I32, [2, 3, 3, 1, 1, 1, 1, 4])),
              ("tokenizer.ggml.bos_token_id", U32, 1), ("tokenizer.ggml.add_bos_token", BOOL, 1)]
        shapes = [("token_embd", [8, 8]), ("output_norm", [8])] + [("blk.0." + n, [8, 8]) for n in (
            "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")] + [
                ("blk.0." + n, [8]) for n in ("attn_norm", "ffn_norm", "post_attention_norm", "post_ffw_norm")]
        shapes += [("blk.0." + n, [4]) for n in ("attn_q_norm", "attn_k_norm") if arch in ("gemma3", "qwen3")]
        yield G(kv, [{"name": n + ".weight", "dims": d, "type": 0, "data": bytes(4 * d[0] * (len(d) > 1 and d[1] or 1))}
                     for n, d in shapes]).bytes()
    square = ["ffn_gate", "ffn_up", "ffn_down"]
    norms = ["attn_norm", "ffn_norm", "post_attention_norm", "post_ffw_norm", "post_norm", "attn_q_norm", "attn_k_norm"]
    own = {"gemma3n": ([("embedding_length_per_layer_input", U32, 8), ("attention.shared_kv_layers", U32, 0),
                        ("altup.num_inputs", U32, 2), ("altup.active_idx", U32, 0),
                        ("activation_sparsity_scale", ARR, (F32, [1.5])),
                        ("attention.sliding_window_pattern", ARR, (BOOL, [0]))],
                       square + ["attn_q", "attn_k", "attn_v", "attn_output", "inp_gate", "proj", "laurel_l", "laurel_r"],
                       norms + ["altup_router_norm", "altup_correct_scale", "laurel_post_norm"],
                       {"blk.0.altup_router": [8, 2], "blk.0.altup_predict_coef": [2, 4], "blk.0.altup_correct_coef": [2, 2],
                        "altup_proj": [8, 8, 1], "altup_unembd_proj": [8, 8, 1], "per_layer_token_embd": [8, 8],
                        "per_layer_model_proj": [8, 8], "per_layer_proj_norm": [8]}),
           "gemma4": ([("embedding_length_per_layer_input", U32, 8), ("attention.shared_kv_layers", U32, 0),
                       ("attention.key_length_swa", U32, 8), ("attention.sliding_window_pattern", ARR, (BOOL, [0])),
                       ("attention.head_count_kv", ARR, (I32, [1]))],
                      square + ["attn_q", "attn_k", "attn_v", "attn_output", "inp_gate", "proj"], norms,
                      {"blk.0.layer_output_scale": [1], "rope_freqs": [4], "per_layer_token_embd": [8, 8],
                       "per_layer_model_proj": [8, 8], "per_layer_proj_norm": [8]}),
           "openelm": ([("attention.head_count_kv", ARR, (I32, [1]))], square + ["attn_output"], norms, {"blk.0.attn_qkv": [8, 24]}),
           "phimoe": ([("expert_count", U32, 2), ("expert_used_count", U32, 2), ("attention.head_count_kv", U32, 1)],
                      ["attn_q", "attn_k", "attn_v", "attn_output"], norms,
                      {"blk.0.ffn_gate_inp": [8, 2], "blk.0.ffn_gate_exps": [8, 8, 2], "blk.0.ffn_up_exps": [8, 8, 2],
                       "blk.0.ffn_down_exps": [8, 8, 2], "output": [8, 8]})}
    for arch, (more, matrices, vectors, others) in own.items():
        kv = [("general.architecture", STR, arch)] + [("%s.%s" % (arch, k), t, v) for k, t, v in [
            ("context_length", U32, 64), ("embedding_length", U32, 8), ("block_count", U32, 1), ("feed_forward_length", ARR, (I32, [8])),
            ("attention.head_count", U32, 1), ("attention.key_length", U32, 8), ("attention.sliding_window", U32, 4),
            ("attention.layer_norm_rms_epsilon", F32, 1e-6)] + more]
        if arch == "gemma4":
            kv += [("tokenizer.ggml.model", STR, "gemma4"), ("tokenizer.ggml.tokens", ARR, (STR, words)),
                   ("tokenizer.ggml.merges", ARR, (STR, ["a b"])), ("tokenizer.ggml.unknown_token_id", U32, 0),
                   ("tokenizer.ggml.token_type", ARR, (I32, [2, 3, 3, 1, 1, 1, 1, 4])), ("tokenizer.ggml.bos_token_id", U32, 1)]
        shapes = {"token_embd": [8, 8], "output_norm": [8], **{"blk.0." + n: [8, 8] for n in matrices},
                  **{"blk.0." + n: [8] for n in vectors}, **others}
        tensors = [(n + ".weight", d) for n, d in shapes.items()]
        if arch == "phimoe":    # layer norms have biases
            tensors += [(n + ".bias", [8]) for n in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm")]
        yield G(kv, [{"name": n, "dims": d, "type": 0, "data": struct.pack("<f", 1) * math.prod(d)} for n, d in tensors]).bytes()
    for number, (block, size) in bytes_of.items():
        yield G([("general.architecture", STR, "llama")],
                [{"name": "token_embd.weight", "dims": [block], "type": number, "data": bytes(size)}]).bytes()


def small_towers():
    """The two text models of these that have picture towers, each before a tower: SigLIP and MobileNet-V5 of a few channels."""
    sys.path.insert(0, os.path.join(ROOT, "tests", "badinput"))
    from badlib.common import ARR, BOOL, F32, G, STR, U32, gstr
    key = gstr("general.architecture") + struct.pack("<I", STR)
    texts = {arch: next(b for b in small_gguf() if key + gstr(arch) in b) for arch in ("gemma3", "gemma3n")}
    both = lambda names, dims: [(n, dims) for n in names]
    siglip = ([("v.patch_embd.weight", [2, 2, 3, 4]), ("v.position_embd.weight", [4, 4]), ("mm.input_projection.weight", [8, 4])] +
              both(["v.patch_embd.bias", "v.post_ln.weight", "v.post_ln.bias", "mm.soft_emb_norm.weight"], [4]) +
              both(["v.blk.0.%s.weight" % n for n in ("attn_q", "attn_k", "attn_v", "attn_out")], [4, 4]) +
              [("v.blk.0.ffn_up.weight", [4, 6]), ("v.blk.0.ffn_up.bias", [6]), ("v.blk.0.ffn_down.weight", [6, 4])] +
              both(["v.blk.0.%s.bias" % n for n in ("attn_q", "attn_k", "attn_v", "attn_out", "ffn_down", "ln1", "ln2")] +
                   ["v.blk.0.ln1.weight", "v.blk.0.ln2.weight"], [4]))
    mobilenet = [("v.conv_stem.conv.weight", [3, 3, 3, 2]), ("v.conv_stem.conv.bias", [1, 1, 2, 1]), ("v.conv_stem.bn.weight", [2]),
                 ("v.blk.0.0.conv_exp.weight", [3, 3, 2, 2]), ("v.blk.0.0.conv_pwl.weight", [1, 1, 2, 2]),
                 ("mm.input_projection.weight", [4, 8]), ("mm.embedding.weight", [4, 2]), ("mm.a.embedding.weight", [4, 2]),
                 ("mm.a.input_projection.weight", [4, 8]), ("v.msfa.ffn.pw_exp.conv.weight", [1, 1, 4, 8]),
                 ("v.msfa.ffn.pw_proj.conv.weight", [1, 1, 8, 4]), ("v.msfa.ffn.pw_exp.bn.weight", [8])]
    mobilenet += both(["v.blk.0.0.bn1.weight", "v.blk.0.0.bn2.weight"], [2])
    mobilenet += both(["mm.soft_emb_norm.weight", "mm.hard_emb_norm.weight", "mm.a.soft_emb_norm.weight", "mm.a.hard_emb_norm.weight",
                       "v.msfa.ffn.pw_proj.bn.weight", "v.msfa.norm.weight"], [4])
    for stage in (1, 2):
        uir, mqa = "v.blk.%d.0." % stage, "v.blk.%d.1." % stage
        mobilenet += both([uir + "dw_start.conv.weight", uir + "dw_mid.conv.weight"], [3, 3, 1, 2])
        mobilenet += both([uir + "pw_exp.conv.weight", uir + "pw_proj.conv.weight"] + [mqa + "attn.%s.proj.weight" % n for n in (
            "query", "key", "value", "output")], [1, 1, 2, 2])
        mobilenet += both([uir + n for n in ("dw_start.bn.weight", "dw_mid.bn.weight", "pw_exp.bn.weight", "pw_proj.bn.weight",
                                             "layer_scale.gamma")] + [mqa + "norm.weight", mqa + "layer_scale.gamma"], [2])
    mobilenet += both(["v.blk.1.1.attn.key.down_conv.weight", "v.blk.1.1.attn.value.down_conv.weight"], [3, 3, 1, 2])
    mobilenet += both(["v.blk.1.1.attn.key.norm.weight", "v.blk.1.1.attn.value.norm.weight"], [2])
    head = [("general.architecture", STR, "clip"), ("clip.has_vision_encoder", BOOL, 1), ("clip.use_gelu", BOOL, 1),
            ("clip.vision.image_mean", ARR, (F32, [0.5] * 3)), ("clip.vision.image_std", ARR, (F32, [0.5] * 3)),
            ("clip.vision.image_size", U32, 4), ("clip.vision.patch_size", U32, 2), ("clip.vision.projector.scale_factor", U32, 2),
            ("clip.vision.embedding_length", U32, 4), ("clip.vision.feed_forward_length", U32, 6), ("clip.vision.block_count", U32, 1),
            ("clip.vision.attention.head_count", U32, 2), ("clip.vision.attention.layer_norm_epsilon", F32, 1e-6)]
    for arch, projector, tensors in (("gemma3", ("clip.projector_type", STR, "gemma3"), siglip),
                                     ("gemma3n", ("clip.vision.projector_type", STR, "gemma3nv"), mobilenet)):
        own = [projector] + ([("clip.vision.image_token_id", U32, 5)] if arch == "gemma3n" else [])
        tower = G(head + own, [{"name": n, "dims": d, "type": 0, "data": struct.pack("<f", 1) * math.prod(d)} for n, d in tensors])
        yield struct.pack("<I", len(texts[arch])) + texts[arch] + tower.bytes()


def small_listings():
    """What a hub says of a folder of weights, of GGUF files, of a mirror, behind the name that was asked for."""
    commit, sha256 = "0123456789" * 4, "0123456789abcdef" * 4
    plain = {"size": 5, "blobId": commit}
    large = {"size": 1 << 32, "blobId": commit, "lfs": {"sha256": sha256, "size": 1 << 32, "pointerSize": 134}}
    for asked, files in (
            ("Org/Tiny", {"config.json": plain, "model.safetensors": large, "1_Pooling/config.json": plain}),
            ("Org/Tiny@pr/1", {"config.json": plain, "model.safetensors.index.json": plain,
                               "model-00001-of-00002.safetensors": large, "model-00002-of-00002.safetensors": large}),
            ("Org/Tiny:Q4_K_M", {"t-Q4_K_M.gguf": large, "Q8_0/t-00001-of-00002.gguf": large,
                                 "Q8_0/t-00002-of-00002.gguf": large, "mmproj-f16.gguf": large}),
            ("a/b@v1:Q8_0", {"t-Q8_0.gguf": {}, "pytorch_model.bin": {}})):
        siblings = [dict(about, rfilename=path) for path, about in files.items()]
        yield ("%s\n%s" % (asked, json.dumps({"id": asked, "sha": commit, "siblings": siblings}))).encode()


def small_sentences():
    """Folders of sentence-transformers in the spellings of its versions: the texts of their small files with a NUL between."""
    pooling, dense = "sentence_transformers.models.Pooling", "sentence_transformers.models.Dense"
    modules = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
               {"idx": 1, "name": "1", "path": "1_Pooling", "type": pooling}]
    wide = {"in_features": 8, "out_features": 8, "bias": True, "activation_function": "torch.nn.modules.activation.Tanh"}
    prompts = {"prompts": {"query": "q: ", "document": ""}, "default_prompt_name": "query", "activation_fn": "torch.nn.Sigmoid"}
    for texts in ([modules + [{"path": "2_Dense", "type": dense}, {"path": "3_Normalize", "type": "a.Normalize"}],
                   {"pooling_mode": "mean", "embedding_dimension": 8, "include_prompt": False}, wide, prompts,
                   {"max_seq_length": 32, "do_lower_case": False}, {"model_max_length": 48}],
                  [modules, {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False, "pooling_mode_max_tokens": True}],
                  [modules, {"pooling_mode": ["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]}],
                  [modules[:1], None, None, {"default_prompt_name": None, "prompts": {}}], []):
        yield b"\0".join(b"" if t is None else json.dumps(t).encode() for t in texts) or b"\0"


def small_adapters():
    """Folders of PEFT: adapter_config.json, a NUL, adapter_model.safetensors with one module or two."""
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj"], "bias": "none", "use_dora": False,
              "modules_to_save": None, "use_rslora": False, "rank_pattern": {}, "alpha_pattern": {}, "init_lora_weights": True}
    for more in ({}, {"use_rslora": True, "alpha_pattern": {"layers.0.q_proj": 7}}, {"use_dora": True},
                 {"target_modules": "all-linear", "rank_pattern": {"^model.layers.0.q_proj": 2}}, {"bias": "all"}):
        header, end = {}, 0
        for name, shape in (("lora_A", [2, 3]), ("lora_B", [4, 2])):
            size = 4 * shape[0] * shape[1]
            header["base_model.model.model.layers.0.q_proj.%s.weight" % name] = {
                "dtype": "F32", "shape": shape, "data_offsets": [end, end + size]}
            end += size
        text = json.dumps(header).encode()
        yield json.dumps({**config, **more}).encode() + b"\0" + struct.pack("<Q", len(text)) + text + bytes(end)


def index_schema():
    """The SQL of documents/store.c, by which an index is known."""
    with open(os.path.join(ROOT, "documents", "store.c")) as f:
        text = f.read()
    literals = re.findall(r'"CREATE (?:[^"]*"\s*")*[^"]*"', text)
    return [re.sub(r'"\s*"', "", x).strip('"') for x in literals if "(" in x]


def small_indexes():
    """Indexes of two chunks with vectors of four numbers."""
    for pages in (512, 4096):
        path = os.path.join(tempfile.mkdtemp(), "index")
        c = sqlite3.connect(path, isolation_level=None)
        c.execute("PRAGMA page_size=%d" % pages)
        for sql in sorted(index_schema(), key=lambda s: "INDEX" in s):
            c.execute(sql)
        c.execute("PRAGMA application_id=%d" % 0x77686E63)
        c.execute("PRAGMA user_version=1")
        one = struct.pack("<4f", 0.5, 0.5, 0.5, -0.5)
        c.execute("INSERT INTO settings VALUES('minilm', '', '', 128, 16, 4, ?)", (one,))
        c.execute("INSERT INTO files VALUES(1, '/a.md', 5, 7, ?)", ("0" * 64,))
        for text in ("the cat", "the tree"):
            c.execute("INSERT INTO chunks VALUES(NULL, 1, 1, 2, 'Birds', ?, ?)", (text, one))
        c.close()
        with open(path, "rb") as f:
            yield f.read()
        shutil.rmtree(os.path.dirname(path))


def small_texts():
    """A length, an overlap, then a text."""
    for name in ("README.md", "docs/HUB.md", "docs/ADDING.md", "tests/fuzz/seeds.py"):
        with open(os.path.join(ROOT, name), "rb") as f:
            yield bytes([40, 7]) + f.read()[:4000]
    yield b"\x10\x00T\n==\n\n~~~\n# x\n~~~\n|a|b|\n|-|-|\n|1|2|\n\n1. one. Two\xe2\x82\xac\n"


MADE = {"index": small_indexes, "split": small_texts, "gguf": small_gguf, "mmproj": small_towers, "listing": small_listings, "sentence": small_sentences,
        "adapter": small_adapters}


def seeds(name, out):
    if name in MADE:
        yield from MADE[name]()
        return
    if name == "safetensors":
        yield from small_safetensors()
    if name == "template":
        with open(os.path.join(MODEL, "chat_template.jinja"), "rb") as f:
            yield f.read()
    family, endings = KIT["image" if name in MAGIC else name]
    for data in kit_files(family, endings, out):
        if name not in MAGIC or data.startswith(MAGIC[name]):
            yield data


def main():
    name, out = sys.argv[1:]
    if name not in MADE and name not in KIT and name not in MAGIC:
        print("seeds: %s: there are: %s" % (name, " ".join([*MADE, *KIT, *MAGIC])), file=sys.stderr)
        return 2
    work, n = tempfile.mkdtemp(), 0
    try:
        for data in seeds(name, work):
            with open(os.path.join(out, hashlib.sha1(data).hexdigest()), "wb") as f:
                f.write(data)
            n += 1
    finally:
        shutil.rmtree(work)
    print("seeds: %d for %s" % (n, name))
    return 0 if n else 1


if __name__ == "__main__":
    sys.exit(main())
