#!/usr/bin/env python3
"""The command line from outside: test_cli.py PROGRAM SOURCE [NAME]...

Runs the program as shells and scripts do - pipes, full disks, closed streams, signals, a terminal - and looks at what
comes out of it. SOURCE is the project's folder (models/gemma-3n-mini-it, examples, tests/goldens); NAME chooses groups.
A line a case; the last one is 'N passed, N failed'. Only Python's own library is needed.
"""
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from program import TIME, exits, plain_environment, result_of, write_file  # noqa: E402
from tally import check, run_groups  # noqa: E402

PROGRAM, SOURCE = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
MODEL = os.path.join(SOURCE, "models", "gemma-3n-mini-it")
PICTURE = os.path.join(SOURCE, "examples", "guitarist.png")
GOLDENS = os.path.join(SOURCE, "tests", "goldens")
QUESTION = "What musical instrument is the person playing?"
ANSWER = "The person in the image is playing an electric guitar."
COMMANDS = "run chat embed rerank classify fill index ask show verify tokenize template bench perplexity compare convert pull rm list doctor completion help version".split()
WORK = tempfile.mkdtemp(prefix="whinchat-cli-")


# ---- running ----

def environment(**changes):
    own = dict(TERM="xterm", LC_ALL="C.UTF-8", XDG_STATE_HOME=os.path.join(WORK, "state"), WHINCHAT_MODELS=os.path.dirname(MODEL),
               NO_COLOR=None)
    return plain_environment(**dict(own, **changes))


def run(*args, stdin=b"", env=None, cwd=None, **more):
    """The program with these arguments; stdin: bytes, or a file."""
    return result_of([PROGRAM] + list(args), stdin, env=env or environment(), cwd=cwd or WORK, **more)


def shell(script, env=None):
    """A line of sh, in which "$W" is the program and "$M" the model."""
    return result_of(["/bin/sh", "-c", script], subprocess.DEVNULL, cwd=WORK, env=environment(W=PROGRAM, M=MODEL, P=PICTURE))


def write(name, data):
    return write_file(os.path.join(WORK, name), data)


def object_of(name, result):
    """stdout as one JSON object on one line, {} when it is none."""
    try:
        value = json.loads(result.out)
    except ValueError:
        value = None
    good = result.code == 0 and isinstance(value, dict) and result.out.count("\n") == 1 and result.out.endswith("\n")
    check(name + ": one object", good, result)
    return value if isinstance(value, dict) else {}


def lines(*objects):
    return "".join(json.dumps(o) + "\n" for o in objects).encode()


def answers(r):
    return [json.loads(x) for x in r.out.splitlines()]


# ---- groups ----

def group_help():
    r = run()
    check("no argument: usage on stderr, exit 2", r.code == 2 and not r.out and r.first.startswith("Usage:"), r)
    for args in (["--help"], ["-h"], ["help"]):
        r = run(*args)
        lines = r.out.split("\n")
        check("%s fits one screen" % args[0], r.code == 0 and not r.err and len(lines) < 25 and max(map(len, lines)) <= 80
              and all("  %s " % c in r.out for c in COMMANDS), r)
    for c in COMMANDS:
        a, b = run(c, "--help"), run("help", c)
        check("%s --help" % c, a.code == 0 and a.out == b.out and a.out.startswith("Usage: whinchat %s" % c)
              and not a.err and max(map(len, a.out.split("\n"))) <= 110, a)
    for args in (["--version"], ["version"], ["-V"]):
        r = run(*args)
        check("%s" % args[0], r.code == 0 and re.match(r"whinchat \d+\.\d+\.\d+\n", r.out) and "Apache-2.0" in r.out
              and re.search("reference|avx2|avx512|avx512bf16|amx|neon", r.out), r)
    exits("help of no command", run("help", "xyz"), 2, "unknown command 'xyz'")


def group_usage():
    run_hi = ["run", MODEL, "-p", "hi", "-n", "1"]
    exits("unknown command, suggestion", run("RUN", MODEL), 2, "did you mean 'run'?")
    exits("unknown command", run("badcmd"), 2, "badcmd")
    exits("empty command", run(""), 2, "command ''")
    exits("option before the command", run("--threads", "2", "run", MODEL), 2, "'--threads'; options come after")
    exits("no model", run("run"), 2, "MODEL")
    exits("empty model", run("run", "", "-p", "hi"), 2, "MODEL is empty")
    exits("unknown option", run(*run_hi, "--badflag"), 2, "--badflag")
    exits("unknown option, suggestion", run(*run_hi, "--tmep", "1"), 2, "did you mean '--temp'?")
    exits("abbreviation, suggestion", run(*run_hi, "--max", "1"), 2, "did you mean '--max-new-tokens'?")
    exits("unknown short option", run(*run_hi, "-Z"), 2, "'-Z'")
    exits("unknown option with a value", run(*run_hi, "--badflag=5"), 2, "'--badflag'")
    exits("flag with a value", run(*run_hi, "--json=5"), 2, "--json")
    exits("value missing", run("run", MODEL, "-p"), 2, "-p/--prompt")
    exits("two prompts", run(*run_hi, "--", "there"), 2, "unexpected argument 'there'")
    exits("three operands", run("run", MODEL, "a", "b"), 2, "unexpected argument 'b'")
    exits("escapes are not printed raw", run(*run_hi, "--\x1b[31mred"), 2, "red")
    check("no escape on stderr", "\x1b" not in run("run", MODEL + "/\x1b[31mred", "-p", "hi").err)
    exits("a long option is cut", run(*run_hi, "--" + "x" * 10000), 2, "--xxx")
    bad = {"-n": "0 abc 1e3 1.5 0x10 5x nan +-5 -2 99999999999999999999", "--temp": "-1 abc nan inf 1e400 0,5 --",
           "--top-p": "0 -0.1 1.1 nan abc", "--top-k": "-2 1.5 abc", "--min-p": "-1 2 x", "--repeat-penalty": "0 -1 x",
           "--seed": "abc 1.5 -1 18446744073709551616", "--threads": "-1 abc 1000000000", "--ctx": "-1 abc 1.5 99999999999",
           "--logprobs": "-1 21 x", "--color": "red", "--compute": "f64", "--kv": "q8"}
    for option, values in bad.items():
        for value in values.split() + ["", " 5"]:
            exits("%s %r" % (option, value), run("run", MODEL, "-p", "hi", option, value), 2, option)
    exits("environment", run(*run_hi, env=environment(WHINCHAT_TEMP="x")), 2, "WHINCHAT_TEMP")
    exits("prompt and messages", run(*run_hi, "--messages", "x.json"), 2, "exclude each other")
    exits("ids", run("run", MODEL, "--prompt-ids", "1,x"), 2, "--prompt-ids: id 1")
    exits("logprobs without json", run(*run_hi, "--logprobs", "1"), 2, "--json")
    exits("stdin twice", run("run", MODEL, "-p", "-", "--image", "-"), 2, "stdin")
    exits("completion of no shell", run("completion", "tcsh"), 2, "bash,zsh,fish")
    exits("bench without a model", run("bench"), 2, "MODEL")
    exits("dtype without shape", run("bench", MODEL, "--dtype", "f32"), 2, "--shape")
    exits("chat without a terminal", run("chat", MODEL), 2, "terminal")


