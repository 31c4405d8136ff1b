#!/usr/bin/env python3
"""whinchat pull from outside: test_hub.py PROGRAM SOURCE [NAME]...

Fetches from a stand-in hub on loopback (standin.py) that fails in every way that networks do, and looks at the cache.
NAME chooses groups. WHINCHAT_TEST_KILLS: how many pulls are killed at random moments, 20 unless told.
WHINCHAT_TEST_HF_PYTHON: a Python that has huggingface_hub; without it those cases say so. A line a case; the last one is
'N passed, N failed'.
"""
import concurrent.futures
import hashlib
import json
import os
import pty
import random
import shutil
import ssl
import subprocess
import sys
import tempfile
import termios
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from program import SLOWNESS, TIME, Result, result_of  # noqa: E402
from standin import Repo, StandIn, random_bytes  # noqa: E402
from tally import broke_off, check, finish, groups_of  # noqa: E402

PROGRAM, SOURCE = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
KILLS = int(os.environ.get("WHINCHAT_TEST_KILLS", "20"))
WORK = tempfile.mkdtemp(prefix="whinchat-hub-")

FILES = {
    "config.json": b'{"model_type": "llama"}', "tokenizer.json": b'{"a": 1}' * 300, "tokenizer_config.json": b"{}",
    "chat_template.jinja": b"{{ messages }}", "model.safetensors": random_bytes(3 << 20, 1),
    "1_Pooling/config.json": b'{"pooling_mode_mean_tokens": true}',
    "pytorch_model.bin": b"pickle", "pytorch_model.bin.index.json": b"{}", "onnx/model.onnx": b"onnx", "README.md": b"# x",
    "onnx/config.json": b"{}", "flax_model.msgpack": b"x", ".gitattributes": b"",
}
NEEDED = ["1_Pooling/config.json", "chat_template.jinja", "config.json", "model.safetensors", "tokenizer.json",
          "tokenizer_config.json"]


# ---- running ----

class Cache:
    """A home of its own, empty."""

    def __init__(self):
        self.home = tempfile.mkdtemp(dir=WORK)
        self.hub = os.path.join(self.home, "hub")

    def environment(self, world=None, **changes):
        env = {k: v for k, v in os.environ.items()
               if not k.startswith(("WHINCHAT_", "HF_", "HUGGING")) and not k.lower().endswith("_proxy")
               and k not in ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "TRANSFORMERS_OFFLINE")}
        env.update(HOME=self.home, HF_HUB_CACHE=self.hub, HF_HUB_DOWNLOAD_TIMEOUT=str(int(4 * SLOWNESS)), TERM="xterm")
        if world:
            env["HF_ENDPOINT"] = world.url
        env.update(changes)
        return env

    def path(self, *parts):
        return os.path.join(self.hub, "models--Org--Tiny", *parts)

    def names(self, *parts):
        """The files below a folder of the repository, links too."""
        top = self.path(*parts)
        return sorted(os.path.relpath(os.path.join(d, f), top) for d, _, files in os.walk(top) for f in files)

    def snapshots(self):
        """Those that a reader would see."""
        top = self.path("snapshots")
        return [n for n in os.listdir(top) if not n.startswith(".")] if os.path.isdir(top) else []

    def ref(self, name="main"):
        try:
            with open(self.path("refs", name)) as f:
                return f.read()
        except FileNotFoundError:
            return None


def run(cache, world, *args, **changes):
    return result_of([PROGRAM] + list(args), subprocess.DEVNULL, env=cache.environment(world, **changes))


def pull(cache, world, name="Org/Tiny", **changes):
    return run(cache, world, "pull", name, **changes)


def wrong_file(cache, repo, names):
    """The first fault of a snapshot, None when it is as it should be."""
    top = cache.path("snapshots", repo.commit)
    if cache.names("snapshots", repo.commit) != sorted(names):
        return "files %r" % cache.names("snapshots", repo.commit)
    for name in names:
        path = os.path.join(top, name)
        if os.readlink(path) != "../../" + "../" * name.count("/") + "blobs/" + repo.sum(name):
            return "%s -> %s" % (name, os.readlink(path))
        with open(path, "rb") as f:
            if f.read() != repo.files[name]:
                return name
    left = [n for n in cache.names() if n.endswith((".incomplete", ".part")) or "/." in n]
    return "left over: %r" % left if left else None


def pulled(name, cache, world, result, names=NEEDED, repo=None):
    repo = repo or world.repos["org/tiny", "main"]
    wrong = wrong_file(cache, repo, names) if result.code == 0 else "exit"
    return check(name, wrong is None and result.out == cache.path("snapshots", repo.commit) + "\n",
                 "%s; %s" % (wrong, result))


