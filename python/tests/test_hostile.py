#!/usr/bin/env python3
"""What nobody should pass, and what should not happen to a process: test_hostile.py SOURCE [NAME]..., with
PYTHONPATH and WHINCHAT_LIBRARY set; NAME chooses groups.

Whatever goes in, out comes an answer or one of the exceptions that are documented, and the library answers the next call.
Where hypothesis is installed it chooses the arguments.  The last line is 'N passed, N failed'.
"""
import json
import os
import random
import shutil
import sys
import tempfile
import threading
import warnings

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests"))
from tally import check, raises, run_groups  # noqa: E402

SOURCE = os.path.abspath(sys.argv[1])
MODEL = os.path.join(SOURCE, "models", "gemma-3n-mini-it")
PICTURE = os.path.join(SOURCE, "examples", "guitarist.png")
EXAMPLES = int(os.environ.get("WHINCHAT_TEST_EXAMPLES", "150"))
warnings.simplefilter("ignore")

import whinchat  # noqa: E402
from whinchat.calls import IMAGE_WORDS, TEXT_WORDS  # noqa: E402

EXPECTED = (whinchat.WhinchatError, TypeError, ValueError, KeyError, IndexError)


def answers(text):
    return text("hello", max_new_tokens=3)[0]["generated_text"].startswith("hello")


# ---- pictures ----

def group_pictures():
    data = open(PICTURE, "rb").read()
    ask = lambda image: pipe(text=[{"role": "user", "content": [{"type": "image", "image": image}]}],  # noqa: E731
                             max_new_tokens=1)
    huge = data[:16] + b"\x7f\xff\xff\xff\x7f\xff\xff\xff" + data[24:]
    rng = random.Random(1)
    for name, image in (("no bytes", b""), ("a truncated picture", data[:1000]), ("a picture of 2 billion rows", huge),
                        ("text", b"GIF89a, or so it says"), ("a folder", SOURCE), ("a device", "/dev/zero\0"),
                        ("a name with NUL", "a\0b"), ("a surrogate", "\udc80"), ("base64 of text", "aGVsbG8="),
                        ("a data URL without data", "data:image/png;base64,"), ("a data URL of another kind", "data:,x"),
                        ("a file URL", "file:///etc/hostname"), ("an array of floats", memoryview(b"12345678").cast("d")),
                        ("a flat array", memoryview(b"123456")), ("an array without rows", memoryview(b"")),
                        ("bytes at random", bytes(rng.randrange(256) for _ in range(999))), ("a list", [PICTURE, None]),
                        ("an object", object())):
        raises("picture: %s" % name, (TypeError, ValueError), lambda: ask(image))
    broken = 0
    for _ in range(60):  # flipped bits: a picture still, or a line that says why not
        bad = bytearray(data)
        for _ in range(rng.randrange(1, 20)):
            bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
        try:
            ask(bytes(bad))
        except EXPECTED:
            broken += 1
    check("pictures with flipped bits: %d of 60 refused" % broken, broken > 0)


# ---- life ----

def group_life():
    def failing():
        yield "hello"
        raise KeyError("from the generator")
    results = text(failing(), max_new_tokens=2)
    check("a generator is asked one by one", len(next(results)) == 1)
    raises("a generator that fails", KeyError, lambda: next(results), "from the generator")
    raises("a generator of wrong things", TypeError, lambda: list(text(iter([3]))))
    closed = whinchat.pipeline("text-generation", MODEL)
    held = closed.model.logits("hello")
    tokenizer, lazy = closed.tokenizer, closed(iter(["a"] * 3), max_new_tokens=1)
    closed.close()
    closed.close()
    for name, call in (("pipeline", lambda: closed("hello")), ("tokenizer", lambda: tokenizer.encode("a")),
                       ("generator", lambda: next(lazy)), ("stream", lambda: list(closed.model.stream(whinchat.Prompt(text="a")))),
                       ("embed", lambda: closed.model.embed("a"))):
        raises("closed: %s" % name, whinchat.ClosedError, call, "closed")
    check("logits outlive the model's closing", sum(1 for x in held if x == x) == len(held))
    busy = whinchat.pipeline("text-generation", MODEL)
    done, refused = [], []

    def work():
        try:
            done.append(busy("hello", max_new_tokens=50))
        except whinchat.ClosedError as e:
            refused.append(e)
    threads = [threading.Thread(target=work) for _ in range(4)]
    [t.start() for t in threads]
    busy.model.close()
    [t.join() for t in threads]
    check("calls that run when it is closed end well or say so", all(d[0]["generated_text"] for d in done)
          and len(done) + len(refused) == 4, (done, refused))
    stream = text.stream("hello", max_new_tokens=90)
    next(stream)
    stream.close()
    check("a stream closed early", answers(text))


def group_folder():
    raises("a folder that is not there", OSError, lambda: whinchat.pipeline("text-generation", os.path.join(work, "none")))
    folder = os.path.join(work, "model")
    shutil.copytree(MODEL, folder)
    gone = whinchat.pipeline("text-generation", folder)
    shutil.rmtree(folder)
    check("a folder deleted underneath", answers(gone))
    raises("and opened again", OSError, lambda: whinchat.pipeline("text-generation", folder))
    for name, file, content in (("an empty config", "config.json", b""), ("a config of lists", "config.json", b"[]"),
                                ("weights cut short", "model.safetensors", None), ("a tokenizer of text", "tokenizer.json", b"x")):
        shutil.copytree(MODEL, folder)
        path = os.path.join(folder, file)
        data = open(path, "rb").read()[:5000] if content is None else content
        os.remove(path)
        with open(path, "wb") as f:
            f.write(data)
        raises("a folder with %s" % name, whinchat.BadFileError, lambda: whinchat.pipeline("text-generation", folder)("a"), file)
        shutil.rmtree(folder)