def group_run():
    ask = ["run", MODEL, "--image", PICTURE, "-p", QUESTION]
    exits("the picture question", run(*ask), 0, "", ANSWER + "\n")
    exits("by the shipped name", run("run", "gemma-3n-mini-it", *ask[2:], cwd=SOURCE), 0, "", ANSWER + "\n")
    exits("prompt as operand, options after it", run("run", MODEL, QUESTION, "-a", PICTURE, "--greedy"), 0, "", ANSWER + "\n")
    exits("prompt on stdin", run("run", MODEL, "--image", PICTURE, stdin=QUESTION.encode() + b"\n"), 0, "", ANSWER + "\n")
    exits("prompt -", run("run", MODEL, "--image=" + PICTURE, "-p", "-", stdin=QUESTION.encode()), 0, "", ANSWER + "\n")
    path = write("question.txt", b"\xef\xbb\xbf" + QUESTION.encode() + b"\r\n")
    exits("prompt in a file", run("run", MODEL, "--image", PICTURE, "-f", path), 0, "", ANSWER + "\n")
    exits("picture on stdin", run("run", MODEL, "-p", QUESTION, "-a", "-", stdin=open(PICTURE, "rb")), 0, "", ANSWER + "\n")
    exits("-- ends options", run("run", MODEL, "-a", PICTURE, "--", QUESTION), 0, "", ANSWER + "\n")
    exits("quiet", run(*ask, "-q"), 0, "", ANSWER + "\n")
    r = run(*ask, "--timings")
    check("timings on stderr only", r.code == 0 and r.out == ANSWER + "\n" and "first token" in r.err, r)
    exits("-n", run(*ask, "-n", "3"), 0, "", "The person in\n")
    exits("-n by the environment", run(*ask, env=environment(WHINCHAT_MAX_NEW_TOKENS="3")), 0, "", "The person in\n")
    exits("the option wins", run(*ask, "-n3", env=environment(WHINCHAT_MAX_NEW_TOKENS="1")), 0, "", "The person in\n")
    exits("stop text", run(*ask, "--stop", " playing"), 0, "", "The person in the image is\n")
    exits("temperature 0 is greedy", run(*ask, "--temp", "0"), 0, "", ANSWER + "\n")
    exits("1 thread", run(*ask, "--threads", "1"), 0, "", ANSWER + "\n")
    hot = ask + ["--temp", "5", "--seed", "7", "-n", "12"]
    a, b, c = run(*hot), run(*hot), run(*hot, "--seed", "8")
    check("a seed repeats", a.code == 0 and a.out == b.out and a.out != c.out, "%s; %s; %s" % (a, b, c))
    out = os.path.join(WORK, "answer.txt")
    write("answer.txt", "x" * 1000)
    r = run(*ask, "-o", out)
    check("--output", r.code == 0 and not r.out and open(out).read() == ANSWER + "\n", r)
    r = run("run", "no-such-model", "-p", "hi", "-o", out)
    check("--output is kept when the model fails", r.code == 3 and open(out).read() == ANSWER + "\n", r)
    r = run("run", MODEL, "--raw", "-p", "The person in the", "-n", "5")
    check("raw text", r.code == 0 and r.out.endswith("\n"), r)
    r = run("run", MODEL, "-s", "Be brief.", "-p", "Hello", "--json", "-n", "2")
    check("system prompt", object_of("system prompt", r).get("usage", {}).get("prompt_tokens", 0) > 10, r)
    env = environment(HOME=None, TERM="dumb", LC_ALL="de_DE.UTF-8", COLUMNS="1")
    exits("bare environment", run(*ask, "--temp", "0.0", env=env), 0, "", ANSWER + "\n")
    r = run("run", MODEL, "-p", b"a\xff\xc0b", "-n", "1")
    check("invalid UTF-8 warns", r.code == 0 and "UTF-8" in r.err, r)


def group_json():
    r = run("run", MODEL, "--image", PICTURE, "-p", QUESTION, "--json", "--logprobs", "2")
    o = object_of("run --json", r)
    with open(os.path.join(GOLDENS, "expected", "expected.json")) as f:
        turn = json.load(f)["conversations"][0]["turns"][0]
    check("keys", list(o)[:3] == ["text", "prompt_ids", "ids"] and {"finish_reason", "usage", "timings"} <= set(o), list(o))
    check("text", o.get("text") == ANSWER, o.get("text"))
    check("prompt_ids", o.get("prompt_ids") == turn["prompt_ids"], o.get("prompt_ids"))
    check("ids", o.get("ids") == turn["float32"]["ids"], o.get("ids"))
    check("finish_reason stop", o.get("finish_reason") == "stop", o.get("finish_reason"))
    n, m = len(turn["prompt_ids"]), len(turn["float32"]["ids"])
    usage = o.get("usage", {})
    check("usage", (usage.get("prompt_tokens"), usage.get("completion_tokens"), usage.get("total_tokens")) == (n, m, n + m), usage)
    check("timings", all(o.get("timings", {}).get(k + "_seconds", -1) >= 0 for k in
                         ("load", "image", "prefill", "first_token", "decode")), o.get("timings"))
    tops = o.get("logprobs", [])
    check("logprobs", [t["id"] for t in tops] == o.get("ids") and all(len(t["top"]) == 2 and t["top"][0]["logprob"] ==
          max(x["logprob"] for x in t["top"]) and t["logprob"] <= 0 for t in tops), tops[:2])
    ids = ",".join(map(str, turn["prompt_ids"]))
    o = object_of("--prompt-ids", run("run", MODEL, "--prompt-ids", ids, "--image", PICTURE, "--json"))
    check("--prompt-ids: the same answer", o.get("ids") == turn["float32"]["ids"], o.get("ids"))
    o = object_of("-n 2", run("run", MODEL, "--image", PICTURE, "-p", QUESTION, "--json", "-n", "2"))
    check("finish_reason length", o.get("finish_reason") == "length" and len(o.get("ids", [])) == 2, o)


def group_messages():
    def chat(*content, **more):
        return json.dumps(dict({"messages": [{"role": "user", "content": list(content)}]}, **more))

    def ask(name, text, code, *args, err=None, out=None):
        path = write("chat.json", text)
        return exits("messages: " + name, run("run", MODEL, "--messages", path, *args), code, err, out)
    words = {"type": "text", "text": QUESTION}
    ask("path", chat({"type": "image", "path": PICTURE}, words), 0, out=ANSWER + "\n")
    ask("image", chat({"type": "image", "image": PICTURE}, words), 0, out=ANSWER + "\n")
    ask("url of a file", chat({"type": "image", "url": "file://" + PICTURE}, words), 0, out=ANSWER + "\n")
    ask("filled from --image", chat({"type": "image"}, words), 0, "--image", PICTURE, out=ANSWER + "\n")
    ask("an array", json.dumps(json.loads(chat({"type": "image"}, words))["messages"]), 0, "--image", PICTURE, out=ANSWER + "\n")
    ask("path and --image", chat({"type": "image", "path": PICTURE}, {"type": "image"}, words), 0, "--image", PICTURE)
    ask("a string", json.dumps([{"role": "user", "content": "Hello, who are you?"}]), 0)
    ask("counts", chat({"type": "image"}, {"type": "image"}, words), 6, "--image", PICTURE,
        err="2 pictures without a path, 1 given")
    ask("a picture too many", chat(words), 6, "--image", PICTURE, err="0 pictures without a path, 1 given")
    ask("http", chat({"type": "image", "url": "http://localhost/x.png"}, words), 6, err="nothing is fetched")
    ask("absent picture", chat({"type": "image", "path": "no.png"}, words), 6, err="messages[0].content[0]: path: image: no.png")
    ask("a path that is no string", chat({"type": "image", "path": 5}, words), 6, err="path: expected the path of a file, found a number")
    ask("video", chat({"type": "video", "path": "x.mp4"}, words), 6, err="type: expected text, image or audio, found video")
    ask("absent sound", chat({"type": "audio", "path": "no.wav"}, words), 6, err="messages[0].content[0]: path: audio: no.wav")
    ask("no messages", '{"a": 1}', 6, err="messages: expected an array")
    ask("no JSON", "{", 6, err="chat.json")
    ask("empty", "[]", 6, err="found an empty one")
    r = run("run", MODEL, "-m", write("chat.json", '[{"role": "assistant", "content": "Hello"}]'))
    check("messages: refused by the template", r.code in (1, 6) and "must alternate" in r.first, r)
    ask("no objects", '["Hello"]', 6, err="messages")
    exits("messages: absent", run("run", MODEL, "-m", "no.json"), 6, "no.json")
    text = chat({"type": "image", "path": PICTURE}, words)
    exits("messages: stdin", run("run", MODEL, "-m", "-", stdin=text.encode()), 0, "", ANSWER + "\n")


def hearing():
    """A tiny model with ears and the shipped model's chat template."""
    folder = os.path.join(WORK, "hearing")
    if not os.path.isdir(folder):
        shutil.copytree(os.path.join(GOLDENS, "gemma3n_mm"), folder)
        shutil.copy(os.path.join(MODEL, "chat_template.jinja"), folder)
    return folder