def refused(name, cache, result, code, words, whole=False):
    """The exit status, words on the one line of the error; no snapshot and no ref."""
    last = result.err.strip().split("\n")
    last = [line for line in last if not line.startswith("See '")][-1] if last else ""
    good = result.code == code and last.startswith("whinchat: ") and all(w in last for w in words) and not result.out
    if not whole:
        good = good and cache.ref() is None and not cache.names("snapshots")
    return check(name, good, "%s; files %r" % (result, cache.names()))


class NoTerminal(Exception):
    pass


def terminal(cache, world, *args, seen=None, type=b"", **changes):
    """The program with a terminal: what it shows and its exit status. type: what is typed once it shows seen."""
    try:
        pid, fd = pty.fork()
    except OSError as e:
        raise NoTerminal("no terminal can be had: %s" % e)
    if pid == 0:
        modes = termios.tcgetattr(0)  # else the terminal drops what is shown while it takes a Ctrl-C
        modes[3] |= termios.NOFLSH
        termios.tcsetattr(0, termios.TCSANOW, modes)
        os.execve(PROGRAM, [PROGRAM] + list(args), cache.environment(world, **changes))
    shown = b""
    while True:
        try:
            part = os.read(fd, 4096)
        except OSError:
            break
        if not part:
            break
        shown += part
        if seen and seen in shown:
            os.write(fd, type)
            seen = None
    os.close(fd)
    status = os.waitpid(pid, 0)[1]
    return os.waitstatus_to_exitcode(status), shown.decode("utf-8", "replace").replace("^C", "")


# ---- groups ----

def group_plain(world):
    cache = Cache()
    repo = world.repos["org/tiny", "main"]
    pulled("pull", cache, world, pull(cache, world))
    check("the ref", cache.ref() == repo.commit, cache.ref())
    check("only what is needed was asked for", sorted({e["file"] for e in world.log if e["file"]}) == NEEDED, world.log)
    check("no token", all(e["auth"] is None for e in world.log), world.log)
    check("contents lie in blobs", sorted(cache.names("blobs")) == sorted({repo.sum(n) for n in NEEDED}))
    world.clear()
    r = pull(cache, world)
    pulled("once more", cache, world, r)
    check("only the list is asked for", len(world.log) == 1 and "already" in r.err, world.log)
    r = run(cache, world, "pull", "Org/Tiny", "--json")
    out = json.loads(r.out)
    check("--json", out["files"] == len(NEEDED) and out["fetched_bytes"] == 0 and out["commit"] == repo.commit
          and out["bytes"] == sum(len(FILES[n]) for n in NEEDED), r)
    r = run(cache, None, "list", "--names")
    check("list names it", "Org/Tiny" in r.out.split("\n"), r)
    other = Cache()
    pulled("as the hub spells it", other, world, pull(other, world, "org/tiny"))


def group_revisions(world):
    cache = Cache()
    main = world.repos["org/tiny", "main"]
    newer = Repo(dict(FILES, **{"config.json": b'{"model_type": "gemma3"}'}))
    world.repos["org/tiny", "pr/1"] = newer
    pull(cache, world)
    world.clear()
    pulled("a branch with a slash", cache, world, pull(cache, world, "Org/Tiny@pr/1"), repo=newer)
    check("its ref", cache.ref("pr/1") == newer.commit and cache.ref() == main.commit)
    check("only the file that differs comes", [e["file"] for e in world.log if e["file"]] == ["config.json"], world.log)
    world.repos["org/tiny", "main"] = newer
    pulled("the branch moved on", cache, world, pull(cache, world), repo=newer)
    check("the ref moved", cache.ref() == newer.commit and os.path.isdir(cache.path("snapshots", main.commit)))
    cache = Cache()
    r = pull(cache, world, "Org/Tiny@" + newer.commit)
    pulled("a commit", cache, world, r, repo=newer)
    check("which leaves no ref", not os.path.exists(cache.path("refs")))
    refused("no such revision", Cache(), pull(Cache(), world, "Org/Tiny@nope"), 3, ["Org/Tiny@nope", "no such revision"])
    world.repos["org/tiny", "main"] = main
    world.renamed["Old/Name"] = "Org/Tiny"
    r = pull(cache, world, "Old/Name")
    check("a repository that was renamed", r.code == 0 and
          r.out.strip() == os.path.join(cache.hub, "models--Old--Name", "snapshots", main.commit), r)


