#!/usr/bin/env python3
"""The C library as other programs meet it: test_api.py BUILD SOURCE [--record]

Installs the build into a folder of its own and looks at what lies there: the exported names, the shared object's name,
the pkg-config file, the examples built as a reader of the header would build them, a C++ program, and the binary
interface against tests/api/whinchat.abi (libabigail; structs with a size may grow; --record writes that file anew, which a release does once).
A line a case; the last one is 'N passed, N failed'.
"""
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from tally import check, finish  # noqa: E402

BUILD, SOURCE = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
HEADER = os.path.join(SOURCE, "include", "whinchat.h")
ABI = os.path.join(SOURCE, "tests", "api", "whinchat.abi")
PICTURE = os.path.join(SOURCE, "examples", "guitarist.png")
EXPECTED = os.path.join(SOURCE, "tests", "goldens", "expected")
ANSWER = "The person in the image is playing an electric guitar.\n"
WORK = tempfile.mkdtemp(prefix="whinchat-api-")
ROOT = os.path.join(WORK, "root")


def run(command, stdin="", **env):
    p = subprocess.run(command, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=WORK,
                       env=dict(os.environ, **env))
    return p.returncode, p.stdout, p.stderr


def find(folder, name):
    for at, _, files in os.walk(folder):
        if name in files:
            return os.path.join(at, name)
    return None


def declared():
    """The functions of the header."""
    text = re.sub(r"/\*.*?\*/", "", open(HEADER).read(), flags=re.S)
    return set(re.findall(r"WC_API\s[^;(]*?\b(wc_\w+)\s*\(", text))


def check_exports(library):
    code, out, err = run(["nm", "-D", "--defined-only", "--format=posix", library])
    names = {line.split()[0].split("@")[0] for line in out.splitlines() if line.split()[1] != "A"}
    check("exports are the header's functions, no more and no less", code == 0 and names == declared(),
          err or sorted(names ^ declared()))
    code, out, err = run(["readelf", "-d", library])
    check("soname", "[libwhinchat.so.0]" in out, out + err)


def pkg_config(prefix_of_pc):
    env = {"PKG_CONFIG_PATH": prefix_of_pc, "PKG_CONFIG_SYSROOT_DIR": ROOT}
    code, out, err = run(["pkg-config", "--cflags", "--libs", "whinchat"], **env)
    check("pkg-config", code == 0 and "-lwhinchat" in out, err)
    return out.split()


def compile_example(name, compiler, flags, more=()):
    program = os.path.join(WORK, name.split(".")[0])
    source = name if os.path.isabs(name) else os.path.join(SOURCE, "examples", name)
    code, _, err = run(compiler + [source, "-Wall", "-Wextra", "-Werror", "-o", program] + list(more) + flags)
    check("%s compiles against what is installed" % os.path.basename(name), code == 0, err)
    return program


def conversations():
    """(id, questions, answers) without pictures, where the reference's two best tokens are far apart."""
    doc = json.load(open(os.path.join(EXPECTED, "expected.json")))
    for c in doc["conversations"]:
        if not c["images"] and not c["system"] and all(t["float32"]["comfortable"] for t in c["turns"]):
            texts = ["".join(p["text"] for p in t["user"]["content"]) for t in c["turns"]]
            if not any("\n" in t for t in texts):
                yield c["id"], texts, [t["float32"]["text"] for t in c["turns"]]


def check_examples(flags, library):
    env = {"LD_LIBRARY_PATH": os.path.dirname(library), "WHINCHAT_MODELS": os.path.join(ROOT_SHARE, "models")}
    lines = open(os.path.join(SOURCE, "examples", "ask_about_picture.c")).read().count("\n")
    check("ask_about_picture.c is under 60 lines", lines < 60, lines)
    for name in ("minimal.c", "ask_about_picture.c"):
        program = compile_example(name, ["cc", "-std=c11"], flags)
        check("%s answers" % name, run([program, "gemma-3n-mini-it", PICTURE], **env)[:2] == (0, ANSWER))
        code, out, err = run([program, "gemma-3n-mini-it", HEADER], **env)
        check("%s says in a line why it cannot" % name, (code, out) == (1, "") and err.count("\n") == 1, (code, out, err))
    program = compile_example("chat.c", ["cc", "-std=c11"], flags)
    for id, questions, answers in conversations():
        code, out, err = run([program, "gemma-3n-mini-it"], stdin="".join(q + "\n" for q in questions), **env)
        check("chat.c %s" % id, (code, out) == (0, "".join(a + "\n" for a in answers)), (code, out, answers, err))
    code, out, err = run([program, "no such model"], **env)
    check("chat.c without a model", code == 1 and err.count("\n") == 1, (code, out, err))


