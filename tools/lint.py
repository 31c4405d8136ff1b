#!/usr/bin/env python3
"""Checks what no compiler checks, and runs those that do: lint.py [NAME]...

Each function check_NAME yields lines "file:line: what is wrong"; a check without a line has passed. The table of
which folder may include what is read from docs/ARCHITECTURE.md. The last line is "N passed, N failed".
"""
import json
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MAX_FILE_BYTES = 12 << 20
MAX_MODELS_BYTES = 20 << 20
MAX_C_LINES = 1500
C_FOLDERS = ("include", "src", "cli", "hub", "documents", "server", "examples", "tests")
COMPILERS = {"gcc": ("gcc", "g++"), "clang": ("clang", "clang++")}


# ---- files ----

def tracked():
    """Every file of the project, relative to its root: git's, or all but build folders where there is no git."""
    git = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                         capture_output=True)
    if git.returncode == 0:
        return [f for f in git.stdout.decode().split("\0") if f and os.path.isfile(os.path.join(ROOT, f))]
    found = []
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [d for d in folders if d not in (".git", "__pycache__") and not d.startswith("build")]
        found += [os.path.relpath(os.path.join(folder, f), ROOT) for f in files]
    return found


def c_files():
    return sorted(f for f in tracked() if f.endswith((".c", ".h", ".cpp")) and f.split("/")[0] in C_FOLDERS)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="surrogateescape") as f:
        return f.read()


def code_of(path):
    """The text with comments and string literals blanked, line breaks kept."""
    literal = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
    return literal.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), read(path))


def matches(path, pattern, text):
    for m in re.finditer(pattern, text, re.M):
        yield text.count("\n", 0, m.start()) + 1, m


# ---- which way includes point ----

def include_table():
    """{folder: [folders and files that it may include]} from docs/ARCHITECTURE.md."""
    table, rows = {}, read("docs/ARCHITECTURE.md").split("| folder | may include |")[1].split("\n\n")[0]
    for row in rows.split("\n")[2:]:
        folders, allowed = [c.strip() for c in row.strip("|").split("|")][:2]
        for folder in re.split(r"[,\s]+", folders.replace("`", "")):
            table[folder] = [] if allowed.startswith("nothing") else re.split(r"[,\s]+", allowed.replace("`", ""))
    return table


def folder_of(path):
    """The row of the table a file belongs to: the folder under src/, or the folder at the root."""
    parts = path.split("/")
    if parts[0] == "src":
        return parts[1]
    return parts[0]


def resolve(path, name):
    """The project's file that #include "name" or <name> in path means (perhaps made by meson from NAME.in), or None."""
    for base in (os.path.dirname(path), "include", "src", "."):
        target = os.path.normpath(os.path.join(base, name))
        if os.path.isfile(os.path.join(ROOT, target)) or os.path.isfile(os.path.join(ROOT, target + ".in")):
            return target
    return None


def check_includes():
    """Includes point only where the table of docs/ARCHITECTURE.md allows."""
    table = include_table()
    for path in c_files():
        folder = folder_of(path)
        for line, m in matches(path, r'^\s*#\s*include\s*(["<])([^">]+)[">]', read(path)):
            target = resolve(path, m.group(2))
            if target is None:
                if m.group(1) == '"':
                    yield "%s:%d: \"%s\" is no file of the project" % (path, line, m.group(2))
                continue
            other = folder_of(target)
            if other == folder:
                continue
            allowed = table.get(folder)
            if allowed is None:
                yield "%s:%d: no row for folder %s in docs/ARCHITECTURE.md" % (path, line, folder)
            elif "everything" not in allowed and other not in allowed and target not in allowed \
                    and target[len("src/"):] not in allowed \
                    and os.path.basename(target) not in allowed:
                yield "%s:%d: %s may not include %s (%s)" % (path, line, folder, other, target)


# ---- words that belong to certain places ----

def check_network():
    """No byte leaves the machine: nothing opens a socket, and hub/ alone loads a library that does."""
    for path in c_files():
        if path.startswith("server/"):
            continue
        words = r"socket|connect|getaddrinfo|gethostbyname|sendto" + ("" if path.startswith("hub/") else r"|dlopen|curl_\w+")
        for line, m in matches(path, r"\b(%s)\s*\(" % words, code_of(path)):
            yield "%s:%d: %s" % (path, line, m.group(1))


def check_network_symbols():
    """The same in the linked program and library; the library loads no other one either."""
    for name, words in (("whinchat", ""), ("src/libwhinchat.so", "|dlopen|dlsym")):
        path = os.path.join("build-lint-gcc", name)
        if not os.path.exists(os.path.join(ROOT, path)):
            yield "%s: not there; run the check gcc first" % path
            continue
        nm = run(["nm", "-D", "--undefined-only", path])
        for symbol in re.findall(r"\bU (socket|connect|getaddrinfo|gethostbyname|sendto%s)\b" % words, nm.stdout):
            yield "%s: needs %s" % (path, symbol)


def check_heap():
    """malloc and its kin occur in src/base only."""
    for path in c_files():
        if path.startswith(("src/", "cli/", "hub/", "documents/")) and not path.startswith("src/base/"):
            for line, m in matches(path, r"(?<![.>\w])(malloc|calloc|realloc|free|strdup|strndup|aligned_alloc|"
                                   r"posix_memalign|asprintf|vasprintf)\s*\(", code_of(path)):
                yield "%s:%d: %s" % (path, line, m.group(1))


def check_silence():
    """The library never prints, never exits, starts no program."""
    for path in c_files():
        if path.startswith("src/"):
            for line, m in matches(path, r"\b(printf|vprintf|fprintf|puts|putchar|fputs|perror|exit|_exit|abort|"
                                   r"system|popen|fork|exec[lv]p?e?)\s*\(", code_of(path)):
                yield "%s:%d: %s" % (path, line, m.group(1))


