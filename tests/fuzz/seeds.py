#!/usr/bin/env python3
"""Makes the first corpus of a fuzz target: seeds.py NAME OUT

The seeds are the kit's own files (tests/badinput, broken and legal ones) and those of the shipped model, where they
are small enough for a fuzzer to go through quickly.
"""
import hashlib
import json
import os
import shutil
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


def seeds(name, out):
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
    if name not in KIT and name not in MAGIC:
        print("seeds: %s: there are: %s" % (name, " ".join([*KIT, *MAGIC])), file=sys.stderr)
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