def group_sound():
    model, formats = hearing(), os.path.join(GOLDENS, "audio_formats")
    a, b, picture = (os.path.join(model, n) for n in ("sound_a.wav", "sound_b.wav", "image_a.png"))
    # The ids that transformers 5.23 generates for the same messages and files.
    mixed = [{"type": "audio", "path": a}, {"type": "image"}, {"type": "text", "text": "same?"}, {"type": "audio"}]
    path = write("mixed.json", json.dumps([{"role": "user", "content": mixed}]))
    more = ["-n", "12", "--ignore-eos", "--json"]
    o = object_of("sounds and a picture", run("run", model, "-m", path, "--audio", b, "--image", picture, *more))
    check("sounds and a picture: ids", o.get("ids") == [51, 183, 143, 141, 120, 6, 90, 146, 68, 123, 123, 28], o)
    check("sounds: places", o.get("prompt_ids", []).count(177) == 24 and o["prompt_ids"].count(161) == 9, o.get("prompt_ids"))
    check("sounds: timings", o.get("timings", {}).get("audio_seconds", 0) > 0, o.get("timings"))
    for name, ids in (("mp3_44100_stereo.mp3", [113, 143, 141, 104, 90, 28, 23, 140, 143, 85, 10, 40]),
                      ("flac_s24_96000_stereo.flac", [113, 43, 151, 151, 151, 16, 30, 118, 27, 177, 88, 157])):
        o = object_of(name, run("run", model, "--audio", os.path.join(formats, name), "-p", "what", *more))
        check("%s: ids" % name, o.get("ids") == ids, o)
    with open(a, "rb") as f:
        first = run("run", model, "--audio", "-", "-p", "what", "-n", "6", stdin=f.read())
    check("a sound on stdin", first.code == 0 and first.out == run("run", model, "--audio", a, "-p", "what", "-n", "6").out, first)
    check("timings name sounds", ", sounds 0." in run("run", model, "--audio", a, "-p", "x", "-n", "1", "-v").err)
    exits("a sound too few", run("run", model, "-m", path, "--image", picture), 6, "1 sound without a path, 0 given with --audio")
    exits("stdin twice", run("run", model, "--image", "-", "--audio", "-", "-p", "x"), 2, "stdin can be only one")
    exits("a sound from the network", run("run", model, "--audio", "https://a.b/c.wav", "-p", "x"), 6, "nothing is fetched")
    exits("an absent sound", run("run", model, "--audio", "no.wav", "-p", "x"), 6, "audio: no.wav")
    exits("a picture as sound", run("run", model, "--audio", PICTURE, "-p", "x"), 6, "found a picture (PNG)")
    exits("no ears", run("run", MODEL, "--audio", a, "-p", "x"), 6, "takes no sound (its audio tower was never trained)")
    exits("show of a sound", run("show", os.path.join(formats, "mp3_44100_stereo.mp3")), 0, "", "MP3 44100 Hz, 2 channels, 0.150 s\n")
    o = object_of("show of a sound --json", run("show", a, "--json"))
    check("show of a sound: keys", (o.get("format"), o.get("rate"), o.get("channels"), o.get("cut")) == ("WAV", 16000, 1, False), o)
    with open(b, "rb") as f:
        head = f.read(44)
    minute = 2 * 16000 * 60
    long = write("long.wav", head[:40] + minute.to_bytes(4, "little") + bytes(minute))
    exits("show of a long sound", run("show", long), 0, "", "WAV 16000 Hz, 1 channel, 60.000 s, of which the first 30 are heard\n")
    r = run("run", model, "--audio", long, "-p", "x")
    check("a long sound is told of", "only the first 30 of 60 seconds are heard" in r.err, r)
    o = object_of("show of a model that hears", run("show", model, "--json"))
    check("show: audio", o.get("audio", {}).get("tokens") == 12 and "audio" in o["modalities"], o)
    check("show: no ears", "audio" not in object_of("show", run("show", MODEL, "--json"))["modalities"])
    o = object_of("bench --audio", run("bench", model, "--prefill", "4", "--audio", "--repeat", "1", "--json"))
    check("bench --audio: measured", o.get("audio_encode_seconds", 0) > 0, o)
    exits("bench --audio without ears", run("bench", MODEL, "--prefill", "4", "--audio", "--repeat", "1"), 3, "takes no sound")


def group_errors():
    hi = ["-p", "hi", "-n", "1"]
    exits("no such model", run("run", "no/such", *hi), 3, "no/such")
    exits("empty folder", run("run", tempfile.mkdtemp(dir=WORK), *hi), 3)
    exits("a text file as a model", run("run", write("notes.txt", "hello"), *hi), 3, "notes.txt")
    exits("a URL as a model", run("run", "https://example.invalid/model", *hi), 3, "example.invalid")
    exits("show: no such model", run("show", "no/such"), 3, "no/such")
    exits("verify: no such folder", run("verify", "no/such"), 3, "no/such")
    exits("prompt too long", run("run", MODEL, "-p", "a b" * 30000), 6, "tokens")
    exits("context too small", run("run", MODEL, "-p", "hello " * 20, "--ctx", "8"), 6, "context")
    exits("context too large", run("run", MODEL, *hi, "--ctx", "2000000000"), 2, "ctx")
    for name, path, words in [("absent", "no.png", "no.png"), ("a folder", WORK, "folder"), ("/dev/zero", "/dev/zero", "/dev/zero"),
                              ("no picture", write("bad.png", "no picture at all"), "bad.png"), ("empty", write("empty.png", ""), "empty"),
                              ("cut", write("cut.png", open(PICTURE, "rb").read()[:2000]), "cut.png"), ("a URL", "http://x/y.png", "fetched")]:
        exits("picture: " + name, run("run", MODEL, *hi, "--image", path), 6, words)
    exits("prompt file: absent", run("run", MODEL, "-f", "no.txt"), 6, "no.txt")
    exits("prompt file: /dev/zero", run("run", MODEL, "-f", "/dev/zero"), 6, "/dev/zero")
    exits("prompt file: NUL", run("run", MODEL, "-f", write("nul.txt", "a\0b")), 6, "NUL")
    exits("output: a folder", run("run", MODEL, *hi, "-o", WORK), 1, "cannot be written")
    exits("output: /dev/full", run("run", MODEL, *hi, "-o", "/dev/full"), 1, "/dev/full: write failed")


def group_streams():
    hi = '-p "Hello, who are you?"'
    want = run("run", MODEL, "-p", "Hello, who are you?").out
    check("an answer", len(want) > 2 and want.endswith("\n") and not want.endswith("\n\n"), want)
    exits("stdout full", shell('"$W" run "$M" %s >/dev/full' % hi), 1, "stdout: write failed: No space left")
    exits("stdout full, JSON", shell('"$W" run "$M" %s --json >/dev/full' % hi), 1, "stdout: write failed")
    exits("stdout full, other commands", shell('"$W" doctor >/dev/full'), 1, "stdout: write failed")
    exits("stdout closed", shell('"$W" run "$M" %s >&-' % hi), 1, "stdout: write failed")
    exits("stdin closed", shell('"$W" run "$M" %s <&-' % hi), 0, "", want)
    exits("stderr closed", shell('"$W" run "$M" %s 2>&-' % hi), 0, "", want)
    exits("no prompt on a closed stdin", shell('"$W" run "$M" <&-'), 6)
    r = shell('{ "$W" run "$M" %s --ignore-eos -n -1; echo "exit $?" >&2; } | head -c 3' % hi)
    check("reader gone: quiet", r.out == want[:3] and re.fullmatch("exit 0\n", r.err), r)
    r = shell('"$W" run "$M" %s 2>&1 >/dev/null' % hi)
    check("nothing on stderr", r.code == 0 and r.out == "", r)
    rd, wr = os.pipe()  # an inherited pipe that nobody closes
    r = run("run", MODEL, "-p", "Hello, who are you?", stdin=rd)
    check("a prompt given: stdin is not read", r.code == 0 and r.out == want, r)
    os.close(rd), os.close(wr)
    r = shell('printf "a\\nb\\nc\\n" | while read x; do "$W" run "$M" -n 1 -p "$x" >/dev/null; echo "$x"; done')
    check("in a loop over stdin", r.out == "a\nb\nc\n", r)
    r = run("run", MODEL, "-p", "Hello", "--image", PICTURE, "--color", "always")
    check("no escapes in an answer", "\x1b" not in r.out, r)
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        p = subprocess.Popen([PROGRAM, "run", MODEL, "-p", "Hello, who are you?", "--ignore-eos", "-n", "-1", "--temp", "3"],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, env=environment())
        first = p.stdout.read(1)
        p.send_signal(number)
        out, err = p.communicate(timeout=TIME)  # without the signal it would go on for ever
        check("signal %d: exit %d" % (number, code), p.returncode == code and first and out.endswith(b"\n") and not err,
              "exit %d, stdout %r, stderr %r" % (p.returncode, out[-60:], err))


