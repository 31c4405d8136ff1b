#!/usr/bin/env python3
"""GGUF models with their pictures in a file of its own: test_mmproj.py PROGRAM SOURCE [NAME]...

Converts the miniature Gemma 3n and the golden Gemma 3 to a text file and a tower (mmproj), and looks whether the pair
answers as the folder does: given, found, in the forms that llama.cpp's converters wrote over time, and broken in many
ways. A line a case; the last one is 'N passed, N failed'. Only Python's own library is needed.
"""
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile

PROGRAM, SOURCE = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
sys.path[:0] = [os.path.join(SOURCE, "tests"), os.path.join(SOURCE, "tests", "badinput")]
from badlib.common import ARR, BOOL, F32, G, I32, STR, U32, _FMT  # noqa: E402
from program import plain_environment, result_of, write_file  # noqa: E402
from tally import check, run_groups  # noqa: E402

MODEL = os.path.join(SOURCE, "models", "gemma-3n-mini-it")
PICTURE = os.path.join(SOURCE, "examples", "guitarist.png")
GOLDEN = os.path.join(SOURCE, "tests", "goldens", "gemma3_mm")
ASK = ("--image", PICTURE, "-p", "Describe this picture.", "--json", "-q")
WORK = tempfile.mkdtemp(prefix="whinchat-mmproj-")


def run(*args):
    return result_of([PROGRAM] + list(args), subprocess.DEVNULL, env=plain_environment(), cwd=WORK)


def answers(name, want, *args):
    """The program's answer to a picture has the ids of want, prompt and answer."""
    r = run("run", *args, *ASK)
    got = json.loads(r.out) if r.code == 0 else {}
    same = [got.get(k) == want[k] for k in ("prompt_ids", "ids", "text")]
    check(name, all(same), (r.code, r.err, got))


def refused(name, words, *args):
    """One line that has these words, a status that is no crash."""
    r = run(*args)
    lines = r.err.strip().split("\n")
    good = r.code in (2, 3, 6) and lines[0].startswith("whinchat: ") and len(lines) <= 2 and words in lines[0]
    check(name, good, (r.code, r.err))


def convert(source, out, *options):
    os.makedirs(os.path.dirname(os.path.join(WORK, out)), exist_ok=True)
    r = run("convert", source, os.path.join(WORK, out), "-q", *options)
    if r.code:
        raise RuntimeError("convert %s: %s" % (source, r.err))
    return os.path.join(WORK, out)


# ---- GGUF files, taken apart and put together ----

def read_gguf(path):
    with open(path, "rb") as f:
        b = f.read()
    at = 24

    def number(fmt):
        nonlocal at
        x, = struct.unpack_from("<" + fmt, b, at)
        at += struct.calcsize("<" + fmt)
        return x

    def text():
        nonlocal at
        n = number("Q")
        at += n
        return b[at - n:at].decode()

    def value(kind):
        if kind == STR:
            return text()
        if kind == ARR:
            items, n = number("I"), number("Q")
            return items, [value(items) for _ in range(n)]
        return number(_FMT[kind])
    n_tensors, n_pairs = struct.unpack_from("<QQ", b, 8)
    pairs, infos = [], []
    for _ in range(n_pairs):
        key, kind = text(), number("I")
        pairs.append((key, kind, value(kind)))
    for _ in range(n_tensors):
        name, n_dims = text(), number("I")
        dims = [number("Q") for _ in range(n_dims)]
        infos.append({"name": name, "dims": dims, "type": number("I"), "offset": number("Q")})
    start = (at + 31) // 32 * 32
    for i, t in enumerate(infos):
        end = infos[i + 1]["offset"] if i + 1 < len(infos) else len(b) - start
        n = {0: 4, 1: 2, 30: 2}[t["type"]]
        for d in t["dims"]:
            n *= d
        assert n <= end - t["offset"] < n + 32
        t["data"] = b[start + t["offset"]:start + t["offset"] + n]
        del t["offset"]
    return G(pairs, infos)


def write(g, name):
    return write_file(os.path.join(WORK, name), g if isinstance(g, bytes) else g.bytes())


def changed(tower, edit):
    g = tower.copy()
    edit(g)
    return write(g, "changed.gguf")


