#!/usr/bin/env python3
"""The Python package from outside: test_python.py SOURCE [NAME]..., with PYTHONPATH and
WHINCHAT_LIBRARY set; NAME chooses groups.

Needs Python's own library and cffi.  A line a case; the last one is 'N passed, N failed'.
"""
import base64
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import warnings

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests"))
from tally import check, equal, raises, run_groups  # noqa: E402

SOURCE = os.path.abspath(sys.argv[1])
EXPECTED = os.path.join(SOURCE, "tests", "goldens", "expected")
MODEL = os.path.join(SOURCE, "models", "gemma-3n-mini-it")
PICTURE = os.path.join(SOURCE, "examples", "guitarist.png")
ANSWER = "The person in the image is playing an electric guitar."
QUESTION = {"type": "text", "text": "What musical instrument is the person playing?"}
warnings.simplefilter("ignore")

import whinchat  # noqa: E402


def chat(*parts):
    return [{"role": "user", "content": list(parts)}]


def pictured(**part):
    return chat(dict(part, type="image"), QUESTION)


def group_expected():
    """Every turn of the recorded conversations, in batches; word for word where the reference is not undecided."""
    asked, wanted = [], []
    for c in json.load(open(os.path.join(EXPECTED, "expected.json")))["conversations"]:
        messages, images = [], iter(c["images"])
        if c["system"]:
            messages.append({"role": "system", "content": [{"type": "text", "text": c["system"]}]})
        for turn in c["turns"]:
            parts = [dict(p, path=os.path.join(EXPECTED, next(images))) if p["type"] == "image" else p
                     for p in turn["user"]["content"]]
            messages = messages + [{"role": "user", "content": parts}]
            asked.append(messages)
            wanted.append((c["id"], turn["float32"]))
            messages = messages + [{"role": "assistant", "content": [{"type": "text", "text": turn["float32"]["text"]}]}]
    out = pipe(text=asked, batch_size=8, return_full_text=False, do_sample=False)
    got = [o[0]["generated_text"] for o in out]
    wrong = [(id, g, w["text"]) for g, (id, w) in zip(got, wanted) if w["comfortable"] and g != w["text"]]
    check("%d recorded turns, word for word where comfortable" % len(wanted), len(wanted) > 100 and not wrong, wrong)
    alone = [pipe(text=a, return_full_text=False, do_sample=False)[0]["generated_text"] for a in asked[:12]]
    equal("a batch gives what each gives alone", got[:12], alone)


def group_forms():
    data = open(PICTURE, "rb").read()
    encoded = base64.b64encode(data).decode()
    for name, image in (("path", PICTURE), ("bytes", data), ("base64", encoded),
                        ("data URL", "data:image/png;base64," + encoded)):
        out = pipe(text=chat({"type": "image"}, QUESTION), images=[image], return_full_text=False)
        equal("images= of %s" % name, out[0]["generated_text"], ANSWER)
    for key in ("image", "path", "url", "base64"):
        asked = pictured(**{key: encoded if key == "base64" else PICTURE})
        equal("part with %s" % key, pipe(text=asked),
              [{"input_text": asked, "generated_text": asked + [{"role": "assistant", "content": ANSWER}]}])
    asked = pictured(path=PICTURE)
    equal("a list of chats", [o[0]["generated_text"][-1]["content"] for o in pipe(text=[asked, asked])], [ANSWER] * 2)
    equal("a generator is lazy", [o[0]["generated_text"] for o in pipe(text=(a for a in [asked]), return_full_text=False)],
          [ANSWER])
    equal("stop_sequence stays", pipe(text=asked, stop_sequence="person", return_full_text=False)[0]["generated_text"],
          "The person")
    equal("stream", "".join(pipe.stream(text=asked)), ANSWER)
    equal("prefill", pipe(text=chat(QUESTION) + [{"role": "assistant", "content": "The person"}], max_new_tokens=5)
          [0]["generated_text"][-1], {"role": "assistant", "content": "The person in the image is playing"})
    equal("text-generation", text("hello", max_new_tokens=8), [{"generated_text": "hello electric guitar."}])
    equal("text-generation ids", text("hello", return_tensors=True, max_new_tokens=3),
          [{"generated_token_ids": [2, 372, 458, 351, 633, 510, 286]}])
    streamer = whinchat.TextIteratorStreamer(pipe.tokenizer, skip_prompt=True, skip_special_tokens=True)
    thread = threading.Thread(target=lambda: pipe(text=asked, streamer=streamer))
    thread.start()
    equal("TextIteratorStreamer", "".join(streamer), ANSWER)
    thread.join()