def group_show():
    o = object_of("show --json", run("show", MODEL, "--json", "--ctx", "128"))
    check("show: keys", {"name", "path", "architecture", "parameters", "layers", "context_length", "modalities", "memory"} <= set(o), list(o))
    check("show: memory", {"weights_bytes", "kv_bytes", "total_bytes"} <= set(o.get("memory", {})), o.get("memory"))
    r = run("show", MODEL)
    check("show for people", r.code == 0 and "parameters" in r.out and "memory" in r.out and "MiB" in r.out and not r.err, r)
    exits("show of a picture", run("show", PICTURE), 0, "", "PNG 512x512 RGB\n")
    o = object_of("show of a picture --json", run("show", PICTURE, "--json"))
    check("show of a picture: keys", (o.get("format"), o.get("width"), o.get("height")) == ("PNG", 512, 512), o)
    exits("show of no picture", run("show", write("bad.png", "no picture at all")), 6, "bad.png")
    exits("show of an absent picture", run("show", "no.png"), 6, "no.png")
    o = object_of("list --json", run("list", "--json", cwd=SOURCE))
    names = [m.get("name") for m in o.get("models", [])]
    check("list has the shipped model", "gemma-3n-mini-it" in names and {"path", "exists"} <= set(o["places"][0]), o)
    r = run("list", "--names", cwd=SOURCE)
    check("list --names", r.code == 0 and r.out.split() == names, r)
    r = run("list", cwd=SOURCE)
    check("list", r.code == 0 and "shipped" in r.out, r)
    o = object_of("doctor --json", run("doctor", "--json"))
    check("doctor: keys", {"version", "machine", "libraries", "line_editing", "environment", "found"} <= set(o), list(o))
    r = run("doctor", env=environment(WHINCHAT_CPU="reference"))
    check("doctor", r.code == 0 and all(w in r.out for w in ("cpu", "threads", "memory", "WHINCHAT_CPU=reference")), r)
    check("WHINCHAT_CPU", "CPU level: reference" in run("version", env=environment(WHINCHAT_CPU="reference")).out)
    r = run("doctor", env=environment(WHINCHAT_CPU="fast"))
    check("doctor: WHINCHAT_CPU=fast", r.code == 0 and "(WHINCHAT_CPU names none of them)" in r.out, r)
    r = run("run", MODEL, "-p", "hi", env=environment(WHINCHAT_CPU="fast"))
    check("WHINCHAT_CPU=fast", r.code == 2 and "WHINCHAT_CPU: expected one of reference, " in r.err, r)


