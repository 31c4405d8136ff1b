#!/usr/bin/env python3
"""The kit in one go: test.py --bin PROGRAM --out FOLDER [--asan] [--vision MODEL] [--speech MODEL] FAMILY...

Makes the files of the families in FOLDER (again when the kit is newer), runs the program over them with the commands of
commands.json and closes with run.py's "N passed, N failed". With --vision, pictures go through the model's run, with --speech sounds do.
"""
import argparse
import glob
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def made(out):
    """Whether the files are there and no script is newer."""
    try:
        when = os.path.getmtime(os.path.join(out, "manifest.json"))
    except OSError:
        return False
    scripts = [os.path.join(HERE, "make.py")] + glob.glob(os.path.join(HERE, "badlib", "*.py"))
    return all(os.path.getmtime(s) < when for s in scripts)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--bin", required=True)
    ap.add_argument("--out", required=True)
    ap.add_argument("--asan", action="store_true")
    ap.add_argument("--vision")
    ap.add_argument("--speech")
    ap.add_argument("--jobs", default="2")
    ap.add_argument("--time-scale", default="2")
    ap.add_argument("family", nargs="+")
    a = ap.parse_args()
    if not made(a.out):
        subprocess.run([sys.executable, os.path.join(HERE, "make.py"), a.out, "--family", ",".join(a.family)],
                       check=True)
    argv = [sys.executable, os.path.join(HERE, "run.py"), a.out, "--bin", a.bin, "--jobs", a.jobs,
            "--cmds", os.path.join(HERE, "commands.json"), "--time-scale", a.time_scale]
    argv += ["--asan"] if a.asan else []
    argv += ["--vision", a.vision] if a.vision else []
    argv += ["--speech", a.speech] if a.speech else []
    return subprocess.run(argv).returncode


if __name__ == "__main__":
    sys.exit(main())