def group_files(world):
    data = {n: random_bytes(2000, i) for i, n in enumerate(
        ["t-Q4_K_M.gguf", "t-Q8_0.gguf", "BF16/t-BF16-00001-of-00002.gguf", "BF16/t-BF16-00002-of-00002.gguf",
         "mmproj-t-f16.gguf", "mmproj-t-f32.gguf", "Q4_0/mmproj-t-bf16.gguf", "README.md"])}
    tower = "mmproj-t-f16.gguf"     # nearer in bits than f32, and in no folder beside
    repo = world.repos["org/tiny", "main"] = Repo(data)
    for word, want in (("Q4_K_M", ["t-Q4_K_M.gguf"]), ("q8_0", ["t-Q8_0.gguf"]), ("t-Q8_0.gguf", ["t-Q8_0.gguf"]),
                       ("bf16", ["BF16/t-BF16-00001-of-00002.gguf", "BF16/t-BF16-00002-of-00002.gguf"])):
        cache = Cache()
        pulled(":" + word, cache, world, pull(cache, world, "Org/Tiny:" + word), want + [tower])
    pulled("a second file beside the first", cache, world, pull(cache, world, "Org/Tiny:Q8_0"),
           want + ["t-Q8_0.gguf", tower])
    cache = Cache()
    pulled("a tower by its name", cache, world, pull(cache, world, "Org/Tiny:mmproj-t-f32.gguf"), ["mmproj-t-f32.gguf"])
    refused("a tower is no model's quantization", Cache(), pull(Cache(), world, "Org/Tiny:f32"), 3, ["f32", "t-Q4_K_M.gguf"])
    cache = Cache()
    refused("several files", cache, pull(cache, world), 2, [":Q4_K_M", "t-Q8_0.gguf"])
    refused("none such", cache, pull(cache, world, "Org/Tiny:Q5_0"), 3, ["Q5_0", "t-Q4_K_M.gguf"])
    world.repos["org/tiny", "main"] = Repo({"config.json": b"{}", "pytorch_model.bin": b"x"})
    refused("pickles only", cache, pull(cache, world), 3, [".bin", "safetensors"])
    world.repos["org/tiny", "main"] = repo = Repo({"one.gguf": data["t-Q8_0.gguf"], "config.json": b"{}"})
    pulled("the one GGUF file", cache, world, pull(cache, world), ["one.gguf"])
    world.repos["org/tiny", "main"] = Repo({"one.gguf": data["t-Q8_0.gguf"], "one.mmproj-f16.gguf": data[tower]})
    cache = Cache()
    pulled("the one GGUF file and its tower", cache, world, pull(cache, world), ["one.gguf", "one.mmproj-f16.gguf"])
    odd = {"config.json": b"{}", "model-00001-of-00002.safetensors": b"a" * 3000, "empty.json": b"",
           "model-00002-of-00002.safetensors": b"a" * 3000, "model.safetensors.index.json": b"{}",
           "a b+%\u00e9.json": b"odd", "consolidated.safetensors": b"x" * 5000, "additional_chat_templates/t.jinja": b"t"}
    world.repos["org/tiny", "main"] = Repo(odd)
    cache = Cache()
    pulled("parts, equal contents, an empty file, an odd name", cache, world, pull(cache, world),
           [n for n in odd if n != "consolidated.safetensors"])


def group_mirror(world):
    world.blobs = False
    cache = Cache()
    pulled("a list without sums: headers tell them", cache, world, pull(cache, world))
    check("asked by HEAD", len([e for e in world.log if e["method"] == "HEAD"]) == len(NEEDED), world.log)


BIG = "model.safetensors"


def group_faults_once(world):
    once = {
        "truncate": ["truncate"], "truncate twice": ["truncate", "truncate"], "500": ["500"], "503": ["503"],
        "429": ["429"], "429 with Retry-After": ["429:1"], "408": ["408"], "close": ["close"], "corrupt": ["corrupt"],
        "longer, then right": ["truncate", "ignore"], "wrong part": ["truncate", "wrong-part"], "stall": ["stall"],
        "stall within": ["stall-within"], "damaged, then truncated": ["corrupt", "truncate"]}
    for name, faults in once.items():
        world.clear()
        world.faults = {BIG: list(faults)}
        cache = Cache()
        r = pull(cache, world)
        pulled("once: " + name, cache, world, r)
        check("once: %s: says so" % name, "again" in r.err, r)
    world.clear()
    world.faults = {BIG: ["truncate"]}
    cache = Cache()
    pull(cache, world)
    half = len(FILES[BIG]) // 2
    check("only the rest is asked for", [e["range"] for e in world.gets(BIG)] == [None, "bytes=%d-" % half],
          world.gets(BIG))
    for kind in ("truncate", "503", "429:1", "close", "stall"):
        world.clear()
        world.faults = {"listing": [kind]}
        cache = Cache()
        pulled("the list once: " + kind, cache, world, pull(cache, world))


def group_faults_always(world):
    always = {"503": "503", "429": "429", "404": "no such", "corrupt": "sum", "longer": "sends more", "close": BIG}
    for kind, word in always.items():
        world.clear()
        world.faults = {BIG: ["*" + kind]}
        cache = Cache()
        r = pull(cache, world)
        refused("always: " + kind, cache, r, r.code, [BIG, word])
        check("always %s: fails" % kind, r.code in (1, 3), r)


