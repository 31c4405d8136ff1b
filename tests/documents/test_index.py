#!/usr/bin/env python3
"""whinchat index and ask from outside: test_index.py PROGRAM SOURCE [NAME]...

Small models (tests/goldens/minilm finds, models/gemma-3n-mini-it answers); what they find and say is of no account here,
only what becomes of files, databases and command lines. NAME chooses groups. A line a case; the last one is
'N passed, N failed'.
"""
import json
import os
import random
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from program import TIME, exits, plain_environment, result_of, write_file  # noqa: E402
from tally import check, run_groups  # noqa: E402

PROGRAM, SOURCE = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
ENCODER = os.path.join(SOURCE, "tests", "goldens", "minilm")
OTHER = os.path.join(SOURCE, "tests", "goldens", "bert_pooled")
ANSWERER = os.path.join(SOURCE, "models", "gemma-3n-mini-it")
WIDTH = 36
NEAR = "Birds > Trees\nThe tree is small."
WORK = os.path.realpath(tempfile.mkdtemp(prefix="whinchat-index-"))


def run(*args, stdin="", cwd=None, **env):
    return result_of([PROGRAM] + list(args), stdin, env=plain_environment(LC_ALL="C.UTF-8", **env), cwd=cwd or WORK)


def write(path, data=""):
    return write_file(os.path.join(WORK, path), data)


def index(*args, **more):
    return run("index", *args, "--model", ENCODER, **more)


def update(name, want, *args):
    """Runs index --json and holds added, changed, removed, unchanged and skipped names against want."""
    r = index(*args, "--json")
    o = json.loads(r.out) if r.code == 0 else {}
    got = [o.get(k) for k in ("added", "changed", "removed", "unchanged")] + [
        sorted(os.path.basename(s["path"]) for s in o.get("skipped", []))]
    check(name, got == want, "%s; wanted %s" % (r, want))
    return o


def rows(db, sql):
    with sqlite3.connect(os.path.join(WORK, db)) as c:
        return c.execute(sql).fetchall()


def paths(db):
    return [os.path.relpath(p, WORK) for p, in rows(db, "SELECT path FROM files ORDER BY path")]


# ---- groups ----

def group_files():
    write("d/a.md", "# Birds\nThe cat is in the tree.\n\n## Trees\nThe tree is small.\n")
    write("d/sub/b.txt", "the cat\r\n")
    write("d/c.c", "int main(void)\n{\n}\n")
    write("d/.hidden/x.md", "hidden")
    write("d/.hidden.md", "hidden")
    write("d/binary", b"text\0text")
    write("d/latin", "caf\u00e9".encode("latin-1"))
    write("d/page.html", "<p>text")
    write("d/empty.md", "")
    write("d/big.txt", "word " * (1 << 20))
    write("out/far.md", "far away")
    os.symlink("../out", os.path.join(WORK, "d/link"))
    os.symlink("../out/far.md", os.path.join(WORK, "d/link.md"))
    os.symlink("..", os.path.join(WORK, "d/sub/up"))
    os.mkfifo(os.path.join(WORK, "d/fifo"))
    skipped = ["big.txt", "binary", "latin", "page.html"]
    o = update("a folder", [4, 0, 0, 0, skipped], "d", "d/db")
    check("counts", o.get("files") == 4 and o.get("chunks") == 4 and o.get("model") == ENCODER, o)
    check("links and hidden files are not followed", paths("d/db") == ["d/a.md", "d/c.c", "d/empty.md", "d/sub/b.txt"],
          paths("d/db"))
    got = rows("d/db", "SELECT path, first_line, last_line, heading, text FROM chunks JOIN files ON files.id = file ORDER BY chunks.id")
    check("chunks", [(os.path.basename(p), *rest) for p, *rest in got] == [
        ("a.md", 2, 2, "Birds", "The cat is in the tree."), ("a.md", 5, 5, "Birds > Trees", "The tree is small."),
        ("c.c", 1, 3, "c.c", "int main(void)\n{\n}"), ("b.txt", 1, 1, "b.txt", "the cat")], got)
    blob = rows("d/db", "SELECT embedding FROM chunks WHERE id = 1")[0][0]
    want = json.loads(run("embed", ENCODER, "Birds\nThe cat is in the tree.", "--normalize", "--prompt-name", "document").out)
    check("the embedding is that of embed, as little-endian floats",
          len(blob) == 4 * WIDTH and max(abs(a - b) for a, b in zip(struct.unpack("<%df" % WIDTH, blob), want)) < 1e-6, want)
    check("application and version", rows("d/db", "PRAGMA application_id") == [(0x77686E63,)]
          and rows("d/db", "PRAGMA user_version") == [(1,)])
    r = index("d", "d/db")
    check("what is not read is said", r.err.count("not read: ") == 4 and "larger than 4 MiB" in r.err and "UTF-8" in r.err, r)
    check("--quiet", not index("d", "d/db", "-q").err)


