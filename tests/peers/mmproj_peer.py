#!/usr/bin/env python3
"""What llama.cpp's converter makes of a picture tower, beside what `whinchat convert --mmproj` writes: mmproj_peer.py LLAMA_CPP

LLAMA_CPP is its source tree (convert_hf_to_gguf.py, gguf-py). The golden Gemma 3 and Gemma 3n and the miniature model are
converted by both, to f32 and f16, and held side by side: keys, names, shapes, values; then the miniature model answers a
picture with either's file. The folders are given to the converter as it takes them: with the names of the hub's files and
without the sound tower, whose names it does not know. Prints a row a file, "N passed, N failed" at the end. Needs numpy, and
what the converter needs (torch, transformers).
"""
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from tally import check, finish  # noqa: E402

LLAMA = os.path.abspath(sys.argv[1])
sys.path.insert(0, os.path.join(LLAMA, "gguf-py"))
from gguf import GGUFReader  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WHINCHAT = os.environ.get("WHINCHAT", os.path.join(ROOT, "build", "whinchat"))
MINI = os.path.join(ROOT, "models", "gemma-3n-mini-it")
FOLDERS = [os.path.join(ROOT, "tests", "goldens", n) for n in ("gemma3_mm", "gemma3n_mm")] + [MINI]
# Where the two are meant to differ: what a file is called, sound, and the key that only we write.
OWN_WORDS = ("general.", "GGUF.", "clip.audio.", "clip.has_audio_encoder", "clip.vision.image_token_id")
# The converter forces this one to 16 bits; ours is as --type says.
F16_THERE = "mm.input_projection.weight"


def as_the_hub_has_it(source, to):
    """A copy with the hub's names of SigLIP's modules, without sound, and with a preprocessor_config.json."""
    os.makedirs(to)
    with open(os.path.join(source, "model.safetensors"), "rb") as f:
        header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        data = f.read()
    tensors = {}
    for name, what in header.items():
        if name == "__metadata__" or "audio_tower" in name:
            continue
        for part in ("embeddings", "encoder", "post_layernorm"):
            name = name.replace("vision_tower.%s." % part, "vision_tower.vision_model.%s." % part)
        tensors[name] = what
    text = json.dumps(tensors).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(to, "model.safetensors"), "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)
    for name in os.listdir(source):
        if name.endswith(".json") and not name.startswith("golden"):
            shutil.copy(os.path.join(source, name), to)
    pre = os.path.join(to, "preprocessor_config.json")
    if not os.path.exists(pre):
        with open(os.path.join(to, "processor_config.json")) as f:
            whole = json.load(f)
        with open(pre, "w") as f:
            json.dump(dict(whole["image_processor"], image_seq_length=whole["image_seq_length"]), f)


def values(t):
    """A tensor's numbers as float32, whatever its type."""
    if t.tensor_type.name == "BF16":
        return (t.data.view(np.uint16).astype(np.uint32) << 16).view(np.float32).ravel()
    return t.data.astype(np.float32).ravel()


def compare(name, ours, theirs, kind):
    a, b = GGUFReader(ours), GGUFReader(theirs)
    keys = [{k: f.contents() for k, f in r.fields.items() if not k.startswith(OWN_WORDS)} for r in (a, b)]
    check(name + ": keys", keys[0] == keys[1], sorted(k for k in set(keys[0]) | set(keys[1]) if keys[0].get(k) != keys[1].get(k)))
    tensors = [{t.name: t for t in r.tensors} for r in (a, b)]
    check(name + ": names", set(tensors[0]) == set(tensors[1]), sorted(set(tensors[0]) ^ set(tensors[1]))[:8])
    wrong = []
    for n in set(tensors[0]) & set(tensors[1]):
        x, y = tensors[0][n], tensors[1][n]
        shapes = [[int(d) for d in t.shape if d != 1] for t in (x, y)]
        u, v = values(x), values(y)
        if kind == "f16" or n == F16_THERE:
            u, v = u.astype(np.float16), v.astype(np.float16)
        if shapes[0] != shapes[1] or not np.array_equal(u, v):
            wrong.append(n)
    check(name + ": shapes and values", not wrong, wrong[:8])


def main():
    work = tempfile.mkdtemp(prefix="mmproj-peer-")
    try:
        for folder in FOLDERS:
            name = os.path.basename(folder)
            copy = os.path.join(work, name)
            as_the_hub_has_it(folder, copy)
            for kind in ("f32", "f16"):
                ours, theirs = (os.path.join(work, "%s-%s-%s.gguf" % (who, name, kind)) for who in ("ours", "theirs"))
                subprocess.run([WHINCHAT, "convert", folder, ours, "--mmproj", "--type", kind, "-q"], check=True)
                subprocess.run([sys.executable, os.path.join(LLAMA, "convert_hf_to_gguf.py"), copy, "--mmproj", "--outtype", kind,
                                "--outfile", theirs], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env=dict(os.environ, PYTHONPATH=os.path.join(LLAMA, "gguf-py")))
                compare("%s %s" % (name, kind), ours, theirs, kind)
        text = os.path.join(work, "text.gguf")
        subprocess.run([WHINCHAT, "convert", MINI, text, "-q"], check=True)
        ask = ["--image", os.path.join(ROOT, "examples", "guitarist.png"), "-p", "Describe this picture.", "-q"]
        said = [subprocess.run([WHINCHAT, "run", *m, *ask], stdout=subprocess.PIPE).stdout for m in (
            [MINI], *([text, "--mmproj", os.path.join(work, "%s-gemma-3n-mini-it-%s.gguf" % (who, kind))]
                      for who in ("ours", "theirs") for kind in ("f32", "f16")))]
        check("the answer to a picture", said[0] and len(set(said)) == 1, said)
    finally:
        shutil.rmtree(work)
    return finish()


if __name__ == "__main__":
    sys.exit(main())