def check_cpp(flags, library):
    source = os.path.join(WORK, "cpp.cpp")
    with open(source, "w") as f:
        f.write('#include <whinchat.h>\n#include <cstdio>\nint main() { std::puts(wc_version()); }\n')
    program = compile_example(source, ["c++", "-std=c++11", "-pedantic"], flags)
    version = run([program], LD_LIBRARY_PATH=os.path.dirname(library))[1].strip()
    check("a C++ program runs", re.fullmatch(r"\d+\.\d+\.\d+", version), version)


def growing():
    """A suppression file of libabigail: structs that say their size at the caller may get fields at their end."""
    names = re.findall(r"typedef struct (wc_\w+) \{\s*size_t size;", open(HEADER).read())
    path = os.path.join(WORK, "growing.ini")
    with open(path, "w") as f:
        for name in names:
            f.write("[suppress_type]\n  type_kind = struct\n  name = %s\n  has_data_member_inserted_at = end\n\n" % name)
    check("structs that may grow", "wc_prompt" in names and "wc_media" not in names, names)
    return path


def check_abi(library, header_folder):
    if not shutil.which("abidw") or platform.machine() != "x86_64":
        print("not run: the ABI's comparison (abidw of libabigail on x86-64)")
        return
    common = ["--drop-private-types", "--no-comp-dir-path"]
    if "--record" in sys.argv:
        code, _, err = run(["abidw", "--headers-dir", header_folder, "--no-corpus-path", "--out-file", ABI]
                           + common + [library])
        check("recorded %s" % ABI, code == 0, err)
    code, out, err = run(["abidiff", "--headers-dir2", header_folder, "--drop-private-types", "--no-added-syms",
                          "--suppressions", growing(), ABI, library])
    check("the ABI is the recorded one, or has more functions and fields", code == 0, (code, out, err))
    # A field that moves must be seen: the same comparison with a header that has changed.
    text = open(os.path.join(header_folder, "whinchat.h")).read()
    changed = os.path.join(WORK, "changed")
    os.makedirs(changed, exist_ok=True)
    with open(os.path.join(changed, "whinchat.h"), "w") as f:
        f.write(text.replace("    int ctx;     /* most", "    long ctx;    /* most"))
    stub = os.path.join(WORK, "stub.c")
    with open(stub, "w") as f:
        f.write('#include "whinchat.h"\nwc_session *wc_session_new(wc_model *m, const wc_session_options *o, '
                'wc_error *e)\n{\n    (void)m; (void)o; (void)e;\n    return 0;\n}\n')
    for folder, same in ((header_folder, True), (changed, False)):
        lib = os.path.join(WORK, "stub-%s.so" % same)
        run(["cc", "-g", "-shared", "-fPIC", "-I", folder, stub, "-o", lib])
    code, out, err = run(["abidiff", os.path.join(WORK, "stub-True.so"), os.path.join(WORK, "stub-False.so")])
    check("abidiff sees a field of another size", code & 4, (code, out, err))


code, out, err = run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet"], DESTDIR=ROOT)
if check("meson install", code == 0, out + err):
    library, pc = find(ROOT, "libwhinchat.so.0"), find(ROOT, "whinchat.pc")
    header_folder = os.path.dirname(find(ROOT, "whinchat.h"))
    ROOT_SHARE = os.path.dirname(os.path.dirname(os.path.dirname(find(ROOT, "chat_template.jinja"))))
    check_exports(os.path.realpath(library))
    flags = pkg_config(os.path.dirname(pc))
    check_examples(flags, library)
    check_cpp(flags, library)
    check_abi(os.path.realpath(library), header_folder)
shutil.rmtree(WORK)
sys.exit(finish())