def group_changes():
    for name in "abc":
        write("e/%s.md" % name, "the cat %s" % name)
    write("f/x.md", "the tree")
    update("first", [4, 0, 0, 0, []], "e", "f", "e.db")
    before = rows("e.db", "SELECT * FROM chunks")
    update("nothing to do", [0, 0, 0, 4, []], "e", "f", "e.db")
    check("nothing was written", rows("e.db", "SELECT * FROM chunks") == before)
    os.utime(os.path.join(WORK, "e/a.md"), (1, 1))
    update("another time, the same text", [0, 0, 0, 3, []], "e", "e.db")
    check("its time is remembered", rows("e.db", "SELECT mtime FROM files WHERE path LIKE '%/a.md'") == [(10 ** 9,)])
    write("e/b.md", "the dog")
    os.remove(os.path.join(WORK, "e/c.md"))
    write("e/d.md", "new")
    update("changed, gone and new", [1, 1, 1, 1, []], "e", "e.db")
    check("what lies elsewhere stays", paths("e.db") == ["e/a.md", "e/b.md", "e/d.md", "f/x.md"], paths("e.db"))
    check("its chunks too", sorted(t for t, in rows("e.db", "SELECT text FROM chunks")) ==
          ["new", "the cat a", "the dog", "the tree"])
    write("e/b.md", b"\0")
    update("what is no longer text goes", [0, 0, 1, 2, ["b.md"]], "e", "e.db")
    update("a glob", [0, 0, 2, 0, []], "e", "e.db", "--glob", "*.txt")
    update("a glob with a folder", [1, 0, 0, 0, []], ".", "g.db", "--glob", "f/*.md")
    update("globs", [2, 0, 0, 0, []], "e", "h.db", "-g", "a.*", "-g", "d.*")
    update("a file twice, and by another way", [1, 0, 0, 0, []], "f/x.md", "f", "f/../f/x.md", "i.db")
    update("from another folder it is the same file", [0, 0, 0, 1, []], os.path.join(WORK, "f"), "i.db")
    exits("a path that is not there removes nothing", index("nowhere", "i.db"), 6, "nowhere")
    check("and leaves the index", paths("i.db") == ["f/x.md"])
    r = run("index", "f", "i.db")
    check("the encoder is remembered", r.code == 0, r)


def group_settings():
    write("s/a.md", "The cat is in the tree. The tree is small. " * 20)
    update("chunks of 40", [1, 0, 0, 0, []], "s", "s.db", "--chunk", "40", "--overlap", "12")
    n = len(rows("s.db", "SELECT 1 FROM chunks"))
    update("chunks of 16", [1, 0, 0, 0, []], "s", "s2.db", "--chunk", "16", "--overlap", "0")
    check("smaller chunks are more", 3 < n < len(rows("s2.db", "SELECT 1 FROM chunks")), n)
    exits("another size", index("s", "s.db", "--chunk", "50"), 2, "40 tokens")
    exits("another overlap", index("s", "s.db", "--overlap", "13"), 2, "12 tokens")
    exits("more than the encoder reads", index("s", "s3.db", "--chunk", "81"), 2, "at most the 80 tokens")
    exits("too much overlap", index("s", "s3.db", "--chunk", "40", "--overlap", "21"), 2, "half")
    exits("another encoder", run("index", "s", "s.db", "--model", OTHER), 6, "another encoder")
    exits("no encoder", run("index", "s", "s4.db", "--model", ANSWERER), 3, "encoder")
    exits("no model", run("index", "s", "s4.db", "--model", "nobody/nothing", "--offline"), 3, "nobody/nothing")
    exits("one argument", run("index", "s"), 2, "INDEX")
    exits("a folder for the index", run("index", "s", "s"), 2, "folder")
    exits("no place for the index", index("s", "/nowhere/x.db"), 1, "/nowhere/x.db")
    exits("a wrong option", run("index", "s", "x.db", "--chunks", "2"), 2, "--chunk")
    check("none of these made a file", not [f for f in os.listdir(WORK) if f.startswith(("s3", "s4", "x"))], os.listdir(WORK))