def group_text():
    text = "What colour is the shirt?\n\u00e9 \U0001f600"
    r = run("tokenize", MODEL, "--jsonl", stdin=lines({"text": text}, {"text": text, "add_special_tokens": False}))
    a = answers(r)
    check("tokenize --jsonl", r.code == 0 and len(a) == 2 and a[0]["ids"] == [2] + a[1]["ids"], r)
    r = run("tokenize", MODEL, "--jsonl", stdin=lines({"ids": a[0]["ids"], "skip_special_tokens": True}, {"ids": a[0]["ids"]}))
    b = answers(r)
    check("and back", r.code == 0 and [x["text"] for x in b] == [text, "<bos>" + text], r)
    tiny = os.path.join(WORK, "tokenizer-only")
    os.mkdir(tiny)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(os.path.join(MODEL, name), tiny)
    r = run("tokenize", tiny, "--jsonl", stdin=lines({"text": text}))
    check("a folder with tokenizer files only", r.code == 0 and answers(r) == a[:1], r)
    r = run("tokenize", MODEL, "--jsonl", stdin=b'nonsense\n\n{"text": 5}\n{"text": "a", "ids": []}\n' + lines({"text": "a"}))
    check("errors are lines, exit 6", r.code == 6 and ["error" in x for x in answers(r)] == [True, True, True, False], r)
    r = run("tokenize", MODEL, "--jsonl", stdin=lines({"ids": [10 ** 12, -1, 395]}))
    check("ids out of range give nothing", r.code == 0 and len(answers(r)) == 1 and "text" in answers(r)[0], r)
    o = object_of("tokenize --json", run("tokenize", MODEL, "--json", "Hello"))
    check("pieces", "".join(o.get("pieces", [])).replace("<bos>", "") == "Hello" and len(o["pieces"]) == len(o["ids"]), o)
    r = run("tokenize", MODEL, stdin=b"Hello")
    check("a line a token", r.code == 0 and [int(x.split()[0]) for x in r.out.splitlines()] == o["ids"], r)

    prompt = "<bos><start_of_turn>user\nHello<end_of_turn>\n<start_of_turn>model\n"
    exits("template -p", run("template", MODEL, "-p", "Hello"), 0, "", prompt)
    exits("template without generation prompt", run("template", MODEL, "-p", "Hello", "--no-generation-prompt"), 0, "",
          prompt.split("<start_of_turn>model")[0])
    hello = {"messages": [{"role": "user", "content": "Hello"}]}
    bad = {"messages": [{"role": "assistant", "content": "Hello"}]}
    r = run("template", MODEL, "--jsonl", stdin=lines(dict(hello, add_generation_prompt=True), hello, bad, {"messages": []}))
    a = answers(r)
    check("template --jsonl", r.code == 0 and len(a) == 4 and a[0] == {"text": prompt} and prompt.startswith(a[1]["text"])
          and "must alternate" in a[2]["error"] and "error" in a[3], r)
    path = write("t.jinja", "{{ bos_token }}{% for m in messages %}[{{ m.role }}:{{ m.content }}]{% endfor %}{{ x }}")
    r = run("template", "--template", path, "--jsonl",
            stdin=lines(dict(hello, special_tokens={"bos_token": "<s>"}, kwargs={"x": 5})))
    check("template --template --jsonl", r.code == 0 and answers(r) == [{"text": "<s>[user:Hello]5"}], r)
    exits("template --template", run("template", "--template", path, "-p", "Hello"), 0, "", "[user:Hello]\n")
    r = run("template", "--jsonl", stdin=lines({"template": "{{ a + 1 }}", "vars": {"a": 2}}, {"template": "{% if"}, hello,
                                               {"template": "{{ strftime_now('%Y') }}", "vars": {}, "now": "2025-07-04T09:05:03"}))
    a = answers(r)
    check("plain templates", r.code == 0 and a[0] == {"text": "3"} and "error" in a[1] and "error" in a[2], r)
    r = run("template", "--jsonl", stdin=lines({"template": "{{ a }}", "vars": {"a": "\u2028\u0085\u009b\x7f\x1b"}}))
    check("one line, whoever splits it; no controls", answers(r) == [{"text": "\u2028\u0085\u009b\x7f\x1b"}] and r.raw.isascii(), r)
    exits("template of nothing", run("template"), 2, "MODEL")
    p = subprocess.Popen([PROGRAM, "tokenize", MODEL, "--jsonl"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment())
    p.stdin.write(lines({"text": "a"}))
    p.stdin.flush()
    check("a line is answered at once", select.select([p.stdout], [], [], TIME)[0] != [])
    p.communicate(timeout=TIME)


def group_verify():
    tiny = os.path.join(GOLDENS, "gemma3n_text")
    with open(os.path.join(tiny, "golden.json")) as f:
        golden = json.load(f)
    prompt = golden["prompts"][0]["name"]
    r = run("verify", tiny, "--only", prompt)
    check("verify", r.code == 0 and re.search(r"^[1-9]\d* passed, 0 failed\n\Z", r.out, re.M) and not r.err, r)
    check("verify: what is left out is told", "\nskip " in r.out, r)
    q = run("verify", tiny, "--only", prompt, "-q")
    check("verify -q: the sum only", q.code == 0 and q.out == r.out.splitlines(True)[-1], q)
    o = object_of("verify --json", run("verify", tiny, "--only", prompt, "--json"))
    m = (o.get("models") or [{}])[0]
    check("verify --json: keys", o.get("failed") == 0 and o.get("passed", 0) >= 1 and {"name", "pass",
          "max_diff", "worst_share", "atol", "rtol", "note"} <= set((m.get("checks") or [{}])[0]), r)
    broken = os.path.join(WORK, "broken")
    shutil.copytree(tiny, broken)
    os.chmod(broken, 0o755)
    path = os.path.join(broken, "golden.json")
    os.chmod(path, 0o644)
    name = next(n for n in golden["tensors"] if ".layers.3." in n)
    golden["tensors"][name]["atol"] = 0.0
    golden["tensors"][name]["rtol"] = 0.0
    with open(path, "w") as f:
        json.dump(golden, f)
    prompt = name.split(".")[0]
    r = run("verify", broken, "--only", prompt)
    check("verify: one fails, exit 5, named", r.code == 5 and "FAIL %s " % name in r.out and
          "first point that is off: %s\n" % name in r.out and re.search(r"\d+ passed, [1-9]\d* failed\n\Z", r.out), r)
    r = run("verify", broken, tiny, "--only", prompt, "-q")
    check("verify: several folders", r.code == 5 and r.out.endswith(" failed\n"), r)
    check("verify --color always", "\x1b[" in run("verify", broken, "--only", prompt, "-q", "--color", "always").out)


def group_bench():
    o = object_of("bench --json", run("bench", MODEL, "--prefill", "32", "--decode", "8", "--image", "--threads", "1", "--repeat",
                                      "1", "--json"))
    keys = ("prefill_tokens_per_second decode_tokens_per_second image_encode_seconds load_seconds first_token_seconds "
            "peak_resident_bytes ceiling_flops_per_second ceiling_bytes_per_second").split()
    check("bench: keys", all(isinstance(o.get(k), (int, float)) and o[k] > 0 for k in keys), o)
    r = run("bench", MODEL, "--decode", "8", "--repeat", "1")
    check("bench for people", r.code == 0 and "decode 8" in r.out and "tokens/s" in r.out and not r.err, r)
    o = object_of("bench --shape", run("bench", "--shape", os.path.join(MODEL, "config.json"), "--dtype", "f32", "--prefill", "16",
                                       "--repeat", "1", "--json"))
    check("bench --shape: measured", o.get("prefill_tokens_per_second", 0) > 0, o)
    o = object_of("bench --ceilings", run("bench", "--ceilings", "--repeat", "1", "--json"))
    check("bench --ceilings: measured", o.get("ceiling_flops_per_second", 0) > 0, o)


def tiny_llama():
    """The kit's tiny Llama, or None where Python has no numpy."""
    sys.path.insert(0, os.path.join(SOURCE, "tests", "badinput"))
    try:
        from badlib.basemodel import Base
    except ImportError:
        print("not run: GGUF: Python has no numpy")
        return None
    from badlib.common import G, I32, U16
    base = Base(1)
    for no in range(3):     # the same model in three files
        part = G((base.g.kv if no == 0 else base.g.kv[:3]) + [("split.no", U16, no), ("split.count", U16, 3),
                 ("split.tensors.count", I32, len(base.g.tensors))], base.g.tensors[no::3])
        write("split-%05d-of-00003.gguf" % (no + 1), part.bytes())
    folder = os.path.join(WORK, "tiny-llama")
    os.makedirs(folder)
    for name, data in base.files.items():
        write(os.path.join("tiny-llama", name), data)
    write("tiny.gguf", base.gguf)
    return folder


def changed_golden(name, **fields):
    """A folder with the golden's weights and other fields in config.json; a dotted key is written a__b."""
    golden, folder = os.path.join(SOURCE, "tests", "goldens", name), os.path.join(WORK, "changed")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    os.symlink(os.path.join(golden, "model.safetensors"), os.path.join(folder, "model.safetensors"))
    with open(os.path.join(golden, "config.json")) as f:
        config = json.load(f)
    for key, value in fields.items():
        *path, last = key.split("__")
        place = config
        for step in path:
            place = place[step]
        place[last] = value
    write("changed/config.json", json.dumps(config))
    return folder


def with_list_entry(data, key, value, i=0):
    """A GGUF file's bytes with entry i of a list of numbers changed."""
    at = data.index(key.encode()) + len(key)
    kind, element = struct.unpack_from("<II", data, at)
    assert kind == 9 and element in (5, 6), (kind, element)
    return data[:at + 16 + 4 * i] + struct.pack("<i" if element == 5 else "<f", value) + data[at + 20 + 4 * i:]


def group_convert():
    """What the files of an architecture cannot tell is refused, and so is what they say that cannot be."""
    out = os.path.join(WORK, "out.gguf")
    for name, fields, said in (
            ("openelm", {"share_input_output_layers": False}, "share_input_output_layers: "),
            ("phimoe", {"router_jitter_noise": 0.25}, "router_jitter_noise: "),
            ("gemma3_text", {"use_bidirectional_attention": True}, "use_bidirectional_attention: "),
            ("gemma3_text", {"hidden_activation": "silu"}, "hidden_activation: "),
            ("gemma4_dense", {"rope_parameters__full_attention__rope_type": "default"}, "rope_parameters: "),
            ("gemma4_e", {"rope_parameters__sliding_attention__rope_type": "linear"}, "rope_parameters: "),
            ("phi3_longrope", {"rope_parameters__short_mscale": 1.0, "rope_parameters__long_mscale": 1.5}, "short_mscale"),
            ("gemma3n_text", {"activation_sparsity_pattern": [2.0] * 10}, "activation_sparsity_pattern: ")):
        exits("convert %s with %s" % (name, ", ".join(fields)), run("convert", changed_golden(name, **fields), out), 3, said)
    check("refused: no file", not os.path.exists(out))
    for name, key, i, value, said in (
            ("openelm", "openelm.attention.head_count", 1, 0, "openelm.attention.head_count: entry 1: "),
            ("openelm", "openelm.attention.head_count_kv", 0, 3, "num_query_heads: entry 0: "),
            ("openelm", "openelm.feed_forward_length", 0, 48, "blk.0.ffn_"),
            ("gemma4_e", "gemma4.feed_forward_length", 1, 96, "gemma4.feed_forward_length: entry 1: "),
            ("gemma4_dense", "gemma4.attention.head_count_kv", 3, 3, "layer 3: "),
            ("gemma3n_text", "gemma3n.activation_sparsity_scale", 0, float("inf"), "activation_sparsity_scale: entry 0: ")):
        run("convert", os.path.join(SOURCE, "tests", "goldens", name), out, "--type", "f32", "-q")
        with open(out, "rb") as f:
            data = f.read()
        path = write("bad.gguf", with_list_entry(data, key, value, i))
        exits("%s with entry %d of %s = %s" % (name, i, key, value), run("bench", path), 3, said)
    folder = os.path.join(GOLDENS, "gemma3n_text")      # as the first published files had it
    run("convert", folder, out, "--type", "f32", "-q")
    with open(out, "rb") as f:
        data = f.read()
    key = b"gemma3n.attention.shared_kv_layers"
    at = data.index(key) + len(key)
    for count, code in ((5.0, 0), (5.5, 3)):
        path = write("float.gguf", data[:at] + struct.pack("<If", 6, count) + data[at + 8:])
        r = run("verify", path, "--golden", folder, "--only", "p7", "-q")
        check("gemma3n: %g layers that share keys" % count, r.code == code and (code == 0 or "shared_kv_layers" in r.first), r)
    os.unlink(out)
    whole = None
    for i in range(12):     # killed at any moment: the whole file or none
        p = subprocess.Popen([PROGRAM, "convert", MODEL, out, "--type", "f32", "-q"], env=environment())
        if whole is None:
            p.wait()
            with open(out, "rb") as f:
                whole = f.read()
            os.unlink(out)
            continue
        time.sleep(0.003 * i)
        p.kill()
        p.wait()
        good = not os.path.exists(out)
        if not good:
            with open(out, "rb") as f:
                good = f.read() == whole
            os.unlink(out)
        check("convert killed after %d ms" % (3 * i), good)


def sparse_model(rows):
    """A Llama whose weights are holes in a file: rows embeddings of 4 KiB, at an odd place as some savers have it."""
    D, shapes = 2048, {"model.embed_tokens.weight": [rows, 2048], "model.norm.weight": [2048]}
    for name in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj",
                 "mlp.down_proj"):
        shapes["model.layers.0.%s.weight" % name] = [D, D]
    for name in ("input_layernorm", "post_attention_layernorm"):
        shapes["model.layers.0.%s.weight" % name] = [D]
    head, at = {}, 0
    for name, shape in shapes.items():
        n = 2 * shape[0] * (shape[1] if len(shape) > 1 else 1)
        head[name], at = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + n]}, at + n
    text = json.dumps(head)
    text += " " * (1 - len(text) % 2)
    os.makedirs(os.path.join(WORK, "sparse"))
    with open(write("sparse/model.safetensors", struct.pack("<Q", len(text)) + text.encode()), "r+b") as f:
        f.truncate(8 + len(text) + at)
    write("sparse/config.json", json.dumps({
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": D, "intermediate_size": D, "num_hidden_layers": 1,
        "num_attention_heads": 16, "vocab_size": rows, "tie_word_embeddings": True}))
    return os.path.join(WORK, "sparse")


