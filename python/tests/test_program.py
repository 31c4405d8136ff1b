#!/usr/bin/env python3
"""The program that a user of transformers has, with one import changed: test_program.py [SOURCE], with PYTHONPATH and
WHINCHAT_LIBRARY set, or with the package installed.

It runs word for word: with the shipped model's name; with torch installed (or a stand-in that has its dtypes) and without; and
with the name of the real model in a Hugging Face cache that is built here of the shipped model's files, whose repository
is spelled in other letters than the program spells it.  Needs Pillow, as the program does.  The last line is
'N passed, N failed'.
"""
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests"))
from tally import check, finish  # noqa: E402

SOURCE = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..", ".."))
ANSWER = "The person in the image is playing an electric guitar.\n"
PROGRAM = '''\
import torch                                    # optional: dtype may also be a string
from whinchat import pipeline
from PIL import Image
sample_image = Image.open(image_path).convert("RGB")
pipe = pipeline(task="image-text-to-text", model="google/gemma-3n-e4b-it", dtype=torch.bfloat16, device=0)
messages = [{"role": "user", "content": [{"type": "image"},  # filled from the images argument
            {"type": "text", "text": "What musical instrument is the person playing?"}]}]
out = pipe(text=messages, images=[sample_image], return_full_text=False)
print(out[0]["generated_text"])                 # The person in the image is playing an electric guitar.
'''
NO_TORCH = "import sys; sys.modules['torch'] = None\n"  # so that importing it fails, installed or not
STAND_IN = '''\
class dtype:
    def __repr__(self):
        return "torch.bfloat16"
bfloat16 = dtype()
'''


def run(name, program, **env):
    head = "image_path = %r\n" % os.path.join(SOURCE, "examples", "guitarist.png")
    env = {k: v for k, v in dict(os.environ, **env).items() if v is not None}
    p = subprocess.run([sys.executable, "-c", head + program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                       env=env)
    check(name, (p.returncode, p.stdout) == (0, ANSWER) and "Traceback" not in p.stderr, (p.returncode, p.stdout, p.stderr))
    return p.stderr


def make_cache(folder, name):
    """A Hugging Face cache with the shipped model's files under another name."""
    import whinchat
    shipped = whinchat.Tokenizer.from_pretrained("gemma-3n-mini-it")._model.info["path"]
    repo = os.path.join(folder, "models--" + name.replace("/", "--"))
    commit = "0123456789abcdef0123456789abcdef01234567"
    os.makedirs(os.path.join(repo, "refs"))
    with open(os.path.join(repo, "refs", "main"), "w") as f:
        f.write(commit)
    shutil.copytree(shipped, os.path.join(repo, "snapshots", commit))


def main():
    try:
        import PIL  # noqa: F401
    except ImportError:
        print("not run: the program of the README, which needs Pillow\n0 passed, 0 failed")
        return 0
    work = tempfile.mkdtemp(prefix="whinchat-program-")
    try:
        shipped = PROGRAM.replace("google/gemma-3n-e4b-it", "gemma-3n-mini-it")
        as_text = shipped.split("\n", 1)[1].replace("torch.bfloat16", '"bfloat16"')
        paths = os.environ.get("PYTHONPATH", "")
        try:
            import torch  # noqa: F401
        except ImportError:
            print("# torch is not here: a stand-in for its dtypes takes its place")
            with open(os.path.join(work, "torch.py"), "w") as f:
                f.write(STAND_IN)
            paths = os.pathsep.join([work] + ([paths] if paths else []))
        heard = run("the shipped model, torch's dtype", shipped, PYTHONPATH=paths)
        check("device=0 warns once", heard.count("runs on the CPU") == 1, heard)
        run("the shipped model, torch not installed", NO_TORCH + as_text)
        cache = os.path.join(work, "hub")
        make_cache(cache, "google/gemma-3n-E4B-it")
        run("the real model's name, in the cache", PROGRAM, PYTHONPATH=paths, HF_HUB_CACHE=cache)
        run("the cache below HF_HOME", PROGRAM, PYTHONPATH=paths, HF_HOME=work, HF_HUB_CACHE=None)
    finally:
        shutil.rmtree(work)
    return finish()


sys.exit(main())
