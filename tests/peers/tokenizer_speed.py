#!/usr/bin/env python3
"""Tokenizers beside the tokenizers library on one thread, in turns: text to ids, and how long a tokenizer takes to load.

    VENV/bin/python tests/peers/tokenizer_speed.py FOLDER... [--rounds R] [--text NAME=FILE]... [--whole] [--runs]

VENV has tokenizers, and Django for its translations.  FOLDER has a tokenizer.json; a file "NAME.json" will do too, and one
"NAME.json=MODEL.gguf" gives whinchat another file of the same tokenizer.  Texts of about 1 MB are given as documents of some
4 kB (--whole: as one); the library runs encode_batch_fast, its fastest call, which makes no offsets.  Every figure is a
median over the rounds; the ids of both are compared first.  --runs times whinchat on 1 MB of one thing repeated.
"""
import argparse
import ctypes
import glob
import os
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

os.environ.update(TOKENIZERS_PARALLELISM="false", RAYON_NUM_THREADS="1")
import tokenizers  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
TEXT_BYTES = 1000000
DOCUMENT_BYTES = 4096
RUNS = {"letter": "a", "spaces": " ", "emoji": "\U0001f600", "newlines": "\n", "brackets": "([{<>}])", "merging": "abab the the ",
        "marks": "\u0301\u0323", "digits": "7", "CJK": "\u65e5", "apostrophes": "'"}


class Error(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int), ("text", ctypes.c_char * 4000)]


class Options(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("n_threads", ctypes.c_int), ("compute", ctypes.c_int), ("slice", ctypes.c_char_p),
                ("tokenizer", ctypes.c_char_p), ("config", ctypes.c_char_p), ("tokenizer_only", ctypes.c_bool),
                ("random_dtype", ctypes.c_char_p)]


class Whinchat:
    """A tokenizer of the library in build/."""

    lib = None

    def __init__(self, name):
        if not Whinchat.lib:
            Whinchat.lib = ctypes.CDLL(str(ROOT / "build/src/libwhinchat.so"))
            self.lib.wc_model_open.restype = ctypes.c_void_p
        options = Options(size=ctypes.sizeof(Options), tokenizer_only=True)
        self.error = Error()
        self.model = self.lib.wc_model_open(str(name).encode(), ctypes.byref(options), ctypes.byref(self.error))
        if not self.model:
            sys.exit(self.error.text.decode())
        self.ids, self.n = ctypes.POINTER(ctypes.c_int32)(), ctypes.c_size_t()

    def close(self):
        self.lib.wc_model_free(ctypes.c_void_p(self.model))

    def encode(self, text, keep=False):
        """The ids of text, bytes; without keep only their number."""
        if not self.lib.wc_tokenize(ctypes.c_void_p(self.model), text, ctypes.c_size_t(len(text)), False,
                                    ctypes.byref(self.ids), ctypes.byref(self.n), ctypes.byref(self.error)):
            sys.exit(self.error.text.decode())
        ids = self.ids[:self.n.value] if keep else self.n.value
        self.lib.wc_free(self.ids)
        return ids


def cut(text, n):
    """The first n bytes of a text, at a character."""
    return text.encode()[:n].decode(errors="ignore")


def translations():
    """Lines of Django's translations into eleven languages, a language at a time."""
    import django
    folder, out = Path(django.__file__).parent, []
    for language in ("de", "fr", "es", "ru", "ar", "hi", "ja", "ko", "zh_Hans", "el", "th"):
        lines = []
        for path in sorted(glob.glob(f"{folder}/**/locale/{language}/LC_MESSAGES/django.po", recursive=True)):
            text = Path(path).read_text()
            lines += [s for block in re.findall(r'^msgstr.*\n(?:".*\n)*', text, re.M) if "Content-Type" not in block
                      for s in ["".join(re.findall(r'"(.*)"', block))] if s]
        out.append(cut("\n".join(lines), TEXT_BYTES // 11))
    return "\n".join(out)


def default_texts():
    import pydoc_data.topics
    library = Path(os.__file__).parent
    code = "\n".join(p.read_text() for p in sorted(library.glob("*.py")) if p.stat().st_size > 20000)
    return {"English": "\n".join(pydoc_data.topics.topics.values()), "code": code, "multilingual": translations()}


def documents(text, whole):
    """Pieces of about DOCUMENT_BYTES that end with a line."""
    if whole:
        return [text]
    out, lines, size = [], [], 0
    for line in text.splitlines(keepends=True):
        lines.append(line)
        size += len(line.encode())
        if size >= DOCUMENT_BYTES:
            out.append("".join(lines))
            lines, size = [], 0
    return out + ["".join(lines)]


def seconds(run):
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def in_turns(rounds, *runs):
    """Median seconds of each of the runs, which take turns."""
    taken = [[] for _ in runs]
    for _ in range(rounds):
        for kept, run in zip(taken, runs):
            kept.append(seconds(run))
    return [statistics.median(t) for t in taken]


def compare(name, ours, peer, texts, args):
    for label, text in texts.items():
        docs = documents(cut(text, TEXT_BYTES), args.whole)
        raw = [d.encode() for d in docs]
        differ = sum(ours.encode(r, True) != peer.encode(d, add_special_tokens=False).ids for r, d in zip(raw, docs))
        a, b = in_turns(args.rounds, lambda: [ours.encode(r) for r in raw],
                        lambda: peer.encode_batch_fast(docs, add_special_tokens=False))
        size = sum(map(len, raw)) / 1e6
        print("%-24s %-13s %8.1f MB/s, tokenizers %8.1f MB/s, %6.2f x%s" %
              (name, label, size / a, size / b, b / a, ", ids of %d documents differ" % differ if differ else ""), flush=True)


def runs(name, ours):
    figures = []
    for label, unit in RUNS.items():
        text = unit.encode() * (TEXT_BYTES // len(unit.encode()))
        figures.append("%s %.0f" % (label, 1e3 * statistics.median(seconds(lambda: ours.encode(text)) for _ in range(3))))
    print("%-24s ms for 1 MB: %s" % (name, ", ".join(figures)), flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("folders", nargs="+", metavar="FOLDER")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--text", action="append", default=[], metavar="NAME=FILE", help="in place of the texts of Python and Django")
    p.add_argument("--whole", action="store_true", help="each text as one document")
    p.add_argument("--runs", action="store_true", help="only 1 MB of one thing repeated, whinchat alone")
    args = p.parse_args()
    texts = {n: Path(f).read_text() for n, f in (t.split("=", 1) for t in args.text)}
    texts = texts or ({} if args.runs else default_texts())
    for folder in args.folders:
        path, _, model = folder.partition("=")
        path = Path(path)
        with tempfile.TemporaryDirectory() as alone:
            if path.is_file():
                name, source = path.stem, path
                os.symlink(path.resolve(), alone + "/tokenizer.json")
                model = model or alone
            else:
                name, source, model = path.name, path / "tokenizer.json", model or path
            ours = Whinchat(model)
            if args.runs:
                runs(name, ours)
            else:
                peer = tokenizers.Tokenizer.from_file(str(source))
                peer.no_truncation()
                peer.no_padding()
                a, b = in_turns(args.rounds, lambda: Whinchat(model).close(), lambda: tokenizers.Tokenizer.from_file(str(source)))
                print("%-24s %-13s %8.1f ms,   tokenizers %8.1f ms,   %6.2f x" % (name, "load", a * 1e3, b * 1e3, b / a), flush=True)
                compare(name, ours, peer, texts, args)
            ours.close()


if __name__ == "__main__":
    main()