def group_convert_memory():
    """A tensor is written a few rows at a time, and no page of it stays."""
    folder, out = sparse_model(98304), os.path.join(WORK, "sparse.gguf")     # 384 MiB
    p = subprocess.Popen([PROGRAM, "convert", folder, out, "--type", "q4_0", "-q"], env=environment())
    _, status, usage = os.wait4(p.pid, 0)
    p.returncode = os.waitstatus_to_exitcode(status)
    check("convert 384 MiB in less than 256", p.returncode == 0 and usage.ru_maxrss < 256 << 10,
          "exit %d, %d KiB" % (p.returncode, usage.ru_maxrss))
    os.unlink(out)


def group_gemma4_tokenizer():
    """Gemma 4's files have merges where Gemma 3's have scores; the ids are those of the tokenizer.json."""
    sys.path.insert(0, os.path.join(SOURCE, "tests", "badinput"))
    from badlib.common import ARR, BOOL, G, I32, STR, U32
    folder = os.path.join(GOLDENS, "tokenizers", "gemma")
    with open(os.path.join(folder, "tokenizer.json")) as f:
        t = json.load(f)
    tokens = {i: s for s, i in t["model"]["vocab"].items()}
    types = {i: 6 if re.fullmatch("<0x[0-9A-F]{2}>", s) else 1 for i, s in tokens.items()}
    for a in t["added_tokens"]:
        tokens[a["id"]], types[a["id"]] = a["content"], 3 if a["special"] else 4
    n = max(tokens) + 1
    path = write("gemma4-tokenizer.gguf", G([
        ("general.architecture", STR, "gemma4"), ("tokenizer.ggml.model", STR, "gemma4"), ("tokenizer.ggml.pre", STR, "gemma4"),
        ("tokenizer.ggml.tokens", ARR, (STR, [tokens.get(i, "[PAD%d]" % i) for i in range(n)])),
        ("tokenizer.ggml.token_type", ARR, (I32, [types.get(i, 5) for i in range(n)])),
        ("tokenizer.ggml.merges", ARR, (STR, [" ".join(m) for m in t["model"]["merges"]])),
        ("tokenizer.ggml.bos_token_id", U32, 2), ("tokenizer.ggml.unknown_token_id", U32, 3),
        ("tokenizer.ggml.add_bos_token", BOOL, 1)], []).bytes())
    for text in ("Hello, world", "  two  spaces\n\n\nlines\n", "caf\u00e9 \U0001f44d \u65e5\u672c", "a<unused0>b", ""):
        want = object_of("tokenizer.json", run("tokenize", folder, text, "--json"))
        got = object_of("gemma4", run("tokenize", path, text, "--json"))
        check("gemma4: the ids of %r" % text, want.get("ids") and got.get("ids") == want["ids"], "%s %s" % (want, got))


def group_borrowed():
    """OpenELM comes without a tokenizer: Llama 2's is taken out of the Hugging Face cache."""
    openelm, cache = os.path.join(GOLDENS, "openelm"), os.path.join(WORK, "borrowed")
    env = environment(HF_HUB_CACHE=cache, HF_HOME=None)
    ask = ["run", openelm, "-p", "ab a", "-n", "2", "--greedy"]
    exits("no tokenizer, nothing in the cache", run(*ask, env=env), 6, "--tokenizer")
    exits("it is named", run("tokenize", openelm, "ab", env=env), 6, "meta-llama/Llama-2-7b-hf")
    tokenizer = {"added_tokens": [], "normalizer": {"type": "Sequence", "normalizers": [
        {"type": "Prepend", "prepend": "\u2581"}, {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]},
        "pre_tokenizer": None, "post_processor": None,
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True,
                  "vocab": {t: i for i, t in enumerate(["<unk>", "<s>", "</s>", "\u2581", "a", "b", "\u2581a"])},
                  "merges": ["\u2581 a"]}}
    for repo in ("models--NousResearch--Llama-2-7b-hf", "models--meta-llama--Llama-2-7b-hf"):
        folder = os.path.join(cache, repo, "snapshots", "0" * 40)
        os.makedirs(folder)     # a copy first, then the maker's, which has one merge less
        with open(os.path.join(folder, "tokenizer.json"), "w") as f:
            json.dump(tokenizer, f)
        o = object_of("tokenize", run("tokenize", openelm, "ab a", "--json", env=env))
        check("Llama 2's tokenizer from %s" % repo, o.get("ids") == ([6, 5, 6] if "Nous" in repo else [3, 4, 5, 3, 4]), o)
        tokenizer["model"]["merges"] = []
        tokenizer["model"]["vocab"].pop("\u2581a", None)
    r = run(*ask, env=env)
    check("OpenELM answers", r.code == 0, r)
    out = os.path.join(WORK, "openelm.gguf")
    exits("convert takes it along", run("convert", openelm, out, "--type", "f32", "-q", env=env), 0)
    o = object_of("tokenize the file, without the cache", run("tokenize", out, "ab a", "--json"))
    check("it has the tokenizer", o.get("ids") == [3, 4, 5, 3, 4], o)
    exits("--tokenizer without one", run("tokenize", openelm, "ab", "--tokenizer", openelm, env=env), 6, "found neither")


def group_gguf():
    folder = tiny_llama()
    if not folder:
        return
    ask = ["-p", "hello world", "-n", "12", "--greedy", "--compute", "f32"]
    want = run("run", folder, *ask)
    check("the tiny Llama answers", want.code == 0 and want.out.strip(), want)
    exits("run file.gguf: as its folder", run("run", os.path.join(WORK, "tiny.gguf"), *ask), 0, out=want.out)
    with open(os.path.join(WORK, "tiny.gguf"), "rb") as f:
        data = f.read()
    exits("run a file of version 2", run("run", write("tiny-v2.gguf", data[:4] + struct.pack("<I", 2) + data[8:]), *ask), 0, out=want.out)
    exits("a split file", run("run", os.path.join(WORK, "split-00001-of-00003.gguf"), *ask), 0, out=want.out)
    exits("a split file's second part", run("run", os.path.join(WORK, "split-00002-of-00003.gguf"), *ask), 3, "split.no")
    os.makedirs(os.path.join(WORK, "parts"))
    for no in (1, 2, 3):
        name = "split-%05d-of-00003.gguf" % no
        shutil.move(os.path.join(WORK, name), os.path.join(WORK, "parts", name))
    exits("a folder with a split file", run("run", os.path.join(WORK, "parts"), *ask), 0, out=want.out)
    os.unlink(os.path.join(WORK, "parts", "split-00003-of-00003.gguf"))
    exits("a split file without its last part", run("run", os.path.join(WORK, "parts"), *ask), 3, "split-00003-of-00003.gguf")
    os.makedirs(os.path.join(WORK, "one"))
    shutil.copy(os.path.join(WORK, "tiny.gguf"), os.path.join(WORK, "one", "some.gguf"))
    exits("a folder with one GGUF file", run("run", os.path.join(WORK, "one"), *ask), 0, out=want.out)
    shutil.copy(os.path.join(WORK, "tiny.gguf"), os.path.join(WORK, "one", "other.gguf"))
    exits("a folder with two", run("run", os.path.join(WORK, "one"), *ask), 2, "2 GGUF files")
    for kind in ("f32", "f16", "bf16", "q8_0", "q4_0"):
        out = os.path.join(WORK, "made-%s.gguf" % kind)
        exits("convert --type %s" % kind, run("convert", folder, out, "--type", kind, "-q"), 0, out="")
        r = run("run", out, *ask)
        check("run what convert wrote, %s" % kind, r.code == 0 and (kind != "f32" or r.out == want.out), r)
        o = object_of("compare %s" % kind, run("compare", folder, out, "--compute", "f32", "--text", write("text", "hello world " * 40),
                                               "--json"))
        bound = {"f32": 0, "f16": 1e-6, "bf16": 1e-5, "q8_0": 1e-4, "q4_0": 1e-2}[kind]
        check("compare %s: as far as its rounding" % kind, 0 <= o.get("mean_kl", 1) + 1e-15 <= bound + 1e-12, o)
    mini = os.path.join(WORK, "mini.gguf")      # pictures stay behind, words do not
    exits("convert: a model with pictures", run("convert", "gemma-3n-mini-it", mini, "--type", "f32", "-q"), 0, out="")
    chat = ["-p", "Tell me about a red circle.", "-n", "24", "--greedy", "--compute", "f32"]
    want_chat = run("run", "gemma-3n-mini-it", *chat)
    check("the shipped model answers", want_chat.code == 0 and len(want_chat.out) > 20, want_chat)
    exits("its GGUF file: the same answer", run("run", mini, *chat), 0, out=want_chat.out)
    exits("its GGUF file: no pictures", run("run", mini, "--image", os.path.join(SOURCE, "examples", "guitarist.png"), *chat), 6,
          "no pictures")
    check("nothing half is left", not [f for f in os.listdir(WORK) if f.endswith(".part")], os.listdir(WORK))
    exits("convert: a type that is none", run("convert", folder, "x.gguf", "--type", "q9"), 2, "--type")
    exits("convert: a GGUF file", run("convert", os.path.join(WORK, "tiny.gguf"), "x.gguf"), 3, "GGUF")
    exits("convert: no such folder to write to", run("convert", folder, "/nowhere/x.gguf"), 2, "/nowhere/x.gguf")
    o = object_of("perplexity", run("perplexity", folder, "text", "--ctx", "32", "--stride", "8", "--json", "--compute", "f32"))
    whole = object_of("perplexity of one window", run("perplexity", folder, "text", "--ctx", "256", "--json", "--compute", "f32"))
    check("perplexity: every token but the first", o.get("scored") == o.get("tokens", 0) - 1 == whole.get("scored")
          and 1 < whole.get("perplexity", 0) < 1000 and abs(o["mean_nll"] - whole["mean_nll"]) < 0.5, (o, whole))
    exits("perplexity: a stride past the window", run("perplexity", folder, "text", "--ctx", "8", "--stride", "9"), 6, "--stride")
    exits("perplexity: no such text", run("perplexity", folder, "nothing.txt"), 6, "nothing.txt")
    exits("compare without a text", run("compare", folder, folder), 2, "--text")
    exits("compare: other vocabularies", run("compare", folder, MODEL, "--text", "text"), 6, "vocabulary")