def as_half(t):
    """A tensor of f32 as f16, as llama.cpp's converter has projections."""
    values = struct.unpack("<%df" % (len(t["data"]) // 4), t["data"])
    t["type"], t["data"] = 1, struct.pack("<%de" % len(values), *values)


# ---- Gemma 3n ----

def group_gemma3n():
    r = run("run", MODEL, *ASK)
    want = json.loads(r.out)
    text, tower = convert(MODEL, "n/text.gguf"), convert(MODEL, "towers/n.gguf", "--mmproj")
    towers = [convert(MODEL, "towers/n-%s.gguf" % t, "--mmproj", "--type", t) for t in ("f32", "f16", "q8_0")]
    answers("given", want, text, "--mmproj", tower)
    for path in towers:
        answers("given: " + os.path.basename(path), want, text, "--mmproj", path)
    types(towers[0], "f32")
    types(towers[1], "f16")
    twice = ("--image", PICTURE, "--image", PICTURE, "-p", "Are these the same?", "--json", "-q")
    two = [json.loads(run("run", *m, *twice).out or "{}") for m in ((MODEL,), (text, "--mmproj", tower))]
    check("two pictures", two[0] and two[0]["ids"] == two[1].get("ids") and two[0]["prompt_ids"] == two[1]["prompt_ids"], two)
    r = run("run", text, "-p", "Describe this picture.", "-q")
    check("without a tower: text", r.code == 0 and r.out, r)
    refused("without a tower: no pictures", "takes no pictures (its GGUF file holds the text model; --mmproj names", "run", text, *ASK)
    shutil.copy(tower, os.path.join(WORK, "n", "text-mmproj-bf16.gguf"))
    answers("found", want, text)
    answers("found beside the only model of a folder", want, os.path.join(WORK, "n"))
    show = json.loads(run("show", text, "--json").out)
    check("show", show["modalities"] == ["text", "image"] and show["image"]["tokens"] == 36 and
          show["mmproj"] == os.path.join(WORK, "n", "text-mmproj-bf16.gguf"), show)
    refused("sound", "takes no sound (its GGUF files hold no sound tower", "run", text, "--audio", os.path.join(SOURCE, "tests", "goldens", "gemma3n_mm", "sound_a.wav"), "-p", "hi")
    shutil.copy(towers[0], os.path.join(WORK, "n", "mmproj-f32.gguf"))
    refused("two are found", "2 mmproj files lie beside it; --mmproj says which", "run", text, *ASK)
    answers("one of two", want, text, "--mmproj", os.path.join(WORK, "n", "mmproj-f32.gguf"))
    commit = os.path.join(WORK, "models--a--b", "snapshots", "0123456789" * 4)
    for name, source in (("Q4_0/x-Q4_0.gguf", text), ("mmproj-BF16.gguf", tower), ("mmproj-F32.gguf", "/dev/null")):
        os.makedirs(os.path.dirname(os.path.join(commit, name)), exist_ok=True)
        shutil.copy(source, os.path.join(commit, name))
    answers("found at the top of a snapshot, nearest in bits", want, os.path.join(commit, "Q4_0", "x-Q4_0.gguf"))
    forms(want, text, read_gguf(towers[0]))
    broken(text, towers[0])


def types(path, kind):
    """Types as llama.cpp runs them: what meets a picture first and vectors f32, convolutions f16 where it is 16 bits."""
    wrong = [t["name"] for t in read_gguf(path).tensors if t["type"] != (
        1 if kind == "f16" and len(t["dims"]) > 1 and t["dims"][-1] > 1 and not t["name"].startswith("v.conv_stem") and
        (len(t["dims"]) == 4 or min(t["dims"]) >= 32) else 0)]
    check("types of %s" % kind, not wrong, wrong)


def forms(want, text, tower):
    """What other writers write."""
    def flat(g):
        for t in g.tensors:
            if t["name"].endswith(".gamma"):
                t["dims"] = t["dims"][2:3]
    answers("scales as vectors", want, text, "--mmproj", changed(tower, flat))
    answers("no id of a picture's row", want, text, "--mmproj", changed(tower, lambda g: g.drop("clip.vision.image_token_id")))
    answers("tensors in another order", want, text, "--mmproj", changed(tower, lambda g: g.tensors.reverse()))
    answers("keys and tensors of sound", want, text, "--mmproj", changed(tower, lambda g: (
        g.set("clip.has_audio_encoder", BOOL, 1).set("clip.audio.projector_type", STR, "gemma3na"),
        g.tensors.append({"name": "a.blk.0.attn_q.weight", "dims": [2, 2], "type": 0, "data": bytes(16)}))))
    answers("names of the text model are passed over", want, text, "--mmproj", changed(tower, lambda g: g.tensors.append(
        {"name": "token_embd.weight", "dims": [2, 2], "type": 0, "data": bytes(16)})))
    words = read_gguf(text)
    tokens = next(value[1] for key, _, value in words.kv if key == "tokenizer.ggml.tokens")
    tokens[1537] = "<unused>"
    bare = write(tower.copy().drop("clip.vision.image_token_id"), "towers/bare.gguf")
    r = run("run", write(words, "unknown/text.gguf"), "--mmproj", bare, *ASK)
    got = json.loads(r.out) if r.code == 0 else {}
    check("the vocabulary has no token for a picture's row: the one behind it",
          got.get("prompt_ids") == [1552 if i == 1537 else i for i in want["prompt_ids"]] and got["text"], (r, got))
    tokens[1537] = "<image_soft_token>"     # and the table of layer inputs, filled up with zeros
    table = words.t("per_layer_token_embd.weight")
    row = len(table["data"]) // table["dims"][1]
    table["data"] = table["data"][:1536 * row] + bytes((table["dims"][1] - 1536) * row)
    answers("rows of towers are zeros", want, write(words, "padded/text.gguf"), "--mmproj", os.path.join(WORK, "towers", "n.gguf"))


def broken(text, tower):
    g = read_gguf(tower)

    def bad(name, words, edit):
        refused(name, words, "show", text, "--mmproj", changed(g, edit))
    refused("a folder's tower", "--mmproj: ", "show", MODEL, "--mmproj", tower)
    refused("the tower as the model", "give the model's own file, and this one by --mmproj", "show", tower)
    refused("the model as the tower", "general.architecture: expected clip", "show", text, "--mmproj", text)
    refused("no such file", "nosuch.gguf", "show", text, "--mmproj", "nosuch.gguf")
    refused("a folder as the tower", "n: ", "show", text, "--mmproj", os.path.join(WORK, "n"))
    other = convert(GOLDEN, "towers/g3.gguf", "--mmproj", "--type", "f32")
    refused("of another kind", "clip.projector_type: expected gemma3nv", "show", text, "--mmproj", other)
    other = convert(os.path.join(SOURCE, "tests", "goldens", "gemma3n_mm"), "towers/wide.gguf", "--mmproj", "--type", "f32")
    refused("of another model", "the embedding_length of", "show", text, "--mmproj", other)
    bad("no pictures in it", "clip.has_vision_encoder", lambda x: x.set("clip.has_vision_encoder", BOOL, 0))
    bad("a kind of neither", "found resampler", lambda x: x.set("clip.vision.projector_type", STR, "resampler"))
    bad("no kind", "found nothing", lambda x: x.drop("clip.vision.projector_type"))
    bad("mean is missing", "clip.vision.image_mean: ", lambda x: x.drop("clip.vision.image_mean"))
    bad("two means", "clip.vision.image_mean: ", lambda x: x.set("clip.vision.image_mean", ARR, (F32, [0.0, 0.0])))
    bad("deviation of 0", "clip.vision.image_std: ", lambda x: x.set("clip.vision.image_std", ARR, (F32, [0.0, 1.0, 1.0])))
    bad("deviation in words", "clip.vision.image_std: ", lambda x: x.set("clip.vision.image_std", ARR, (STR, ["a", "b", "c"])))
    bad("size in words", "clip.vision.image_size: ", lambda x: x.set("clip.vision.image_size", STR, "large"))
    bad("size out of range", "clip.vision.image_size: ", lambda x: x.set("clip.vision.image_size", U32, 1 << 20))
    bad("patches of 0", "clip.vision.patch_size: ", lambda x: x.set("clip.vision.patch_size", U32, 0))
    bad("no place for a row", "", lambda x: x.set("clip.vision.patch_size", U32, 8000))
    for name in ("mm.input_projection.weight", "mm.embedding.weight", "v.conv_stem.conv.weight", "v.msfa.norm.weight",
                 "v.blk.0.0.conv_exp.weight", "v.blk.1.1.pw_exp.conv.weight", "v.blk.2.4.attn.key.proj.weight",
                 "v.blk.2.4.layer_scale.gamma", "v.blk.3.0.pw_exp.conv.weight"):
        bad("without " + name, ": tensor ", lambda x: x.tensors.remove(x.t(name)))
        if name == "mm.embedding.weight":   # as many words as it has rows
            continue
        bad("a long " + name, ": tensor ", lambda x: x.t(name).update(
            dims=x.t(name)["dims"][:-1] + [x.t(name)["dims"][-1] + 1], data=x.t(name)["data"] * 2))
    with open(tower, "rb") as f:
        whole = f.read()
    head = whole.index(b"mm.a.embedding.weight")
    for n in [0, 3, 4, 20, 24, 100, head // 2, head, head + 300, head + 5000, len(whole) // 2, len(whole) - 40]:
        refused("%d bytes of it" % n, "changed.gguf: ", "show", text, "--mmproj", write(whole[:n], "changed.gguf"))


# ---- Gemma 3 ----

def group_gemma3():
    """The golden's vocabulary is none that GGUF files have, so that prompts are ids; a picture has 9 rows of the id 8."""
    plain = os.path.join(WORK, "plain")
    os.makedirs(plain)
    for name in ("config.json", "model.safetensors"):
        shutil.copy(os.path.join(GOLDEN, name), plain)
    text, tower = convert(plain, "g3/text.gguf", "--type", "f32"), convert(GOLDEN, "towers/g3.gguf", "--mmproj", "--type", "f32")

    def ids(place, *args):
        prompt = ",".join(map(str, [2, 30, 6] + 9 * [place] + [7, 40, 50]))
        r = run("run", *args, "--prompt-ids", prompt, "--image", os.path.join(GOLDEN, "image_a.png"), "-n", "12", "--greedy", "--json",
                "--logprobs", "5", "-q", "--compute", "f32")
        got = json.loads(r.out) if r.code == 0 else {}
        return got.get("ids"), got.get("logprobs"), r.err
    want = ids(8, GOLDEN)
    check("Gemma 3: ids of a picture", want[0], want)

    def same(name, place, *args):
        got = ids(place, *args)
        check("Gemma 3: " + name, got[0] and got[:2] == want[:2], got)
    same("given", 8, text, "--mmproj", tower)
    g, words = read_gguf(tower), read_gguf(text)

    def swap(g):
        for t in g.tensors:
            t["name"] = t["name"].replace("ffn_up", "X").replace("ffn_down", "ffn_up").replace("X", "ffn_down")
    same("the feed-forward's matrices under each other's names", 8, text, "--mmproj", changed(g, swap))
    refused("Gemma 3: one of them so", ": tensor v.blk.1.", "show", text, "--mmproj",
            changed(g, lambda x: (swap(x), x.t("v.blk.1.ffn_up.weight").update(name="v.blk.1.lost.weight"))))
    refused("Gemma 3: no id, no vocabulary", "tokenizer.ggml.tokens: ", "show", text, "--mmproj",
            changed(g, lambda x: x.drop("clip.vision.image_token_id")))
    tokens = ["<t%d>" % i for i in range(272)]
    named = words.copy().drop("tokenizer.ggml.model")
    named.set("tokenizer.ggml.model", STR, "llama").set("tokenizer.ggml.scores", ARR, (F32, [0.0] * 272))
    named.set("tokenizer.ggml.token_type", ARR, (I32, [3] * 272)).set("tokenizer.ggml.tokens", ARR, (STR, tokens))
    bare = write(g.copy().drop("clip.vision.image_token_id"), "towers/bare.gguf")
    same("the vocabulary ends before a picture's token", 272, write(named, "g3/ends.gguf"), "--mmproj", bare)
    refused("Gemma 3: an id behind that", "expected 0 to 271", "run", os.path.join(WORK, "g3", "ends.gguf"), "--mmproj", bare,
            "--prompt-ids", "2,273")
    refused("Gemma 3: that id without a picture", "pictures", "run", os.path.join(WORK, "g3", "ends.gguf"), "--mmproj", bare,
            "--prompt-ids", "2,272")
    tokens[8] = "<image_soft_token>"
    same("the vocabulary has it", 8, write(named.set("tokenizer.ggml.tokens", ARR, (STR, tokens)), "g3/has.gguf"), "--mmproj", bare)
    half = ids(8, text, "--mmproj", changed(g, lambda x: as_half(x.t("mm.input_projection.weight"))))
    check("Gemma 3: a projection of f16", half[0], half)
    for key, kind, value, words in (("clip.use_gelu", BOOL, 0, "clip.use_gelu"), ("clip.vision.patch_size", U32, 200, "clip.vision."),
                                    ("clip.vision.attention.head_count", U32, 5, "clip.vision.embedding_length"),
                                    ("clip.vision.block_count", U32, 4, "v.blk.3."),
                                    ("clip.vision.projector.scale_factor", U32, 100, "clip.vision."),
                                    ("clip.vision.embedding_length", U32, 25, ""),
                                    ("clip.vision.image_token_id", U32, 4000, "tokenizer.ggml.tokens")):
        refused("Gemma 3: %s %s" % (key, value), words, "show", text, "--mmproj", changed(g, lambda x: x.set(key, kind, value)))
    refused("Gemma 3: a text model alone", "vision_config", "convert", os.path.join(SOURCE, "tests", "goldens", "gemma3_text"),
            os.path.join(WORK, "out.gguf"), "--mmproj")
    for name, fields in (("resample", {"resample": 3}), ("do_pan_and_scan", {"do_pan_and_scan": True})):
        with open(os.path.join(GOLDEN, "processor_config.json")) as f:
            processor = json.load(f)
        processor["image_processor"].update(fields)
        with open(os.path.join(plain, "processor_config.json"), "w") as f:
            json.dump(processor, f)
        refused("Gemma 3: a processor with another " + name, name, "convert", plain, os.path.join(WORK, "out.gguf"), "--mmproj")


if __name__ == "__main__":
    sys.exit(run_groups(globals(), sys.argv[3:], WORK))
