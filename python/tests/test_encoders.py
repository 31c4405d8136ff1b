#!/usr/bin/env python3
"""Encoders and sounds with what nobody should pass, and what the peers have no call for: test_encoders.py SOURCE [NAME]...,
with PYTHONPATH and WHINCHAT_LIBRARY set; NAME chooses groups.

What they give for good input is test_transformers.py's and test_sentence_transformers.py's.  Whatever goes in here, out comes
an answer or a documented exception, and the next call is answered.  The last line is 'N passed, N failed'.
"""
import os
import random
import sys
import threading
import warnings
from array import array

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests"))
from tally import check, equal, raises, run_groups  # noqa: E402

SOURCE = os.path.abspath(sys.argv[1])
warnings.simplefilter("ignore")

import whinchat  # noqa: E402
from whinchat.encoders import rows_of, tokens_of  # noqa: E402

EXPECTED = (whinchat.WhinchatError, TypeError, ValueError, KeyError, IndexError)
ODD = (None, True, -1, 0, 2**40, 1.5, float("nan"), "", "\0", "\udc80", "a\ufffd", "x" * 5000, b"a", [], [[]], {}, {"text": 3}, (),
       object(), ["a", None], [b"a"], {"text": "a", "text_pair": None}, "[MASK]" * 200, "\U0010ffff", "e\u0301\u0323" * 40)


def golden(name):
    return os.path.join(SOURCE, "tests", "goldens", name)


SOUND = os.path.join(golden("gemma3n_mm"), "sound_a.wav")


def survives(name, calls, again):
    """None of the calls ends in an undocumented exception, and again() is answered as before."""
    want, bad = repr(again()), []
    for call in calls:
        try:
            call()
        except EXPECTED as e:
            if "\n" in str(e):
                bad.append(e)
        except Exception as e:
            bad.append(e)
    check(name, not bad and repr(again()) == want, bad[:3])


def group_odd():
    for task, model, text in (("fill-mask", "bert", "a [MASK]"), ("text-classification", "bert_classify", "a cat"),
                              ("token-classification", "bert_tokens", "a cat"), ("feature-extraction", "minilm", "a cat")):
        with whinchat.pipeline(task, golden(model)) as pipe:
            calls = [lambda x=x: pipe(x) for x in ODD] + [lambda x=x: list(pipe(iter([x]))) for x in ODD]
            calls += [lambda x=x, w=w: pipe(text, **{w: x}) for x in ODD for w in list(pipe.words) + ["batch_size"]]
            survives("%s: %d odd calls" % (task, len(calls)), calls, lambda: pipe(text))
        raises("%s: closed" % task, whinchat.ClosedError, lambda: pipe(text))
    with whinchat.SentenceTransformer(golden("minilm")) as model:
        calls = [lambda x=x: model.encode(x) for x in ODD] + [lambda x=x: model.similarity(x, x) for x in ODD]
        calls += [lambda x=x, w=w: model.encode("a", **{w: x}) for x in ODD for w in
                  ("prompt", "prompt_name", "batch_size", "output_value", "precision", "truncate_dim", "device", "pool")]
        survives("SentenceTransformer: %d odd calls" % len(calls), calls, lambda: model.encode("a cat"))
    with whinchat.CrossEncoder(golden("bert_rerank")) as cross:
        calls = [lambda x=x: cross.predict(x) for x in ODD] + [lambda x=x: cross.rank(x, ["a"]) for x in ODD]
        calls += [lambda x=x: cross.rank("a", x) for x in ODD] + [lambda x=x: cross.predict([(x, x)]) for x in ODD]
        survives("CrossEncoder: %d odd calls" % len(calls), calls, lambda: cross.predict(("a", "b")))
    raises("a model that generates", ValueError, lambda: whinchat.SentenceTransformer(golden("qwen3")), "gives no vectors")
    raises("a head that is not there", ValueError, lambda: whinchat.pipeline("fill-mask", golden("bert_tokens")), "fill-mask")
    raises("no head for pairs", ValueError, lambda: whinchat.CrossEncoder(golden("minilm")), "text-classification")