def group_encoders():
    minilm, bert, pairs = (os.path.join(GOLDENS, n) for n in ("minilm", "bert", "bert_rerank"))
    r = run("embed", minilm, "cat", "", "the tree")
    vectors = [json.loads(line) for line in r.out.splitlines()]
    check("embed: a line of numbers for each text", r.code == 0 and [len(v) for v in vectors] == [36] * 3, r)
    check("embed: length 1, as the folder says", all(abs(sum(x * x for x in v) - 1) < 1e-5 for v in vectors), r)
    exits("embed: lines of stdin, an empty one too", run("embed", minilm, stdin=b"cat\n\nthe tree\n"), 0, out=r.out)
    exits("embed: lines of a file with CR LF", run("embed", minilm, "-f", write("lines.txt", "cat\r\n\r\nthe tree\r\n")), 0, out=r.out)
    exits("embed: nothing to do", run("embed", minilm), 0, out="")
    o = object_of("embed --json", run("embed", minilm, "--json", "cat", "", "the tree"))
    check("embed --json", o == {"width": 36, "embeddings": vectors, "cut": [False] * 3}, o)
    r = run("embed", minilm, "--jsonl", stdin=lines({"texts": ["cat", "", "the tree"]}, {"text": "cat"}, {"text": 1}, {}, {"texts": ["a", 2]}))
    a = answers(r)
    check("embed --jsonl", r.code == 6 and a[0] == {"embeddings": vectors, "cut": [False] * 3} and
          a[1] == {"embedding": vectors[0], "cut": False} and ["error" in x for x in a] == [False, False, True, True, True], r)
    r = run("embed", minilm, "cat " * 100)
    check("embed: a text that is cut is said to be", r.code == 0 and "text 1 is longer" in r.err and len(json.loads(r.out)) == 36, r)
    short = object_of("embed --max-tokens", run("embed", minilm, "cat cat", "--max-tokens", "3", "--json", "-d", "2", "-q"))
    check("embed --max-tokens cuts", short.get("cut") == [True] and short["embeddings"][0] == vectors[0][:2], short)
    exits("embed: too many dimensions", run("embed", minilm, "cat", "-d", "37"), 2, "dimensions")
    exits("embed: no such prompt", run("embed", minilm, "cat", "--prompt-name", "poem"), 2, "document, query")
    exits("embed: two prompts", run("embed", minilm, "cat", "--prompt-name", "query", "-p", "x"), 2, "--prompt")
    exits("embed: texts and --jsonl", run("embed", minilm, "cat", "--jsonl"), 2, "TEXT")
    exits("embed: a model that makes no vectors", run("embed", MODEL, "cat"), 6, "encoder")
    exits("run: an encoder writes nothing", run("run", minilm, "-p", "cat"), 3, "embed, rerank, classify or fill")
    documents = ["search and rank data fast!", "the cat", "the tree"]
    r = run("rerank", pairs, "--query", "fast search", *documents)
    check("rerank: best first", r.code == 0 and sorted(r.out.splitlines(), reverse=True) == r.out.splitlines()
          and re.search(r"0\.4274\d\d  1  search and rank data fast!", r.out), r)
    o = object_of("rerank --json", run("rerank", pairs, "--query", "fast search", "--top", "1", "--json", *documents))
    line = answers(run("rerank", pairs, "--jsonl", "--top", "1", stdin=lines({"query": "fast search", "documents": documents})))
    check("rerank --jsonl is the same", len(o["results"]) == 1 and line == [o], (o, line))
    exits("rerank: no query", run("rerank", pairs, "x"), 2, "--query")
    exits("rerank: a model for words", run("rerank", bert, "--query", "x", "y"), 6, "text-classification")
    r = run("classify", os.path.join(GOLDENS, "bert_classify"), "--top", "1", "the cat is in the tree.", "")
    check("classify", r.code == 0 and re.fullmatch(r"0\.6553\d\d  bad\n\n0\.3912\d\d  good\n", r.out), r)
    o = object_of("classify tokens", run("classify", os.path.join(GOLDENS, "bert_tokens"), "--json", "the cat"))
    check("classify tokens", [t["token"] for t in o["results"][0]["tokens"]] == ["the", "cat"], o)
    line = answers(run("classify", os.path.join(GOLDENS, "bert_tokens"), "--jsonl", stdin=lines({"text": "the cat"})))
    check("classify --jsonl is the same", line == o["results"], (o, line))
    r = run("fill", bert, "--top", "1", "the small [MASK] runs on a phone.")
    check("fill", r.code == 0 and re.fullmatch(r"0\.7687\d\d  b  the small b runs on a phone\.\n", r.out), r)
    o = object_of("fill --json", run("fill", bert, "--json", "the [MASK] is in the [MASK]."))
    check("fill --json: a list for each mask", [len(m) for m in o["results"][0]["masks"]] == [5, 5], o)
    line = answers(run("fill", bert, "--jsonl", stdin=lines({"text": "the [MASK] is in the [MASK]."}, {"text": "none"})))
    check("fill --jsonl is the same", line[0] == o["results"][0] and "[MASK]" in line[1]["error"], (o, line))
    exits("fill: no mask", run("fill", bert, "none"), 6, "[MASK]")