def group_resume(world):
    cache = Cache()
    world.faults = {BIG: ["429:9999"]}
    refused("Retry-After is too long", cache, pull(cache, world), 1, ["429", "9999 seconds"])
    check("which is told at once", len(world.gets(BIG)) == 1, world.gets(BIG))
    world.clear()
    world.faults = {BIG: ["stall-within"] + ["*503"]}
    pull(cache, world)
    left = [n for n in cache.names("blobs") if n.endswith(".incomplete")]
    check("what came stays", len(left) == 1 and os.path.getsize(cache.path("blobs", left[0])) > 100000, left)
    world.clear()
    pulled("and is gone on with", cache, world, pull(cache, world))
    check("by Range", world.gets(BIG)[0]["range"] is not None, world.gets(BIG))
    for what, junk in (("junk", b"x" * 5000), ("junk, too long", b"x" * (4 << 20)), ("whole", FILES[BIG])):
        cache = Cache()
        os.makedirs(cache.path("blobs"))
        with open(cache.path("blobs", hashlib.sha256(FILES[BIG]).hexdigest() + ".incomplete"), "wb") as f:
            f.write(junk)
        pulled("left over: " + what, cache, world, pull(cache, world))


def group_redirects(world):
    for name, where, word in (("to nowhere", world.store_url.rsplit(":", 1)[0] + ":1/", "onnect"),
                              ("in a ring", "/Org/Tiny/resolve/%s/model.safetensors" % world.repos["org/tiny", "main"].commit,
                               "redirect"),
                              ("to a file", "file:///etc/passwd", "https")):
        world.faults = {"redirect": ["*" + where]}
        cache = Cache()
        r = pull(cache, world)
        refused("a redirect %s" % name, cache, r, 1, [word])


def group_access(world):
    cache = Cache()
    r = pull(cache, world, "No/Such")
    refused("no such model", cache, r, 3, ["No/Such", "401", "HF_TOKEN"])
    world.token = "hf_secret"
    refused("private, without a token", cache, pull(cache, world), 3, ["401", "log in"])
    refused("private, a wrong token", cache, pull(cache, world, HF_TOKEN="hf_wrong"), 3, ["401", "this token", "settings/tokens"])
    world.clear()
    pulled("private, the right token", cache, world, pull(cache, world, HF_TOKEN="hf_secret"))
    check("the token goes to the hub only", {e["auth"] for e in world.log if e["store"]} == {None}
          and {e["auth"] for e in world.log if not e["store"]} == {"Bearer hf_secret"}, world.log)
    cache = Cache()
    os.makedirs(os.path.join(cache.home, ".cache", "huggingface"))
    with open(os.path.join(cache.home, ".cache", "huggingface", "token"), "w") as f:
        f.write("hf_secret\n")
    pulled("the token of hf auth login", cache, world, pull(cache, world))
    world.token, world.gated = None, "hf_secret"
    cache = Cache()
    refused("gated, without a token", cache, pull(cache, world), 3, ["terms", world.url + "/Org/Tiny", "HF_TOKEN"])
    refused("gated, not accepted", cache, pull(cache, world, HF_TOKEN="hf_other"), 3, ["terms", world.url + "/Org/Tiny"])
    refused("a token that is none", cache, pull(cache, world, HF_TOKEN="a\r\nX-Evil: 1"), 2, ["HF_TOKEN"])
    world.gated = None
    world.clear()
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        refused(name, cache, pull(cache, world, **{name: "1"}), 6, ["OFFLINE"])
    check("nobody was asked", not world.log, world.log)
    for url in ("http://example.com", "http://localhost:1@example.com", "ftp://127.0.0.1", "127.0.0.1", "http://localhost.x.y"):
        refused("HF_ENDPOINT=" + url, cache, pull(cache, None, HF_ENDPOINT=url), 2, ["HF_ENDPOINT", "https"])
    refused("not OWNER/NAME", cache, pull(cache, world, "tiny"), 2, ["OWNER/NAME"])
    pulled("a slash behind the endpoint", cache, world, pull(cache, world, HF_ENDPOINT=world.url + "//"))
    cache = Cache()
    r = pull(cache, None, HF_ENDPOINT="https://no.such.host.invalid")
    refused("no such host", cache, r, 1, ["no.such.host.invalid", "online"])
    pulled("a proxy", cache, world, pull(cache, None, HF_ENDPOINT="http://localhost:9", http_proxy=world.url, all_proxy=""))


def certificate(name):
    """A certificate signed by itself for an address: its file, and a server's side of TLS."""
    base = os.path.join(WORK, "tls-" + name)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=" + name, "-addext",
                    "subjectAltName=" + name, "-keyout", base + ".key", "-out", base + ".pem"], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(base + ".pem", base + ".key")
    return base + ".pem", context