def group_bad_input():
    place = chat({"type": "image"}, QUESTION)
    raises("too many pictures", ValueError, lambda: pipe(text=place, images=[PICTURE] * 2), "has 1 place for images, 2 passed")
    raises("no picture for a place", ValueError, lambda: pipe(text=place), "Found 1 <image_soft_token>")
    raises("a picture that is none", ValueError, lambda: pipe(text=place, images=[b"not a picture"]))
    raises("a picture that is not there", ValueError, lambda: pipe(text=pictured(path="/none.png")), "no such file")
    raises("a URL", ValueError, lambda: pipe(text=pictured(url="http://localhost/a.png")), "allow_remote")
    raises("nothing", ValueError, pipe, "at least provide")
    raises("wrong roles", whinchat.TemplateError, lambda: pipe(text=[{"role": "x", "content": "hi"}]), "must alternate")
    raises("unknown word", TypeError, lambda: text("hello", foo=1), "foo")
    raises("unknown word at construction", TypeError, lambda: whinchat.pipeline("text-generation", MODEL, foo=1), "foo")
    raises("a number as text", TypeError, lambda: text(3), "int")
    raises("no such model", OSError, lambda: whinchat.pipeline("text-generation", "none-such"), "none-such")
    raises("temperature 0", ValueError, lambda: text("a", do_sample=True, temperature=0.0), "strictly positive")
    raises("what JSON cannot hold", ValueError, lambda: text([{"role": "user", "content": object()}]), "JSON")
    with whinchat.pipeline("text-generation", MODEL) as closed:
        pass
    raises("a closed pipeline", whinchat.ClosedError, lambda: closed("hello"), "closed")
    r, w = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            text("hello")
        except whinchat.ForkError as e:
            os.write(w, str(e).encode())
        finally:
            os._exit(0)
    os.close(w)
    equal("a fork after load ends with an exception", (b"load it after the fork" in os.read(r, 4096),
                                                       os.waitpid(child, 0)[1]), (True, 0))


def group_parts():
    tokenizer = whinchat.Tokenizer.from_pretrained(MODEL)
    equal("encode and decode", tokenizer.decode(tokenizer.encode("hello person", False)), "hello person")
    ids, offsets = tokenizer.encode_with_offsets("hello person")
    equal("offsets cover the text", "".join("hello person"[a:b] for a, b in offsets), "hello person")
    equal("template", whinchat.ChatTemplate("{{ bos_token }}{{ messages[0].content }}", bos_token="<b>").render(
        [{"role": "user", "content": "x"}]), "<b>x")
    raises("a broken template", whinchat.TemplateError, lambda: whinchat.ChatTemplate("{% if %}").render([]))
    logits = pipe.model.logits("hello")
    best = max(range(len(logits)), key=lambda i: logits[i])
    answer = pipe.model.generate([whinchat.Prompt(text="hello")], whinchat.Sampling(max_new_tokens=1, do_sample=False))[0]
    equal("the largest logit is the greedy answer", [best], answer.ids)
    equal("embed's width", len(pipe.model.embed("hello")), json.load(open(os.path.join(MODEL, "config.json")))
          ["text_config"]["hidden_size"])


def group_mmproj():
    """A GGUF model with its pictures in a file of its own answers as the folder."""
    folder = tempfile.mkdtemp(prefix="whinchat-python-")
    try:
        text, tower = os.path.join(folder, "text.gguf"), os.path.join(folder, "pictures.gguf")
        err, none = whinchat._native.new_error(), whinchat._native.ffi.NULL
        for call, out in ((whinchat._native.lib.wc_convert, text), (whinchat._native.lib.wc_convert_mmproj, tower)):
            check("written: " + os.path.basename(out), call(MODEL.encode(), out.encode(), b"bf16", none, none, err))
        asked = pictured(path=PICTURE)
        with whinchat.Model(text, mmproj=tower) as model:
            equal("mmproj: the answer", whinchat.pipeline("image-text-to-text", model=model)(
                text=asked, return_full_text=False, do_sample=False)[0]["generated_text"], ANSWER)
            equal("mmproj: its file", model.info["mmproj"], tower)
        other = whinchat.pipeline("image-text-to-text", model=text, mmproj=tower)
        equal("mmproj of pipeline", other(text=asked, return_full_text=False, do_sample=False)[0]["generated_text"], ANSWER)
        raises("without it", whinchat.InputError, lambda: whinchat.pipeline("image-text-to-text", model=text)(text=asked),
               "mmproj")
        raises("none of that name", OSError, lambda: whinchat.Model(text, mmproj="nosuch.gguf"), "nosuch.gguf")
        raises("no path", TypeError, lambda: whinchat.Model(text, mmproj=3), "os.PathLike")
    finally:
        shutil.rmtree(folder)