def group_scripts():
    for name in ("bash", "zsh", "fish"):
        r = run("completion", name)
        check("completion %s" % name, r.code == 0 and all(c in r.out for c in COMMANDS) and "max-new-tokens" in r.out, r)
        if name == "bash" or shutil.which(name):
            p = subprocess.run([name, "-n"], input=r.raw, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            check("completion %s: its syntax" % name, p.returncode == 0 and not p.stdout, p.stdout)
        else:
            print("not run: completion %s: its syntax: there is no %s" % (name, name))

    def complete(*words):
        script = ('whinchat() { "$W" "$@"; }\n. /dev/stdin\nCOMP_WORDS=(%s)\nCOMP_CWORD=%d\n_whinchat\nprintf "%%s\\n" "${COMPREPLY[@]}"\n'
                  % (" ".join("'%s'" % w for w in words), len(words) - 1))
        p = subprocess.run(["bash", "-c", script], input=run("completion", "bash").raw, stdout=subprocess.PIPE,
                           cwd=SOURCE, env=environment(W=PROGRAM))
        return p.stdout.decode().split()
    for words, want in [(["whinchat", "ver"], "verify"), (["whinchat", "run", "gemma-3n-m"], "gemma-3n-mini-it"),
                        (["whinchat", "run", "x", "--max"], "--max-new-tokens"), (["whinchat", "run", "--color", "ne"], "never"),
                        (["whinchat", "completion", "z"], "zsh"), (["whinchat", "run", "x", "--image", "exam"], "examples")]:
        check("completes %s" % " ".join(words[1:]), want in complete(*words), complete(*words))
    r = run("help", "--man")
    path = write("whinchat.1", r.raw)
    check("man page", r.code == 0 and r.out.startswith(".Dd") and all(".Ss whinchat %s" % c in r.out for c in COMMANDS), r.out[:200])
    if shutil.which("mandoc"):
        p = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        bad = [x for x in p.stdout.decode().splitlines() if "new sentence" not in x]
        check("man page: mandoc finds no fault", not bad, bad[:5])
    else:
        print("not run: man page: there is no mandoc")


class Terminal:
    """The program on a terminal of its own."""

    def __init__(self, *args, **env):
        self.seen, self.status = b"", None
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(WORK)
            os.execve(PROGRAM, [PROGRAM] + list(args), environment(**env))

    def read(self):
        """Adds what comes next to seen; False at the end, or when nothing comes."""
        try:
            got = os.read(self.fd, 4096) if select.select([self.fd], [], [], TIME)[0] else b""
        except OSError:
            got = b""
        self.seen += got
        return got != b""

    def until(self, words):
        """Reads until words have come since the last call."""
        while words.encode() not in self.seen:
            if not self.read():
                return False
        self.before, self.seen = self.seen.split(words.encode(), 1)
        return True

    def type(self, text):
        """Types at the prompt: once libedit, which shows it a moment earlier, has taken over the line."""
        limit = time.monotonic() + TIME
        while termios.tcgetattr(self.fd)[3] & termios.ICANON and time.monotonic() < limit:
            time.sleep(0.01)
        os.write(self.fd, text.encode())

    def interrupt(self):
        """Ctrl-C while an answer comes, of which something is to be seen already."""
        if self.seen or self.read():
            os.write(self.fd, b"\x03")

    def end(self):
        """The exit status, once the program has ended by itself."""
        limit = time.monotonic() + TIME
        while time.monotonic() < limit:
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    self.seen += os.read(self.fd, 4096)
                except OSError:
                    pass
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.fd)
                return os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)
        return None


def group_chat():
    try:
        t = Terminal("chat", MODEL, NO_COLOR="1")
    except OSError as e:
        print("not run: chat: no terminal can be had: %s" % e)
        return

    def step(name, good):
        return check("chat: " + name, good, t.seen[-500:])
    step("begins", t.until("/help") and t.until("> "))
    t.type("Hello, who are you?\r")
    step("answers", t.until("you?\r\n") and t.until("\r\n> ") and len(t.before.strip()) > 2)
    hello = t.before.strip()
    t.type("/image %s\r" % PICTURE)
    step("takes a picture", t.until("512 x 512") and t.until("> "))
    t.type("%s\r" % QUESTION)
    step("sees it", t.until(ANSWER) and t.until("> "))
    t.type("/clear\r")
    step("/clear", t.until("new conversation") and t.until("> "))
    t.type("Hello, who are you?\r")
    step("begins anew", t.until("you?\r\n") and t.until("\r\n> ") and t.before.strip() == hello)
    t.type("/set ignore-eos on\r")
    t.until("> ")
    t.type("/set max-new-tokens -1\r")
    t.until("> ")
    t.type("/set temp 3\r")
    t.until("> ")
    t.type("Tell me a story.\r")
    t.until("story.\r\n")
    t.interrupt()
    step("Ctrl-C stops the answer", t.until("stopped") and t.until("> "))
    t.type("/set ignore-eos off\r")
    t.until("> ")
    t.type("/set temp 0\r")
    t.until("> ")
    t.type("/clear\r")
    t.until("conversation\r\n> ")
    t.type("Hello, who are you?\r")
    step("and not the program", t.until("you?\r\n") and t.until("\r\n> ") and t.before.strip() == hello)
    t.type("/regen\r")
    step("/regen", t.until("regen\r\n") and t.until("\r\n> ") and t.before.strip() == hello)
    t.type("/save %s\r" % os.path.join(WORK, "saved.json"))
    step("/save", t.until("saved") and t.until("> "))
    with open(os.path.join(WORK, "saved.json")) as f:
        saved = json.load(f)["messages"]
    step("the file", [m["role"] for m in saved] == ["user", "assistant"] and saved[1]["content"].encode() == hello)
    t.type("/load %s\r" % os.path.join(WORK, "saved.json"))
    step("/load", t.until("2 messages") and t.until("> "))
    t.type('"""\rHello,\rwho are you?"""\r')
    step("several lines", t.until('you?"""\r\n') and t.until("\r\n> "))
    t.type("/nonsense\r")
    step("unknown command", t.until("unknown command '/nonsense'") and t.until("> "))
    t.type("/image no.png\r")
    step("an absent picture", t.until("no.png") and t.until("> "))
    t.type("/audio no.wav\r")
    step("an absent sound", t.until("no.wav") and t.until("> "))
    t.type("half a line\x03")
    step("Ctrl-C at the prompt", t.until("leaves") and t.until("> "))
    t.type("\x04")
    step("Ctrl-D leaves", t.end() == 0)
    history = os.path.join(WORK, "state", "whinchat", "history")
    step("history", os.path.isfile(history) and "Hello" in open(history).read())
    t = Terminal("run", MODEL, NO_COLOR="1")
    step("run without a prompt", t.until("/help") and t.until("> "))
    t.type("\x03")
    t.until("leaves")
    t.type("\x03")
    step("Ctrl-C twice leaves", t.end() == 0)
    t = Terminal("chat", MODEL, NO_COLOR="1")
    t.until("> ")
    os.kill(t.pid, signal.SIGTERM)
    step("SIGTERM", t.end() == 143)
    t = Terminal("run", MODEL, "-p", "Hello, who are you?")
    code = t.end()
    step("run on a terminal", code == 0 and t.seen.strip() == hello and b"\x1b" not in t.seen)
    t = Terminal("run", MODEL, "--badflag")
    code = t.end()
    step("colour on a terminal", code == 2 and b"\x1b[" in t.seen)
    t = Terminal("run", MODEL, "--badflag", NO_COLOR="1")
    code = t.end()
    step("NO_COLOR", code == 2 and b"\x1b" not in t.seen)
    t = Terminal("run", MODEL, "--badflag", TERM="dumb")
    code = t.end()
    step("TERM=dumb", code == 2 and b"\x1b" not in t.seen)


def group_chat_sound():
    model = hearing()
    a = os.path.join(model, "sound_a.wav")
    want = run("run", model, "--audio", a, "-p", "hear", "-n", "5", "--ignore-eos").out.strip()
    try:
        t = Terminal("chat", model, "-n", "5", "--ignore-eos", NO_COLOR="1")
    except OSError as e:
        print("not run: chat with sound: no terminal can be had: %s" % e)
        return

    def step(name, good):
        return check("chat with sound: " + name, good, t.seen[-500:])
    step("begins", t.until("/help") and t.until("> "))
    t.type("/audio %s\r" % a)
    step("takes a sound", t.until("WAV, 16000 Hz, 1.2 s; it goes with your next message") and t.until("> "))
    t.type("hear\r")
    step("hears it", t.until("hear\r\n") and t.until("\r\n> ") and t.before.decode().strip() == want)
    saved = os.path.join(WORK, "heard.json")
    t.type("/save %s\r" % saved)
    step("/save", t.until("saved") and t.until("> "))
    with open(saved) as f:
        content = json.load(f)["messages"][0]["content"]
    step("the file", content == [{"type": "audio", "path": a}, {"type": "text", "text": "hear"}])
    t.type("/load %s\r" % saved)
    step("/load", t.until("2 messages") and t.until("> "))
    t.type("/regen\r")
    step("/regen hears it again", t.until("regen\r\n") and t.until("\r\n> ") and t.before.decode().strip() == want)
    t.type("\x04")
    step("leaves", t.end() == 0)


if __name__ == "__main__":
    sys.exit(run_groups(globals(), sys.argv[3:], WORK))
