#!/usr/bin/env python3
"""Logits of a GGUF file from whinchat, llama.cpp and transformers, side by side: logits.py MODEL.gguf [TEXT]

    WHINCHAT_LIBRARY=build/src/libwhinchat.so PYTHONPATH=python python3 tests/peers/logits.py MODEL.gguf "The capital of France is"

Prints, for the place after the text, the largest and the mean difference of logits between each two of: whinchat on the float
path, whinchat as it runs by default, llama.cpp (the wheel of cyllama) and transformers on the dequantized weights (packages
torch, transformers, gguf). A peer whose package is not installed is named as not run. numpy and cffi are needed.
"""
import itertools
import sys

import numpy as np

import whinchat


def ours(path, text, f32):
    with whinchat.Model(path, f32=f32) as m:
        return m.tokenize(text), np.array(m.logits(text), dtype=np.float32)


def llama_cpp(path, ids):
    import cyllama.llama.llama_cpp as L

    class Model(L.LlamaModel):
        n_vocab = 0     # the wheel's get_logits_ith reads it

    L.disable_logging()
    L.llama_backend_init()
    L.ggml_backend_load_all()
    mp = L.LlamaModelParams()
    mp.n_gpu_layers = 0
    model = Model(path, mp)
    Model.n_vocab = model.get_vocab().n_vocab
    cp = L.LlamaContextParams()
    cp.n_ctx = cp.n_batch = max(512, len(ids) + 8)
    cp.type_k = cp.type_v = 0   # f32
    cp.flash_attn_type = 0
    context = L.LlamaContext(model, cp)
    batch = L.LlamaBatch(n_tokens=len(ids), embd=0, n_seq_max=1)
    for i, t in enumerate(ids):
        batch.add(int(t), i, [0], i == len(ids) - 1)
    context.decode(batch)
    return np.array(context.get_logits_ith(-1), dtype=np.float32)


def transformers_on(path, ids):
    import os

    import gguf  # noqa: F401: transformers reads the file with it
    import torch
    from transformers import AutoModelForCausalLM
    folder, name = os.path.split(os.path.abspath(path))
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32)
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0, -1].float().numpy()


def main():
    if len(sys.argv) < 2:
        print(__doc__)
        return 2
    path, text = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "The capital of France is"
    ids, exact = ours(path, text, True)
    results = {"whinchat, float": exact, "whinchat": ours(path, text, False)[1]}
    for name, run in (("llama.cpp", llama_cpp), ("transformers", transformers_on)):
        try:
            results[name] = run(path, ids)
        except ImportError as e:
            print("not run: %s: %s" % (name, e))
    for (a, x), (b, y) in itertools.combinations(results.items(), 2):
        n = min(len(x), len(y))
        d = np.abs(x[:n] - y[:n])
        print("%-16s %-16s largest %10.6f   mean %10.6f   %s best token" % (
            a, b, d.max(), d.mean(), "same" if x[:n].argmax() == y[:n].argmax() else "other"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