def group_tokens():
    """Offsets point into the text in order, whatever the text; a text's rows are the same bits alone and among others."""
    model, rng = whinchat.Model(golden("bert_tokens")), random.Random(1)
    alphabet = "abcthe  \u00e9e\u0301\u0323\u200b\u4e2d\u00df\u0130\U0001f600\x00\ufffd##[SEP].,'\u1e9b\u0323\uac00\u1100\u1161"
    wrong = []
    for _ in range(300):
        text = "".join(rng.choice(alphabet) for _ in range(rng.randrange(40)))
        tokens, last = tokens_of(model, text), 0
        for part, (start, end) in zip(tokens.parts, tokens.offsets):
            if part >= 0:
                if not (last <= start < end <= len(text)):
                    wrong.append((text, start, end))
                last = start
        if tokens.ids != model.tokenize(text):
            wrong.append(text)
    check("offsets of 300 odd texts", not wrong, wrong[:3])
    lists = [tokens_of(model, t) for t in ("a cat", "the small tree runs in the city", "", "a")]
    alone = [rows_of(model, [t])[0] for t in lists]
    same = all(repr(list(map(list, a))) == repr(list(map(list, b))) for a, b in zip(rows_of(model, lists), alone))
    check("rows of a batch are those of each alone", same)
    equal("picked rows", repr(list(rows_of(model, lists[:1], picked=[[1]])[0][0])), repr(list(alone[0][1])))
    results, threads = [None] * 6, []
    pipe = whinchat.pipeline("ner", model, ignore_labels=[])
    want = pipe("the small tree")
    for i in range(6):
        threads.append(threading.Thread(target=lambda i=i: results.__setitem__(i, pipe("the small tree"))))
    [t.start() for t in threads]
    [t.join() for t in threads]
    equal("6 threads", results, [want] * 6)


def group_warnings():
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        whinchat.SentenceTransformer(golden("minilm")).encode(["cat " * 300, "a"])
        whinchat.CrossEncoder(golden("bert_rerank")).rank("cat", ["cat " * 300, "a", "tree " * 300])
        whinchat.pipeline("ner", golden("bert_tokens"))("cat " * 300)
    equal("a cut is warned about, once a call", [str(w.message).split(" tokens")[0] for w in heard],
          ["encode: 1 of 2 texts had more than 80", "CrossEncoder: 2 of 3 texts had more than 96",
           "token-classification: a text is longer than the 96"])
    check("three warnings, where the calls are", len(heard) == 3 and all(w.filename == __file__ for w in heard),
          [(str(w.message), w.filename) for w in heard])


def group_sounds():
    pipe = whinchat.pipeline("any-to-any", golden("gemma3n_mm"))
    data = open(SOUND, "rb").read()
    token = pipe.audio_token
    ask = lambda sound: pipe(token + "?", audio=sound, max_new_tokens=3, return_full_text=False)[0]["generated_text"]  # noqa: E731
    want = ask(SOUND)
    equal("bytes", ask(data), want)
    samples = array("h", data[44:])  # 16-bit, little-endian, behind a header of 44 bytes
    floats = array("f", [s / 32768 for s in samples])
    for name, sound in (("array", floats), ("list", list(floats)), ("(samples, rate)", (floats, 16000)),
                        ("a data set's", {"array": floats, "sampling_rate": 16000}), ("its bytes", {"bytes": data})):
        equal("samples: %s" % name, ask([sound] if name != "list" else sound), want)
    heard = [pipe(token, audio=(floats, rate), max_new_tokens=1, return_tensors=True)[0]["generated_token_ids"] for rate in
             (16000, 32000)]
    check("a rate of its own is heard", list(heard[0]) != list(heard[1]), heard)
    rng = random.Random(2)
    broken = [data[:n] for n in (0, 1, 11, 40, 44, 50)] + [bytes([b ^ (rng.random() < 0.02) * 255 for b in data[:2000]])
                                                           for _ in range(20)]
    odd = list(ODD) + broken + [SOURCE, "/dev/zero\0", "data:audio/wav;base64,", "data:,x", "https://localhost/a.wav", (floats, 0),
                                (floats, -1), (floats, "16000"), (floats, 2**40), array("h", [1, 2]), memoryview(b"abcd"),
                                [float("nan")] * 100, [float("inf")] * 100, {"array": None}, {"array": floats, "sampling_rate": None}]
    survives("%d odd sounds" % len(odd), [lambda x=x: ask([x]) for x in odd], lambda: ask(SOUND))
    raises("too few sounds", ValueError, lambda: pipe(token + token, audio=SOUND), "found 2 places, 1 sounds")
    raises("no sound", ValueError, lambda: pipe(token), "found 1 places, 0 sounds")
    raises("a URL", ValueError, lambda: ask("http://localhost/a.wav"), "allow_remote")
    deaf = whinchat.pipeline("any-to-any", os.path.join(SOURCE, "models", "gemma-3n-mini-it"))
    raises("a model without ears", ValueError, lambda: deaf([{"role": "user", "content": [{"type": "audio", "path": SOUND}]}]),
           "takes no sound")
    raises("both ways", ValueError, lambda: deaf("hello", do_pan_and_scan=True, images_kwargs={"do_pan_and_scan": False}), "twice")
    raises("no pieces there", ValueError, lambda: deaf(deaf.image_token, images=os.path.join(SOURCE, "examples", "guitarist.png"),
                                                       do_pan_and_scan=True), "pan_and_scan")
    equal("stream", "".join(deaf.stream([{"role": "user", "content": "What model are you?"}], max_new_tokens=3)), "I am a")


sys.exit(run_groups(globals(), sys.argv[2:]))