def group_tls(world):
    if not shutil.which("openssl"):
        print("not run: TLS: there is no openssl")
        return
    ours, context = certificate("IP:127.0.0.1")
    other, wrong_name = certificate("IP:127.0.0.2")
    tls, misnamed = StandIn(Repo(FILES), context), StandIn(Repo(FILES), wrong_name)
    cache = Cache()
    r = pull(cache, tls)
    refused("a certificate that nobody signed", cache, r, 1, ["certificate", "CURL_CA_BUNDLE"])
    check("which is not tried again", "again" not in r.err and not tls.log, r)
    refused("another one's certificate", cache, pull(cache, tls, CURL_CA_BUNDLE=other), 1, ["certificate"])
    refused("a certificate for another address", cache, pull(cache, misnamed, CURL_CA_BUNDLE=other), 1, ["127.0.0.1"])
    refused("a file of certificates that is not there", cache, pull(cache, tls, CURL_CA_BUNDLE="/no/such.pem"), 1, ["such.pem"])
    for name in ("CURL_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        cache = Cache()
        pulled("%s names it" % name, cache, tls, pull(cache, tls, **{name: ours}))
    cache = Cache()
    tls.faults = {"redirect": ["*%s/%s/model.safetensors" % (world.store_url, tls.repos["org/tiny", "main"].commit)]}
    world.clear()
    refused("a redirect from https to http", cache, pull(cache, tls, CURL_CA_BUNDLE=ours), 1, ["https"])
    check("is not followed", not world.log, world.log)
    tls.close()
    misnamed.close()


def group_hostile(world):
    commit, big = "0" * 40, "a" * 64
    one = {"rfilename": "model.safetensors", "size": 5, "lfs": {"sha256": big, "size": 5}}
    lists = {
        "no JSON": b"<html>", "empty": b"", "a number": b"7", "deep": b"[" * 100000, "no sha": {"siblings": [one]},
        "a long sha": {"sha": "../" * 20, "siblings": [one]}, "a path for a sha": {"sha": "../../x", "siblings": [one]},
        "no files": {"sha": commit}, "files are a text": {"sha": commit, "siblings": "x"},
        "a file is null": {"sha": commit, "siblings": [None]},
        "a size of a text": {"sha": commit, "siblings": [dict(one, lfs={"sha256": big, "size": "5"})]},
        "a negative size": {"sha": commit, "siblings": [dict(one, lfs={"sha256": big, "size": -1})]},
        "a huge size": {"sha": commit, "siblings": [dict(one, lfs={"sha256": big, "size": 1 << 62})]},
        "more than the disk": {"sha": commit, "siblings": [dict(one, lfs={"sha256": big, "size": 1 << 49})]},
        "a path for a sum": {"sha": commit, "siblings": [dict(one, lfs={"sha256": "../" * 20, "size": 5})]},
        "twice": {"sha": commit, "siblings": [one, one]},
    }
    for path in ("../x.json", "/etc/x.json", "a/../../x.json", "a//x.json", "./x.json", "x\n.json", "x\x1b[2J.json", "x\0.json",
                 "", "a" * 2000 + ".json", "a\\..\\x.json", "1_a/../x.json", "..", "a/" * 600 + "b.json", "\x85.json"):
        lists["name %r" % path[:20]] = {"sha": commit, "siblings": [one, {"rfilename": path, "size": 1, "blobId": commit}]}
    for name, value in lists.items():
        world.listing = value if isinstance(value, bytes) else json.dumps(value).encode()
        cache = Cache()
        r = pull(cache, world)
        refused("a list: " + name, cache, r, r.code, [])
        there = [f for _, _, files in os.walk(cache.home) for f in files if not f.endswith(".lock")]
        check("a list: %s: fails and writes nothing" % name, r.code in (1, 3, 6) and not there, "%s %r" % (r, there))
    world.listing = b'{"sha": "%s", "siblings": [' % commit.encode() + b'{"rfilename":"' + b"x" * (33 << 20) + b'"}]}'
    cache = Cache()
    refused("a list that is too long", cache, pull(cache, world), 3, ["list of files"])
    world.listing = None
    outside = os.path.join(cache.home, "outside")
    os.makedirs(cache.path("blobs"))
    os.symlink(outside, cache.path("blobs", hashlib.sha256(FILES["model.safetensors"]).hexdigest() + ".incomplete"))
    r = pull(cache, world)
    check("a link in the way is not followed", r.code == 1 and not os.path.exists(outside), r)


def group_processes(world):
    cache = Cache()
    world.rate = 4 << 20
    both = [subprocess.Popen([PROGRAM, "pull", "Org/Tiny"], env=cache.environment(world), stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE) for _ in range(3)]
    results = [Result(p.wait(), *p.communicate()) for p in both]
    for i, r in enumerate(results):
        pulled("three at once: %d" % i, cache, world, r)
    check("one fetches, the others wait", len(world.gets("model.safetensors")) == 1 and
          sum("waiting" in r.err for r in results) >= 1, [str(r) for r in results])
    cache = Cache()
    world.rate = 1 << 20
    code, shown = terminal(cache, world, "pull", "Org/Tiny", seen=b"MiB  model.safe", type=b"\x03")
    check("Ctrl-C: the bar is gone, exit 130", code == 130 and shown.rstrip("\r\n").endswith("\x1b[K"), (code, shown))
    code, shown = terminal(cache, world, "pull", "Org/Tiny")
    check("the bar on a terminal", code == 0 and "MiB" in shown and "\x1b[K" in shown and wrong_file(
        cache, world.repos["org/tiny", "main"], NEEDED) is None, (code, shown))
    world.rate = 0
    cache = Cache()
    r = pull(cache, world)
    check("no bar elsewhere", r.code == 0 and "\x1b" not in r.err and "[" not in r.err, r)
    cache = Cache()
    r = run(cache, world, "pull", "Org/Tiny", "--quiet")
    check("--quiet", r.code == 0 and r.err == "", r)


def group_kills(world):
    """Pulls killed at random moments, a new cache whenever one came through: at every moment either no ref and no snapshot,
    or all of it; and what came once does not come again."""
    rng = random.Random(7)
    world.rate = 6 << 20
    cache, begun, finished, bad = Cache(), 0, 0, []
    repo = world.repos["org/tiny", "main"]
    for i in range(KILLS):
        p = subprocess.Popen([PROGRAM, "pull", "Org/Tiny"], env=cache.environment(world), stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0, 0.6) * SLOWNESS)
        p.kill()
        p.wait()
        begun += 1
        if cache.ref() is not None or cache.snapshots():
            wrong = [n for n in NEEDED if not os.path.exists(cache.path("snapshots", repo.commit, n))]
            if wrong:
                bad.append("kill %d: without %r" % (i, wrong))
        if i % 5 == 4 or i == KILLS - 1:
            r = pull(cache, world)
            wrong = wrong_file(cache, repo, NEEDED)
            if r.code != 0 or wrong or cache.ref() != repo.commit:
                bad.append("kill %d: %s %s" % (i, wrong, r))
            sent = sum(e["sent"] for e in world.gets(BIG))
            slack = 5 * (256 << 10)  # what was on its way, in buffers of the system
            if sent > len(FILES[BIG]) + slack:
                bad.append("kill %d: %d bytes were sent of %d" % (i, sent, len(FILES[BIG])))
            finished += 1
            world.log, cache = [], Cache()
    check("%d kills, %d resumed pulls with the right sums" % (begun, finished), not bad and begun == KILLS, bad[:3])