def check_paths():
    """No path of somebody's machine."""
    pattern = r"(?:^|[\s\"'`=(:])(/(?:home|root|work|Users|workspace)/[\w.-]+)"
    for path in tracked():
        if path.startswith("tests/badinput/") or path.endswith((".png", ".safetensors", ".f32")):
            continue
        for line, m in matches(path, pattern, read(path)):
            yield "%s:%d: %s" % (path, line, m.group(1))


def check_conflicts():
    """No mark of an unfinished merge."""
    for path in tracked():
        if path.endswith((".c", ".h", ".py", ".md", ".build", ".txt", ".toml", ".json", "/dev", "/run")):
            for line, m in matches(path, r"^(<{7} |>{7} |={7}$)", read(path)):
                yield "%s:%d: %s" % (path, line, m.group(1))


def check_sizes():
    """Files stay small: none over 12 MiB, the models under 20 MiB together, no C file over 1,500 lines."""
    models = 0
    for path in tracked():
        size = os.path.getsize(os.path.join(ROOT, path))
        if size > MAX_FILE_BYTES:
            yield "%s: %d bytes, at most %d are allowed" % (path, size, MAX_FILE_BYTES)
        if path.startswith("models/"):
            models += size
    if models >= MAX_MODELS_BYTES:
        yield "models: %d bytes together, expected less than %d" % (models, MAX_MODELS_BYTES)
    for path in c_files():
        lines = read(path).count("\n")
        if path.startswith(("src/", "cli/", "hub/", "documents/")) and lines > MAX_C_LINES and "table" not in path:
            yield "%s: %d lines; a file past %d usually holds two ideas" % (path, lines, MAX_C_LINES)


# ---- other people's tools ----

def run(argv, env=None):
    return subprocess.run(argv, cwd=ROOT, env=dict(os.environ, **(env or {})), capture_output=True, text=True,
                          errors="replace")


def check_format():
    """clang-format changes nothing (but the public header, laid out by hand, and made tables)."""
    files = [f for f in c_files() if f not in ("include/whinchat.h", "src/text/unicode_tables.c")]
    r = run(["clang-format", "--dry-run", "-Werror", "--ferror-limit=1"] + files)
    yield from (line for line in r.stderr.splitlines() if "error:" in line)
    if r.returncode != 0 and "error:" not in r.stderr:
        yield "clang-format: %s" % r.stderr.strip()


def build(name):
    """Compiles everything with warnings as errors; the lines that say why not."""
    folder, (cc, cxx) = "build-lint-" + name, COMPILERS[name]
    if not os.path.exists(os.path.join(ROOT, folder, "build.ninja")):
        r = run(["meson", "setup", folder, "-Dwerror=true"], {"CC": cc, "CXX": cxx})
        if r.returncode != 0:
            yield "meson setup %s: %s" % (folder, r.stdout.strip().split("\n")[-1])
            return
    r = run(["ninja", "-C", folder, "-k", "0"])
    if r.returncode != 0:
        yield from (line for line in r.stdout.splitlines() if re.search(r": (fatal )?error: |undefined reference", line))


def check_gcc():
    """gcc has no warning."""
    yield from build("gcc")


def check_clang():
    """clang has no warning."""
    yield from build("clang")


def check_tidy():
    """clang-tidy, with the checks of .clang-tidy, finds nothing."""
    commands = os.path.join(ROOT, "build-lint-clang", "compile_commands.json")
    if not os.path.exists(commands):
        yield "build-lint-clang: not there; run the check clang first"
        return
    with open(commands) as f:
        files = sorted({os.path.normpath(os.path.join(c["directory"], c["file"])) for c in json.load(f)})
    files = [f for f in files if f.endswith(".c") and f.startswith(ROOT + os.sep)]
    jobs = ["clang-tidy", "--quiet", "-p", os.path.dirname(commands)]
    xargs = subprocess.run(["xargs", "-0", "-n", "4", "-P", str(os.cpu_count() or 1)] + jobs,
                           input="\0".join(files), cwd=ROOT, capture_output=True, text=True)
    found = [line for line in xargs.stdout.splitlines() if re.search(r"(warning|error):", line)]
    yield from dict.fromkeys(line.replace(ROOT + os.sep, "") for line in found)
    if xargs.returncode not in (0, 123) or (xargs.returncode != 0 and not found):  # 123: it found something
        yield "clang-tidy: %s" % xargs.stderr.strip().split("\n")[-1]


def check_mypy():
    """mypy --strict finds nothing in the Python package."""
    if not shutil.which("mypy"):
        print("not run: mypy, which is not installed")
        return
    r = run(["mypy", "--strict", "--cache-dir", "build-lint-mypy"])
    if r.returncode != 0:
        yield from (line for line in r.stdout.splitlines() + r.stderr.splitlines() if line.strip())


CHECKS = [check_includes, check_network, check_heap, check_silence, check_paths, check_conflicts, check_sizes, check_format, check_gcc,
          check_network_symbols, check_clang, check_tidy, check_mypy]


def main():
    names = sys.argv[1:]
    known = {c.__name__[len("check_"):]: c for c in CHECKS}
    for name in names:
        if name not in known:
            print("lint: %s: no such check; there are: %s" % (name, " ".join(known)), file=sys.stderr)
            return 2
    failed = 0
    chosen = [known[n] for n in names] or CHECKS
    for check in chosen:
        faults = list(check())
        failed += bool(faults)
        print("%s %s" % ("FAIL" if faults else "ok  ", check.__doc__.strip()), flush=True)
        for fault in faults:
            print("     " + fault)
    print("%d passed, %d failed" % (len(chosen) - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