def group_words():
    """Keywords that the recorded calls of test_transformers.py do not reach."""
    info = pipe.model.info
    equal("info tells the picture's token and the defaults", (info["image"]["token"], info["generation"]["eos_token_id"],
                                                              info["generation"]["top_k"]),
          ("<image_soft_token>", [1, 6], 50))
    asked = pictured(path=PICTURE)
    n = len(pipe(text=asked, return_tensors=True, max_new_tokens=1)[0]["generated_token_ids"]) - 1
    equal("max_length counts every place of a picture", len(pipe(text=asked, return_tensors=True, max_length=n + 4)[0]
                                                            ["generated_token_ids"]), n + 4)
    raises("max_length below the prompt", ValueError, lambda: pipe(text=asked, max_length=n),
           "Input length of input_ids is %d" % n)
    equal("max_length of a batch", [len(t[0]["generated_token_ids"]) for t in text(["hello", "What model are you?"],
                                    return_tensors=True, max_length=12, eos_token_id=3, batch_size=2)], [12, 12])
    seen = []

    class Streamer:
        def put(self, ids):
            seen.append(ids.tolist())

        def end(self):
            seen.append("end")
    pipe(text=asked, max_new_tokens=2, streamer=Streamer())
    equal("a streamer sees the prompt as the model does", (len(seen[0][0]), seen[0][0].count(1537), seen[3:]),
          (n, info["image"]["tokens"], ["end"]))
    model = pipe.model
    ends = whinchat.Sampling(eos_token_id=[633], do_sample=False)
    answer = model.generate([whinchat.Prompt(text="hello"), whinchat.Prompt(text="a b")], ends)
    equal("eos_token_id ends an answer, not its neighbour", (answer[0].ids, answer[0].finish_reason, len(answer[1].ids)),
          ([633], "stop", 96))
    two = text("hello", num_return_sequences=2, do_sample=True, temperature=3.0, seed=7)
    equal("two sequences of a seed", text("hello", num_return_sequences=2, do_sample=True, temperature=3.0, seed=7), two)
    check("two sequences differ", two[0] != two[1], two)
    raises("words that would change the answer", whinchat.UnsupportedError, lambda: text("hello", bad_words_ids=[[3]]),
           "bad_words_ids")
    raises("handle_long_generation without room", ValueError,
           lambda: text("hello", handle_long_generation="hole", max_new_tokens=5000), "hole")
    equal("handle_long_generation", len(text("a " * 2040, handle_long_generation="hole", max_new_tokens=8,
                                             return_tensors=True)[0]["generated_token_ids"]) <= 2048, True)
    equal("a text with NUL", text("a\0b", max_new_tokens=1)[0]["generated_text"][:3], "a\0b")
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        text("hello", max_new_tokens=1, use_cache=True)
        text("hello", max_new_tokens=1, use_cache=True)
    equal("a word without meaning warns once", ["use_cache" in str(w.message) for w in heard], [True])


def group_threads():
    questions = ["What model are you?", "hello", "Who made you?", "What can you do?"] * 2
    ask = lambda q: pipe(text=chat({"type": "text", "text": q}), return_full_text=False)[0]["generated_text"]  # noqa: E731
    want, got = [ask(q) for q in questions], [None] * len(questions)

    def work(i):
        got[i] = ask(questions[i])
    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(questions))]
    [t.start() for t in threads]
    [t.join() for t in threads]
    equal("8 threads on one model answer as one", got, want)


def group_overhead():
    """What a call costs over the same calls of the C library: the least of many, in turns."""
    from whinchat._native import ffi, lib
    model, err = text.model, ffi.new("wc_error *")
    prompt = ffi.new("wc_prompt *", {"size": ffi.sizeof("wc_prompt")})
    words = ffi.new("char[]", b"hello")
    prompt.text = words
    options = ffi.new("wc_generate_options *", {"size": ffi.sizeof("wc_generate_options"), "max_new_tokens": 2})

    def through_c():
        session = ffi.new("wc_session *[1]", [lib.wc_session_new(model._c, ffi.NULL, err)])
        good = lib.wc_session_prompt(session[0], prompt, err) and lib.wc_generate(session, 1, options, ffi.NULL, ffi.NULL, err)
        lib.wc_session_free(session[0])
        return good
    least = {"C": 9, "Python": 9}
    for n in range(1000):  # a busy machine needs more turns than a quiet one
        if n >= 100 and least["Python"] - least["C"] < 0.002:
            break
        for name, call in (("C", through_c), ("Python", lambda: text("hello", max_new_tokens=2))):
            start = time.perf_counter()
            good = call()
            least[name] = min(least[name], time.perf_counter() - start if good else 9)
    over = 1000 * (least["Python"] - least["C"])
    check("a call costs %.2f ms more than the C API's %.2f, less than 2" % (over, 1000 * least["C"]), over < 2, least)


def group_interrupt():
    start = time.time()
    threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    try:
        text(["hello"] * 2000, batch_size=100)
        check("Ctrl-C stops at once", False, "it was not heard")
    except KeyboardInterrupt:
        check("Ctrl-C stops at once", time.time() - start < 2, time.time() - start)
    heard = 0
    for i in range(100):  # also while a call's thread starts, which must not go on in memory that was freed
        timer = threading.Timer(0.0001 * (i % 50), os.kill, (os.getpid(), signal.SIGINT))
        try:
            timer.start()
            for _ in range(1000):
                text("hello", max_new_tokens=1)
        except KeyboardInterrupt:
            heard += 1
        timer.join()
    equal("Ctrl-C at any moment", heard, 100)


pipe = whinchat.pipeline("image-text-to-text", MODEL, dtype="float32")
text = whinchat.pipeline("text-generation", pipe.model, dtype="float32")
sys.exit(run_groups(globals(), sys.argv[2:]))