def group_plain_copies(world):
    cache = Cache()
    repo = world.repos["org/tiny", "main"]
    r = pull(cache, world, HF_HUB_DISABLE_SYMLINKS="1")
    top = cache.path("snapshots", repo.commit)
    good = r.code == 0 and all(not os.path.islink(os.path.join(top, n)) and open(os.path.join(top, n), "rb").read() ==
                               repo.files[n] for n in NEEDED)
    check("without links: the files themselves", good, r)
    world.clear()
    r = pull(cache, world, HF_HUB_DISABLE_SYMLINKS="1")
    check("without links: once more", r.code == 0 and len(world.log) == 1, world.log)


def group_model(world):
    """A real model: what was fetched answers."""
    folder, files = os.path.join(SOURCE, "models", "gemma-3n-mini-it"), {}
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as f:
            files[name] = f.read()
    world.repos["org/tiny", "main"] = Repo(files, large=100000)
    cache = Cache()
    r = pull(cache, world)
    check("a real model: pull", r.code == 0, r)
    r = run(cache, None, "run", "Org/Tiny", "-p", "Hello", "--max-new-tokens", "4")
    check("a real model: run", r.code == 0 and r.out.strip(), r)


    names = (b"[y/N]", "Hello")
    for typed, code in ((b"y\n", 0), (b"n\n", 3), (b"\n", 3)):
        cache = Cache()
        world.clear()
        got, shown = terminal(cache, world, "run", "Org/Tiny", "-p", "Hello", "--max-new-tokens", "4", seen=names[0], type=typed)
        check("run offers to fetch: %r" % typed, got == code and shown.count("[y/N]") == 1
              and (code == 0) == (cache.ref() is not None), (got, shown))
        check("run asks nobody unasked: %r" % typed, code == 0 or not world.log, world.log)
    code, shown = terminal(cache, world, "chat", "Org/Tiny", seen=b"[y/N]", type=b"y\n/exit\n\x04")
    check("chat offers to fetch", "[y/N]" in shown and "parameters" in shown and cache.ref() is not None, (code, shown))
    cache = Cache()
    world.clear()
    never = [("--offline", ["--offline"], {}), ("WHINCHAT_OFFLINE", [], {"WHINCHAT_OFFLINE": "1"}),
             ("HF_HUB_OFFLINE", [], {"HF_HUB_OFFLINE": "1"})]
    for name, args, changes in never:
        code, shown = terminal(cache, world, "run", "Org/Tiny", "-p", "Hello", *args, **changes)
        check("no offer with " + name, code == 3 and "[y/N]" not in shown and "whinchat pull Org/Tiny" in shown, (code, shown))
    code, shown = terminal(cache, world, "run", "tiny", "-p", "Hello")
    check("no offer for a name without an owner", code == 3 and "[y/N]" not in shown, (code, shown))
    r = run(cache, world, "run", "Org/Tiny", "-p", "Hello")
    check("no offer without a terminal", r.code == 3 and "[y/N]" not in r.err and "whinchat pull Org/Tiny" in r.err, r)
    check("nobody was asked", not world.log, world.log)