def texts(chunks):
    return sorted(text for _, text in chunks)


def group_stops():
    """A run that is killed at any moment leaves the old state."""
    for i in range(30):
        write("k/%02d.md" % i, "the cat %d. " % i * 60)
    update("before", [30, 0, 0, 0, []], "k", "k.db")
    old = rows("k.db", "SELECT file, text FROM chunks ORDER BY id")
    for i in range(30):
        write("k/%02d.md" % i, "the tree %d. " % i * 60)
    shutil.copy(os.path.join(WORK, "k.db"), os.path.join(WORK, "k2.db"))
    start = time.time()
    index("k", "k2.db")
    whole, new = time.time() - start, rows("k2.db", "SELECT file, text FROM chunks ORDER BY id")
    shutil.copy(os.path.join(WORK, "k.db"), os.path.join(WORK, "old.db"))
    kept, states, codes = 0, set(), set()
    for i in range(16):
        shutil.copy(os.path.join(WORK, "old.db"), os.path.join(WORK, "k.db"))
        p = subprocess.Popen([PROGRAM, "index", "k", "k.db"], cwd=WORK, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(random.uniform(0.1, 1) * whole)
        p.send_signal(random.choice([signal.SIGKILL, signal.SIGINT, signal.SIGTERM]))
        codes.add(p.wait())
        asked = run("ask", "k.db", "the cat", "--sources-only", "--min-score", "-1", "--json")
        left = rows("k.db", "SELECT file, text FROM chunks ORDER BY id")
        kept += left == old
        states.add("ask" if asked.code else "old" if left == old else "new" if texts(left) == texts(new) else "other")
    check("16 kills leave what was there, or all that is new", "old" in states and states <= {"old", "new"}, (states, kept))
    check("exits", codes <= {0, -9, -2, -15, 130, 143}, codes)
    print("of 16 kills, %d came before the end" % kept)
    shutil.copy(os.path.join(WORK, "old.db"), os.path.join(WORK, "k.db"))
    update("and the next run does it", [0, 30, 0, 0, []], "k", "k.db")
    c = sqlite3.connect(os.path.join(WORK, "k.db"), isolation_level=None)
    c.execute("BEGIN IMMEDIATE")
    exits("another one writes", index("k", "k.db"), 1, "another program is writing")
    exits("ask meanwhile", run("ask", "k.db", "cat", "--sources-only", "-q"), 0)
    c.close()
    os.chmod(os.path.join(WORK, "k.db"), 0o444)
    exits("ask a file that cannot be written", run("ask", "k.db", "the tree", "--sources-only"), 0)


def group_ask():
    write("q/a.md", "# Birds\nThe cat is in the tree.\n\n## Trees\nThe tree is small.\n")
    write("q/b.md", "search and rank data fast!\n")
    update("documents", [2, 0, 0, 0, []], "q", "q.db")
    r = run("ask", "q.db", "Birds\nThe cat is in the tree.", "--sources-only", "--top", "1")
    exits("sources only", r, 0, out="q/a.md:2  1.00  Birds\n    The cat is in the tree.\n")
    o = json.loads(run("ask", "q.db", "Birds\nThe cat is in the tree.", "--sources-only", "--json", "--min-score", "-1").out)
    check("sources as JSON", o["answer"] is None and o["question"] == "Birds\nThe cat is in the tree." and len(o["sources"]) == 3 and
          o["sources"][0]["path"] == os.path.join(WORK, "q/a.md") and o["sources"][0]["heading"] == "Birds" and
          [s["score"] for s in o["sources"]] == sorted((s["score"] for s in o["sources"]), reverse=True), o)
    want = json.loads(run("embed", ENCODER, "--json", "--prompt-name", "query", "x y z", "Birds\nThe cat is in the tree.").out)
    dot = sum(a * b for a, b in zip(*want["embeddings"]))
    o = json.loads(run("ask", "q.db", "x y z", "--sources-only", "--json", "--min-score", "-1").out)
    got = [s["score"] for s in o["sources"] if s["first_line"] == 2]
    check("the score is the cosine", len(got) == 1 and abs(got[0] - dot) < 1e-5, (got, dot))
    ask = ["ask", "q.db", "--model", ANSWERER, "-n", "8"]
    r = run(*ask, NEAR, "--min-score", "0.9")
    check("an answer, then the sources", r.code == 0 and "\n\nSources:\nq/a.md:5  " in r.out and r.out.index("\n\nSources") > 0
          and "    The tree is small.\n" in r.out and not r.err, r)
    exits("the question on stdin", run(*ask, "--min-score", "0.9", stdin=NEAR + "\n"), 0, out=r.out)
    exits("the question by -", run("ask", "q.db", "-", "--model", ANSWERER, "-n", "8", "--min-score", "0.9", stdin=NEAR),
          0, out=r.out)
    o = json.loads(run(*ask, NEAR, "--json", "--min-score", "0.9").out)
    check("an answer as JSON", r.out.startswith(o["answer"].split("\n")[0]) and o["finish_reason"] in ("stop", "length") and
          [s["read"] for s in o["sources"]] == [True] + [False] * (len(o["sources"]) - 1), o)
    strict = os.path.join(WORK, "strict")
    shutil.copytree(ANSWERER, strict)
    template = "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    write("strict/chat_template.jinja", template + "{{ m.content }}{% endfor %}")
    exits("a template that refuses a system prompt", run("ask", "q.db", "--model", strict, "-n", "2", NEAR), 0)
    o = json.loads(run(*ask, "The tree is small.", "--json", "--min-score", "-1", "--read", "2").out)
    check("--read", [s["read"] for s in o["sources"]] == [True, True, False], o)
    o = json.loads(run(*ask, "The tree is small.", "--json", "--min-score", "-1", "--read", "3", "--ctx", "85").out)
    check("as many as fit", o["sources"][0]["read"] and not o["sources"][2]["read"], o)
    exits("not even one fits", run(*ask, "The tree is small. " * 30, "--min-score", "-1", "--ctx", "100"), 6, "context of 100")
    r = run("ask", "q.db", "zzz", "--min-score", "1", "--model", "nobody/nothing")
    exits("nothing is near", r, 0, out="Nothing in the index is near this question.\n")
    o = json.loads(run("ask", "q.db", "zzz", "--min-score", "1", "--json").out)
    check("nothing is near, as JSON", o["answer"] is None and o["sources"] == [], o)
    exits("no question", run("ask", "q.db", stdin=" \n"), 2, "empty")
    exits("no such index", run("ask", "none.db", "x"), 6, "whinchat index")
    check("and none was made", not os.path.exists(os.path.join(WORK, "none.db")))
    exits("no model to answer", run("ask", "q.db", "the tree", "--min-score", "-1", "--model", "nobody/nothing", "--offline"), 3, "nobody/nothing")
    shutil.copytree(ENCODER, os.path.join(WORK, "encoder"))
    run("index", "q", "moved.db", "--model", "encoder")
    os.rename(os.path.join(WORK, "encoder"), os.path.join(WORK, "encoder2"))
    r = run("ask", "moved.db", "x", "--sources-only")
    check("the encoder was moved", r.code == 3 and "--encoder" in r.err, r)
    exits("and is named", run("ask", "moved.db", "x", "--sources-only", "--encoder", "encoder2"), 0)
    exits("another encoder is not taken", run("ask", "moved.db", "x", "--sources-only", "--encoder", OTHER), 6, "another encoder")
    p = subprocess.run(["/bin/sh", "-c", '"$0" ask q.db "the tree" --min-score -1 --sources-only --top 3 | head -1', PROGRAM],
                       cwd=WORK, capture_output=True, text=True, timeout=TIME)
    check("a reader that goes away", p.returncode == 0 and p.stdout.count("\n") == 1 and not p.stderr, p)


def group_example():
    """examples/ask_documents.py, where the Python package's library is told."""
    if "WHINCHAT_LIBRARY" not in os.environ:
        print("not run: the example in Python, which WHINCHAT_LIBRARY and PYTHONPATH lead to the package")
        return
    write("x/a.md", "# Birds\nThe cat is in the tree.\n\n## Trees\nThe tree is small.\n")
    write("x/b.txt", "search and rank data fast!\n")

    def ask(question):
        script = os.path.join(SOURCE, "examples", "ask_documents.py")
        return result_of([sys.executable, script, "x", question, "--encoder", ENCODER, "--model", ANSWERER], cwd=WORK)
    r = ask("Birds > Trees\nThe tree is small.")
    check("the example answers and names its sources", r.code == 0 and "\n\nSources:\nx/a.md:5  1.00\n" in r.out
          and r.out.index("\n\nSources") > 0, r)
    os.remove(os.path.join(WORK, "x/b.txt"))
    write("x/a.md", "# Birds\nThe dog.\n")
    r = ask("Birds\nThe dog.")
    check("it reads again what has changed, and forgets what is gone", r.code == 0 and r.out.endswith("\n\nSources:\nx/a.md:2  1.00\n"), r)


def spoilt(name, sql, code, err):
    """A copy of the index after somebody's SQL."""
    path = os.path.join(WORK, "spoilt.db")
    shutil.copy(os.path.join(WORK, "good.db"), path)
    c = sqlite3.connect(path, isolation_level=None)
    c.execute("PRAGMA writable_schema=ON")
    for statement in [sql] if "BEGIN" in sql else sql.split(";"):
        c.execute(statement)
    c.close()
    asked = run("ask", "spoilt.db", "the cat", "--sources-only", "--min-score", "-1")
    exits("%s" % name, asked, code, err)
    if code:
        again = run("index", "q2", "spoilt.db")
        check("%s: index" % name, again.code in (0, 1, 3, 6) and (again.code == 0 or again.err.startswith("whinchat: ")), again)


def group_hostile():
    write("q2/a.md", "the cat")
    write("q2/b.md", "the tree")
    update("a good one", [2, 0, 0, 0, []], "q2", "good.db")
    nan, huge = struct.pack("<f", float("nan")) * WIDTH, struct.pack("<f", 3e38) * WIDTH
    ones = struct.pack("<f", 1.0) * WIDTH
    hexed = lambda b: "x'%s'" % b.hex()
    spoilt("unspoilt", "SELECT 1", 0, "")
    spoilt("a short vector", "UPDATE chunks SET embedding = x'00000000'", 6, "a blob of 144 bytes")
    spoilt("a long vector", "UPDATE chunks SET embedding = zeroblob(1000000)", 6, "a blob of 144 bytes")
    spoilt("a vector that is text", "UPDATE chunks SET embedding = 'x'", 6, "embedding: expected a blob")
    spoilt("a vector of NaN", "UPDATE chunks SET embedding = " + hexed(nan), 6, "length 1")
    spoilt("a vector of infinity", "UPDATE chunks SET embedding = " + hexed(huge), 6, "length 1")
    spoilt("a vector that is too long", "UPDATE chunks SET embedding = " + hexed(ones), 6, "length 1")
    spoilt("a vector of zeros", "UPDATE chunks SET embedding = zeroblob(144)", 6, "length 1")
    spoilt("a line that is text", "UPDATE chunks SET first_line = 'x'", 6, "first_line")
    spoilt("a line below 1", "UPDATE chunks SET first_line = 0", 6, "first_line")
    spoilt("an end before its beginning", "UPDATE chunks SET first_line = 5, last_line = 4", 6, "last_line")
    spoilt("a chunk without a file", "DELETE FROM files", 6, "path: expected text, found null")
    spoilt("text that is a blob", "UPDATE chunks SET text = x'ff'", 6, "text: expected text")
    spoilt("text that is not UTF-8", "UPDATE chunks SET text = CAST(x'ff' AS TEXT)", 6, "UTF-8")
    spoilt("text with a NUL", "UPDATE chunks SET heading = CAST(x'6100' AS TEXT)", 6, "NUL")
    spoilt("an escape in a path is not obeyed", "UPDATE files SET path = char(27) || '[31m' WHERE id = 1", 0, "")
    spoilt("no settings", "DELETE FROM settings", 6, "settings")
    spoilt("a width of text", "UPDATE settings SET width = 'x'", 6, "width")
    spoilt("a width of a thousand million", "UPDATE settings SET width = 1000000000", 6, "width")
    spoilt("another width", "UPDATE settings SET width = 35", 6, "fingerprint")
    spoilt("a fingerprint of another model", "UPDATE settings SET fingerprint = (SELECT embedding FROM chunks)", 6, "another encoder")
    spoilt("an encoder that is not there", "UPDATE settings SET model = '/nowhere'", 3, "")
    spoilt("an encoder of bytes", "UPDATE settings SET model = x'00'", 6, "model")
    spoilt("a newer form", "PRAGMA user_version = 2", 6, "form 2")
    spoilt("another program's database", "PRAGMA application_id = 5", 6, "another program")
    spoilt("one more table", "CREATE TABLE more(x)", 6, "tables")
    spoilt("one table fewer", "DROP TABLE files", 6, "tables")
    spoilt("a trigger", "CREATE TRIGGER t AFTER INSERT ON files BEGIN DELETE FROM files; END", 6, "tables")
    spoilt("a view in place of a table", "DROP TABLE chunks; CREATE VIEW chunks AS SELECT 1 AS id, zeroblob(144) AS embedding", 6, "tables")
    spoilt("other columns", "ALTER TABLE chunks ADD COLUMN x", 6, "tables")
    spoilt("a schema that is no SQL", "UPDATE sqlite_schema SET sql = 'CREATE TABLE chunks(x' WHERE name = 'chunks'", 6, "spoilt.db")
    write("not.db", "# Not a database\n" * 100)
    before = open(os.path.join(WORK, "not.db")).read()
    exits("ask a text", run("ask", "not.db", "x"), 6, "another kind of file")
    exits("index into a text", index("q2", "not.db"), 6, "another kind of file")
    check("the text is as it was", open(os.path.join(WORK, "not.db")).read() == before)
    write("empty.db")
    exits("ask an empty file", run("ask", "empty.db", "x"), 6, "nothing is indexed")
    update("index into an empty file", [2, 0, 0, 0, []], "q2", "empty.db")
    c = sqlite3.connect(os.path.join(WORK, "other.db"))
    c.execute("CREATE TABLE mine(x)")
    c.commit()
    c.close()
    exits("index into somebody's database", index("q2", "other.db"), 6, "another program")
    check("it is as it was", rows("other.db", "SELECT name FROM sqlite_master") == [("mine",)])
    exits("a folder", run("ask", "q2", "x"), 6, "q2")
    exits("a device", run("ask", "/dev/null", "x"), 6, "/dev/null")
    update("a name that SQLite knows", [2, 0, 0, 0, []], "q2", ":memory:")
    check("is a file here", os.path.exists(os.path.join(WORK, ":memory:")))


def group_damage():
    """Bytes changed or cut off anywhere: an answer or one line, never a crash."""
    for i in range(40):
        write("m/%d.md" % i, "# H%d\nthe cat %d in the tree" % (i, i))
    update("documents", [40, 0, 0, 0, []], "m", "m.db")
    with open(os.path.join(WORK, "m.db"), "rb") as f:
        good = f.read()
    random.seed(7)
    odd = []
    for i in range(60):
        data = bytearray(good)
        if i % 4 == 0:
            data = data[:random.randrange(len(data))]
        for _ in range(random.choice((1, 5, 50, 400))):
            if data:
                data[random.randrange(len(data))] = random.randrange(256)
        write("damaged.db", bytes(data))
        for r in (run("ask", "damaged.db", "the cat", "--sources-only", "-q"), run("index", "m", "damaged.db", "-q")):
            if not (r.code in (0, 1, 3, 6) and (r.code == 0 or (r.err.startswith("whinchat: ") and r.err.count("\n") == 1))):
                odd.append((i, str(r)))
    check("60 damaged indexes", not odd, odd[:3])


if __name__ == "__main__":
    sys.exit(run_groups(globals(), sys.argv[3:], WORK))