def group_fork():
    child = os.fork()
    if child == 0:  # the parent's model is refused, one of its own answers
        good = False
        try:
            text("hello")
        except whinchat.ForkError:
            good = answers(whinchat.pipeline("text-generation", MODEL))
        finally:
            os._exit(0 if good else 1)
    check("fork after load: the child says so and may open a model of its own", os.waitpid(child, 0)[1] == 0)
    check("the parent goes on", answers(text))


# ---- arguments ----

def survives(call, pipe, text):
    try:
        got = call()
        if hasattr(got, "__next__"):
            got = [next(got)]
        return isinstance(got, list)
    except EXPECTED as e:
        return "\n" not in str(e) or isinstance(e, whinchat.TemplateError)


def group_arguments():
    os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = work
    try:
        from hypothesis import HealthCheck, given, settings, strategies as st
    except ImportError:
        print("not run: arguments chosen by hypothesis, which is not installed")
        return
    scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.binary(max_size=20),
                        st.just(PICTURE), st.just("<image_soft_token>"))
    keys = st.one_of(st.sampled_from(["role", "content", "type", "text", "image", "path", "url", "base64", "images",
                                      "image_url", "tool_calls", "max_new_tokens", "streamer"]), st.text(max_size=5))
    anything = st.recursive(scalars, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=4),
                                                             st.tuples(inner)), max_leaves=8)
    part = st.one_of(st.fixed_dictionaries({"type": st.just("text"), "text": st.one_of(st.text(max_size=20), scalars)}),
                     st.fixed_dictionaries({"type": st.just("image")}, optional={"image": scalars, "path": scalars}), anything)
    message = st.fixed_dictionaries({"role": st.one_of(st.sampled_from(["user", "assistant", "system"]), scalars),
                                     "content": st.one_of(st.text(max_size=20), st.lists(part, max_size=3), anything)})
    prompt = st.one_of(st.text(max_size=30), st.lists(message, min_size=1, max_size=3), anything)
    # numbers that only make a call long are small; what is left out here opens sockets or waits
    small = st.one_of(scalars, st.integers(-2, 4), st.lists(st.integers(-2, 1600), max_size=3), anything)

    def words(names):
        return st.dictionaries(st.sampled_from([n for n in names if n not in ("streamer", "allow_remote", "max_new_tokens",
                                                                               "max_length", "num_return_sequences")]),
                               small, max_size=3)
    common = settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True,
                      suppress_health_check=list(HealthCheck))

    @common
    @given(prompt, words(TEXT_WORDS))
    def texts(x, more):
        more.setdefault("generate_kwargs", {"max_new_tokens": 2})
        assert survives(lambda: text(x, **more), pipe, text)

    @common
    @given(st.one_of(anything, prompt), st.one_of(st.none(), prompt), words(IMAGE_WORDS))
    def images(x, y, more):
        more.setdefault("generate_kwargs", {"max_new_tokens": 2})
        assert survives(lambda: pipe(x, y, **more), pipe, text)

    @common
    @given(st.sampled_from(["text-generation", "image-text-to-text", "x", None]), st.dictionaries(
        st.sampled_from(["dtype", "device", "device_map", "revision", "tokenizer", "threads", "model_kwargs", "batch_size"]),
        small, max_size=2))
    def makes(task, more):
        try:
            whinchat.pipeline(task, MODEL, **more).close()
        except EXPECTED + (RuntimeError,) as e:
            assert "\n" not in str(e)
    for f in (texts, images, makes):
        try:
            f()
            check("hypothesis: %s" % f.__name__, answers(text))
        except BaseException as e:
            import traceback
            check("hypothesis: %s" % f.__name__, False, traceback.format_exc()[-900:] if not isinstance(e, SystemExit) else e)


# ---- interpreters ----

SUB = """
import sys
sys.path[:0] = %r
import whinchat
text = whinchat.pipeline("text-generation", %r)
assert text("hello", max_new_tokens=3)[0]["generated_text"].startswith("hello")
"""


def group_interpreters():
    """Two interpreters of one process; not where Python or cffi refuse a second one themselves."""
    try:
        import _xxsubinterpreters as interpreters
    except ImportError:  # from 3.13 on it has another name
        print("not run: two interpreters' threads: this Python has no _xxsubinterpreters")
        return
    failed = []

    def work():
        other = interpreters.create()
        try:
            interpreters.run_string(other, SUB % (sys.path, MODEL))
        except BaseException as e:
            failed.append(e)
        interpreters.destroy(other)
    thread = threading.Thread(target=work)
    thread.start()
    good = all(answers(text) for _ in range(5))
    thread.join()
    check("two interpreters' threads", good and (not failed or "ImportError" in str(failed[0])), failed)


# ---- sizes ----

def group_sizes():
    raises("a chat too deep", ValueError, lambda: text([{"role": "user", "content": json.loads("[" * 900 + "]" * 900)}]))
    raises("a prompt too long", ValueError, lambda: text("a " * 100000), "2048")
    check("the library answers after all that", answers(text))


pipe = whinchat.pipeline("image-text-to-text", MODEL, dtype="float32")
text = whinchat.pipeline("text-generation", pipe.model, dtype="float32")
work = tempfile.mkdtemp(prefix="whinchat-hostile-")
sys.exit(run_groups(globals(), sys.argv[2:], work))