def group_rm(world):
    cache, main = Cache(), world.repos["org/tiny", "main"]
    newer = world.repos["org/tiny", "pr/1"] = Repo(dict(FILES, **{"config.json": b'{"model_type": "gemma3"}'}))
    other = world.repos["org/other", "main"] = Repo({"config.json": b"{}", "model.safetensors": b"x" * 3000}, name="Org/Other")
    for name in ("Org/Tiny", "Org/Tiny@pr/1", "Org/Other"):
        pull(cache, world, name)
    r = run(cache, world, "list", "--names")
    check("list: what other refs name", r.out.split()[-3:] == ["Org/Other", "Org/Tiny", "Org/Tiny@pr/1"], r)
    before = cache.names()
    r = run(cache, world, "rm", "Org/Tiny")
    check("rm without a terminal: --yes is wanted", r.code == 2 and "--yes" in r.err and cache.names() == before, r)
    code, shown = terminal(cache, world, "rm", "Org/Tiny", seen=b"[y/N]", type=b"\n")
    check("rm asks, no is no", code == 1 and "3." in shown and "MiB" in shown and cache.names() == before, (code, shown))
    r = run(cache, world, "rm", "Org/Tiny@pr/1", "--yes")
    check("rm of a revision: what another has stays", r.code == 0 and wrong_file(cache, main, NEEDED) is None
          and cache.ref("pr/1") is None and cache.snapshots() == [main.commit]
          and newer.sum("config.json") not in cache.names("blobs") and "bytes" in r.err, r)
    outside = os.path.join(cache.home, "outside")
    os.mkdir(outside)
    open(os.path.join(outside, "precious"), "w").close()
    os.symlink(outside, cache.path("snapshots", main.commit, "link"))
    os.symlink(os.path.join(outside, "precious"), cache.path("snapshots", main.commit, "file"))
    r = run(cache, world, "rm", "Org/Tiny@main", "-y")
    check("links out of the cache are not followed", r.code == 0 and os.listdir(outside) == ["precious"]
          and cache.snapshots() == [] and cache.names("blobs") == [] and cache.ref() is None, (str(r), cache.names()))
    pull(cache, world)
    os.symlink(outside, cache.path("blobs", "link"))
    r = run(cache, world, "rm", "org/tiny", "-y")
    check("rm of all", r.code == 0 and not os.path.exists(cache.path()) and os.listdir(outside) == ["precious"]
          and not os.path.exists(os.path.join(cache.hub, ".locks", "models--Org--Tiny")), r)
    r = run(cache, world, "list", "--names")
    check("the other model stays", "Org/Other" in r.out and "Org/Tiny" not in r.out, r)
    for name, code in (("Org/Tiny", 3), ("Org/Other@nope", 3), ("Org/Other:Q4_K_M", 3), ("../x", 3), ("Org/Other@../x", 2),
                       ("Org/Other@" + "1" * 40, 3)):
        r = run(cache, world, "rm", name, "-y")
        check("rm %s: exit %d" % (name, code), r.code == code and r.err.count("\n") <= 2, r)
    os.rename(os.path.join(cache.hub, "models--Org--Other"), os.path.join(outside, "moved"))
    os.symlink(os.path.join(outside, "moved"), os.path.join(cache.hub, "models--Org--Other"))
    r = run(cache, world, "rm", "Org/Other", "-y")
    check("a repository that is a link is refused", r.code == 6 and
          os.path.isdir(os.path.join(outside, "moved", "blobs")), r)
    cache = Cache()
    world.rate = 1 << 20
    p = subprocess.Popen([PROGRAM, "pull", "Org/Tiny"], env=cache.environment(world), stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL)
    end = time.time() + TIME
    while time.time() < end and not [n for n in cache.names("blobs") if n.endswith(".incomplete")]:
        time.sleep(0.02)
    r = run(cache, world, "rm", "Org/Tiny", "-y")
    check("not while it is fetched", r.code == 6 and "fetches" in r.err, r)
    p.kill()
    p.wait()
    r = run(cache, world, "rm", "Org/Tiny", "-y")
    check("what was begun goes too", r.code == 0 and not os.path.exists(cache.path()), r)
    world.rate = 0
    names = ["t-Q4_K_M.gguf", "t-Q8_0.gguf", "B/t-B-00001-of-00002.gguf", "B/t-B-00002-of-00002.gguf"]
    world.repos["org/tiny", "main"] = Repo({n: random_bytes(2000, i) for i, n in enumerate(names)})
    for word in ("Q4_K_M", "Q8_0", "B"):
        pull(cache, world, "Org/Tiny:" + word)
    r = run(cache, world, "list", "--json")
    got = {m["name"]: m["bytes"] for m in json.loads(r.out)["models"] if m["source"] == "cache"}
    check("list: each GGUF file by a name that opens it", got == {
        "Org/Tiny:t-Q4_K_M.gguf": 2000, "Org/Tiny:t-Q8_0.gguf": 2000, "Org/Tiny:B/t-B-00001-of-00002.gguf": 4000}, got)
    r = run(cache, world, "rm", "Org/Tiny:B", "-y")
    check("rm of a file in parts", r.code == 0 and cache.names("snapshots", cache.ref()) == names[:2]
          and len(cache.names("blobs")) == 2 and not os.path.exists(cache.path("snapshots", cache.ref(), "B")), r)
    run(cache, world, "rm", "Org/Tiny:Q8_0", "-y")
    r = run(cache, world, "list", "--names")
    check("list: the one GGUF file by the model's name", r.out.split()[-1] == "Org/Tiny", r)
    r = run(cache, world, "rm", "Org/Tiny:Q4_K_M", "-y")
    check("rm of the last file: the ref goes", r.code == 0 and cache.names() == [] and cache.snapshots() == [], cache.names())


def group_huggingface_hub(world):
    python = os.environ.get("WHINCHAT_TEST_HF_PYTHON", sys.executable)
    if subprocess.run([python, "-c", "import huggingface_hub"], stderr=subprocess.DEVNULL).returncode != 0:
        print("not run: huggingface_hub is not there; WHINCHAT_TEST_HF_PYTHON names a Python that has it")
        return
    cache, repo = Cache(), world.repos["org/tiny", "main"]
    script = ("import sys\nfrom huggingface_hub import snapshot_download, hf_hub_download, scan_cache_dir\n"
              "print(snapshot_download('Org/Tiny', local_files_only=True))\n"
              "print(open(hf_hub_download('Org/Tiny', 'config.json', local_files_only=True)).read())\n"
              "i = scan_cache_dir()\nprint(len(i.warnings), [(r.repo_id, r.nb_files, len(r.revisions)) for r in i.repos])\n")
    pull(cache, world)
    world.clear()
    r = result_of([python, "-c", script], env=cache.environment(world))
    lines = r.out.split("\n")
    check("huggingface_hub opens what we fetched", r.code == 0 and lines[0] == cache.path("snapshots", repo.commit)
          and lines[1] == FILES["config.json"].decode() and
          not [e for e in world.log if "Tiny" in e["path"]], (str(r), world.log))
    check("huggingface_hub finds our cache sound", len(lines) > 2 and
          lines[2] == "0 [('Org/Tiny', %d, 1)]" % len(NEEDED), r)
    for name in ("snapshot", "files"):
        cache = Cache()
        script = ("from huggingface_hub import snapshot_download\nprint(snapshot_download('Org/Tiny', ignore_patterns=['*.bin']))"
                  if name == "snapshot" else
                  "from huggingface_hub import hf_hub_download\nhf_hub_download('Org/Tiny', 'model.safetensors')\n"
                  "hf_hub_download('Org/Tiny', 'config.json')")
        p = subprocess.run([python, "-c", script], env=cache.environment(world, HF_HUB_DISABLE_XET="1"),
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=TIME)
        if p.returncode != 0:  # its own requests go beyond what the stand-in answers
            check("huggingface_hub fetches from the stand-in: " + name, False, p.stderr[-400:])
            continue
        world.clear()
        r = pull(cache, world)
        again = [e["file"] for e in world.log if e["file"]]
        check("we take over what huggingface_hub fetched: " + name, r.code == 0 and "model.safetensors" not in again
              and (name == "files" or not again), (r.err, again))


def run_group(fn):
    world = StandIn(Repo(FILES))
    fn(world)
    world.close()


def main():
    """The groups run at the same time: they mostly wait."""
    groups = groups_of(globals())
    with concurrent.futures.ThreadPoolExecutor(len(groups)) as pool:
        running = {n: pool.submit(run_group, groups[n]) for n in sys.argv[3:] or groups}
    for name, job in running.items():
        if isinstance(job.exception(), NoTerminal):
            print("not run: the rest of %s: %s" % (name, job.exception()))
        elif job.exception():
            broke_off(name, job.exception())
    shutil.rmtree(WORK, ignore_errors=True)
    return finish()


if __name__ == "__main__":
    sys.exit(main())
