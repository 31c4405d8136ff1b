"""A model and what can be asked of it: the parts beneath the pipelines."""
import json
import os
import queue
import threading
import weakref
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple, Union

from . import _native, images as pictures
from ._native import ffi, lib
from .errors import CancelledError, ClosedError, ForkError, InputError

Chat = List[Dict[str, Any]]
FINISH = {lib.WC_FINISH_NONE: "none", lib.WC_FINISH_STOP: "stop", lib.WC_FINISH_LENGTH: "length",
          lib.WC_FINISH_CANCELLED: "cancelled"}


@dataclass
class Prompt:
    """What a session is asked: exactly one of chat (a request as whinchat.h describes it), text and ids."""

    chat: Optional[Dict[str, Any]] = None
    text: Optional[str] = None
    ids: Optional[Sequence[int]] = None
    images: List[Any] = field(default_factory=list)


@dataclass
class Sampling:
    """How an answer is made; None leaves it to the model's generation_config.json.

    max_new_tokens: tokens; -1 until the context is full.  temperature: > 0.  top_k: tokens kept, 0 keeps all.
    seed: 0 or None draws one.  stop: strings that end the answer.
    """

    max_new_tokens: Optional[int] = None
    do_sample: Optional[bool] = None
    temperature: Optional[float] = None
    top_k: Optional[int] = None
    top_p: Optional[float] = None
    min_p: Optional[float] = None
    typical_p: Optional[float] = None
    repetition_penalty: Optional[float] = None
    seed: Optional[int] = None
    stop: Sequence[str] = ()


@dataclass
class Answer:
    """One answer.  ids: [n] tokens, the end token included; text: without special tokens and stop strings."""

    text: str
    ids: List[int]
    prompt_ids: List[int]
    finish_reason: str  # "stop", "length" or "cancelled"
    seed: int
    prefill_seconds: float
    decode_seconds: float


@dataclass
class Check:
    """One line of a verification: a golden tensor or a check of our own."""

    name: str
    passed: bool
    max_diff: float  # largest |got - want|
    atol: float
    rtol: float
    note: str


def _range(name: str, value: Any, kind: type, low: float, high: float) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float) if kind is float else int):
        raise TypeError("%s: expected %s, found %s" % (name, kind.__name__, type(value).__name__))
    if not low <= value <= high:
        raise InputError("%s: expected %g to %g, found %r" % (name, low, high, value))
    return value


def _c_options(s: Sampling) -> Tuple[Any, List[Any]]:
    """wc_generate_options and what must stay alive with it.  Zero means "as the model says" in C, so a zero that the
    caller wrote is translated here."""
    o = ffi.new("wc_generate_options *", {"size": ffi.sizeof("wc_generate_options"), "n_logprobs": -1})
    keep: List[Any] = []
    if s.max_new_tokens is not None:
        o.max_new_tokens = _range("max_new_tokens", s.max_new_tokens, int, -1, 2**31 - 1)
        if o.max_new_tokens == 0:
            raise InputError("max_new_tokens: expected at least 1, found 0")
    if s.do_sample is not None:
        o.sampling = 2 if s.do_sample else 1
    if s.temperature is not None:
        _range("temperature", s.temperature, float, 0, 1e6)
        if s.temperature < 1e-6 and s.do_sample is not False:
            raise InputError("`temperature` (=%r) has to be a strictly positive float, otherwise your next token scores "
                             "will be invalid. If you're looking for greedy decoding strategies, set `do_sample=False`."
                             % s.temperature)
        o.temperature = s.temperature
    if s.top_k is not None:
        o.top_k = _range("top_k", s.top_k, int, 0, 2**31 - 1) or -1
    if s.top_p is not None:
        o.top_p = _range("top_p", s.top_p, float, 1e-9, 1)
    if s.min_p is not None:
        o.min_p = _range("min_p", s.min_p, float, 0, 1) or -1
    if s.typical_p is not None:
        o.typical_p = _range("typical_p", s.typical_p, float, 1e-9, 1)
    if s.repetition_penalty is not None:
        o.repetition_penalty = _range("repetition_penalty", s.repetition_penalty, float, 1e-9, 1e9)
    if s.seed is not None:
        o.seed = _range("seed", s.seed, int, 0, 2**64 - 1)
    if s.stop:
        strings = [ffi.new("char[]", _native.c_text(t, "stop string")) for t in s.stop]
        if any(len(t) == 0 for t in s.stop):
            raise InputError("stop: expected strings that are not empty")
        array = ffi.new("char *[]", strings)
        keep += strings + [array]
        o.stop, o.n_stop = ffi.cast("const char *const *", array), len(strings)
    return o, keep


def _interruptible(work: Callable[[], None], cancel: Callable[[], None]) -> None:
    """Runs work in a thread of its own when this is the main thread, so that Ctrl-C is heard at once; cancel stops it."""
    if threading.current_thread() is not threading.main_thread():
        work()
        return
    failure: List[BaseException] = []
    over = threading.Event()

    def run() -> None:
        try:
            work()
        except BaseException as e:  # handed to the waiting thread
            failure.append(e)
        finally:
            over.set()

    thread = threading.Thread(target=run, name="whinchat", daemon=True)
    thread.start()
    try:
        over.wait()
    except BaseException:
        while not over.is_set():  # again and again: the work may not have begun when it is cancelled first
            cancel()
            over.wait(0.01)
        raise
    if failure:
        raise failure[0]


def _free(owner: int, pointer: Any) -> None:
    if os.getpid() == owner:  # a forked child has the memory but not the threads
        lib.wc_model_free(pointer)


class Model:
    """A model, read-only and shared by any number of threads; every call makes a session of its own.

    name: a folder, a name in the Hugging Face cache ("owner/name", "owner/name@revision"), or a shipped one.
    threads: 0 for the physical cores.  f32: activations in float32 everywhere, slower and as verify computes.
    tokenizer_only: opens tokenizer and template; a folder without weights will do.
    """

    def __init__(self, name: Union[str, "os.PathLike[str]"], *, threads: int = 0, f32: bool = False,
                 slice: Optional[str] = None, tokenizer_only: bool = False) -> None:
        self._closed, self._running, self._lock = False, 0, threading.Lock()
        self._pid = os.getpid()
        options = ffi.new("wc_model_options *", {"size": ffi.sizeof("wc_model_options")})
        options.n_threads = _range("threads", threads, int, 0, 2**31 - 1)
        options.compute = lib.WC_COMPUTE_F32 if f32 else lib.WC_COMPUTE_AUTO
        options.tokenizer_only = bool(tokenizer_only)
        c_slice = ffi.new("char[]", _native.c_text(slice, "slice")) if slice is not None else ffi.NULL
        options.slice = c_slice
        self._name, self._options, self._keep = _native.path_bytes(name, "model"), options, c_slice
        err = _native.new_error()
        self._c = lib.wc_model_open(self._name, options, err)
        if self._c == ffi.NULL:
            raise _native.exception(err, loading=True)
        self._finalizer = weakref.finalize(self, _free, self._pid, self._c)
        self._info: Dict[str, Any] = json.loads(ffi.string(lib.wc_model_info(self._c)).decode())

    # ---- life ----

    def close(self) -> None:
        """Gives the model back, once the calls that run are over.  A call after this raises ClosedError."""
        with self._lock:
            self._closed = True
            if self._running == 0:
                self._finalizer()

    def __enter__(self) -> "Model":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def _enter(self) -> None:
        if os.getpid() != self._pid:
            raise ForkError("the model was loaded in process %d and this is its fork %d: load it after the fork"
                            % (self._pid, os.getpid()))
        with self._lock:
            if self._closed:
                raise ClosedError("the model is closed; open it again")
            self._running += 1

    def _leave(self) -> None:
        with self._lock:
            self._running -= 1
            if self._closed and self._running == 0:
                self._finalizer()

    class _Use:
        def __init__(self, model: "Model") -> None:
            self.model = model

        def __enter__(self) -> Any:
            self.model._enter()
            return self.model._c

        def __exit__(self, *_: Any) -> None:
            self.model._leave()

    def _use(self) -> "Model._Use":
        """with self._use() as c: the C handle, which stays open until the block's end."""
        return Model._Use(self)

    @property
    def info(self) -> Dict[str, Any]:
        """Name, path, architecture, parameters (a count), context_length (tokens), modalities and more."""
        return self._info

    @property
    def name(self) -> str:
        return str(self._info.get("name", ""))

    def __repr__(self) -> str:
        return "whinchat.Model(%r)" % os.fsdecode(self._name)

    # ---- text ----

    def tokenize(self, text: str, add_special_tokens: bool = True) -> List[int]:
        """Token ids of text, [n]."""
        data = _native.utf8(text, "text")
        ids, n, err = ffi.new("int32_t **"), ffi.new("size_t *"), _native.new_error()
        with self._use() as c:
            if not lib.wc_tokenize(c, data, len(data), add_special_tokens, ids, n, err):
                raise _native.exception(err)
        try:
            return list(ffi.unpack(ids[0], n[0])) if n[0] else []
        finally:
            lib.wc_free(ids[0])

    def detokenize(self, ids: Sequence[int], skip_special_tokens: bool = False) -> str:
        """Text of ids, [n]; ids that the tokenizer does not have give nothing."""
        c_ids, n, err = _c_ids(ids), ffi.new("size_t *"), _native.new_error()
        with self._use() as c:
            text = lib.wc_detokenize(c, c_ids, len(ids), skip_special_tokens, n, err)
            if text == ffi.NULL:
                raise _native.exception(err)
        try:
            return bytes(ffi.buffer(text, n[0])).decode("utf-8", "replace")
        finally:
            lib.wc_free(text)

    # ---- answers ----

    def generate(self, prompts: Sequence[Prompt], sampling: Optional[Sampling] = None, *,
                 on_token: Optional[Callable[[int, int, str, bool], bool]] = None,
                 allow_remote: bool = False, timeout: Optional[float] = None) -> List[Answer]:
        """The answers to prompts, computed together, each as it would be alone; a list as long as prompts.

        on_token(prompt's index, id or -1, new text, last) is called for every token; False ends that answer.
        """
        options, keep = _c_options(sampling or Sampling())
        with self._use() as c:
            run = _Run(c, prompts, allow_remote, timeout)
            try:
                _interruptible(lambda: run.go(options, on_token), run.cancel)
                return run.answers()
            finally:
                run.close()
                del keep

    def stream(self, prompt: Prompt, sampling: Optional[Sampling] = None, *, allow_remote: bool = False,
               timeout: Optional[float] = None) -> Iterator[str]:
        """Pieces of one answer's text, whole characters, while it is made.  Closing the iterator stops the work."""
        pieces: "queue.Queue[Union[str, BaseException, None]]" = queue.Queue()
        stopped = threading.Event()

        def on_token(index: int, id: int, text: str, last: bool) -> bool:
            if text:
                pieces.put(text)
            return not stopped.is_set()

        def work() -> None:
            try:
                self.generate([prompt], sampling, on_token=on_token, allow_remote=allow_remote, timeout=timeout)
                pieces.put(None)
            except BaseException as e:  # raised where the pieces are read
                pieces.put(e)

        thread = threading.Thread(target=work, name="whinchat-stream", daemon=True)
        thread.start()
        try:
            while True:
                piece = pieces.get()
                if piece is None:
                    return
                if isinstance(piece, BaseException):
                    raise piece
                yield piece
        finally:
            stopped.set()
            thread.join()

    def logits(self, prompt: Union[str, Prompt]) -> Any:
        """Logits of the token after the prompt, float32 [vocab_size].

        A numpy array on the C library's memory where numpy is present, else a memoryview of floats; no copy either way.
        """
        _, held = self._last_row(prompt, "")
        return held.logits()

    def embed(self, prompt: Union[str, Prompt]) -> Any:
        """The last token's final hidden state (after the last norm), float32 [hidden_size]; see logits for the type.

        This is last-token pooling of a decoder; models made for embeddings are not supported yet.
        """
        row, _ = self._last_row(prompt, "final_norm")
        if row is None:
            raise InputError("%s: this model shows no final_norm" % self.name)
        return _floats(ffi.from_buffer("float[]", row), len(row) // 4, row)

    def _last_row(self, prompt: Union[str, Prompt], point: str) -> Tuple[Optional[bytearray], "_HeldSession"]:
        p = Prompt(text=prompt) if isinstance(prompt, str) else prompt
        options, _ = _c_options(Sampling(max_new_tokens=1, do_sample=False))
        seen: List[bytearray] = []

        def observe(user: Any, name: Any, view: Any) -> None:
            if ffi.string(name).decode() == point and view.dtype == 0 and view.ndim >= 1:
                n, row = view.shape[view.ndim - 1], 0
                for k in range(view.ndim - 1):
                    row += (view.shape[k] - 1) * view.stride[k]
                floats = ffi.cast("const float *", view.data) + row
                step = view.stride[view.ndim - 1]
                packed = floats[0:n] if step == 1 else ffi.new("float[]", [floats[i * step] for i in range(n)])
                seen[:] = [bytearray(ffi.buffer(packed, 4 * n))]

        self._enter()
        try:
            run = _Run(self._c, [p], False, None)
        except BaseException:
            self._leave()
            raise
        held = _HeldSession(self, run)
        callback = ffi.callback("wc_observer_fn", observe)
        if point:
            lib.wc_session_observe(run.sessions[0], callback, ffi.NULL)
        _interruptible(lambda: run.go(options, None), run.cancel)
        lib.wc_session_observe(run.sessions[0], ffi.NULL, ffi.NULL)
        return (seen[0] if seen else None), held

    def verify(self, golden: Optional[str] = None, only: Optional[str] = None) -> List[Check]:
        """Holds the model against recorded values of the reference, layer by layer.

        golden: a folder with golden.json and golden.safetensors, the model's own when None; only: comma-separated
        prefixes of names.
        """
        options = ffi.new("wc_verify_options *", {"size": ffi.sizeof("wc_verify_options")})
        texts = {k: ffi.new("char[]", _native.c_text(v, k)) for k, v in (("golden", golden), ("only", only))
                 if v is not None}
        for key, value in texts.items():
            setattr(options, key, value)
        checks: List[Check] = []

        def on_check(user: Any, c: Any) -> None:
            checks.append(Check(ffi.string(c.name).decode(), bool(getattr(c, "pass")),
                                c.max_diff, c.atol, c.rtol, ffi.string(c.note).decode("utf-8", "replace")))

        callback, err = ffi.callback("wc_check_fn", on_check), _native.new_error()
        n = ffi.new("size_t[2]")
        with self._use():
            if not lib.wc_verify(self._name, self._options, options, callback, ffi.NULL, n, n + 1, err):
                raise _native.exception(err)
        return checks


def _c_ids(ids: Sequence[int]) -> Any:
    try:
        return ffi.new("int32_t[]", [int(i) for i in ids] or [0])
    except (OverflowError, ValueError, TypeError) as e:
        raise InputError("ids: expected a list of token ids: %s" % e) from None


def _floats(pointer: Any, n: int, owner: Any) -> Any:
    """float32 [n] at pointer without a copy, alive as long as it is used."""
    buffer = ffi.buffer(ffi.gc(ffi.cast("float *", pointer), lambda _: owner and None), 4 * n)
    try:
        import numpy
    except ImportError:
        return memoryview(buffer).cast("B").cast("f")
    return numpy.frombuffer(buffer, dtype=numpy.float32)


class _Run:
    """The sessions of one call."""

    def __init__(self, c_model: Any, prompts: Sequence[Prompt], allow_remote: bool, timeout: Optional[float]) -> None:
        self.prompts, self.allow_remote, self.timeout = list(prompts), allow_remote, timeout
        self.sessions: List[Any] = []
        self.stopped = False
        err = _native.new_error()
        for _ in self.prompts:
            session = lib.wc_session_new(c_model, ffi.NULL, err)
            if session == ffi.NULL:
                self.close()
                raise _native.exception(err)
            self.sessions.append(session)

    def cancel(self) -> None:
        self.stopped = True
        for session in self.sessions:
            lib.wc_session_cancel(session)

    def _ask(self, session: Any, prompt: Prompt) -> None:
        media, keep = pictures.media_array(prompt.images, self.allow_remote, self.timeout)
        p = ffi.new("wc_prompt *", {"size": ffi.sizeof("wc_prompt"), "media": media, "n_media": len(prompt.images)})
        if prompt.chat is not None:
            keep.append(ffi.new("char[]", to_json(prompt.chat)))
            p.chat = keep[-1]
        elif prompt.text is not None:
            keep.append(ffi.new("char[]", _native.c_text(prompt.text, "text")))
            p.text = keep[-1]
        elif prompt.ids is not None:
            keep.append(_c_ids(prompt.ids))
            p.ids, p.n_ids = keep[-1], len(prompt.ids)
        err = _native.new_error()
        if not lib.wc_session_prompt(session, p, err):
            raise _native.exception(err)

    def go(self, options: Any, on_token: Optional[Callable[[int, int, str, bool], bool]]) -> None:
        for session, prompt in zip(self.sessions, self.prompts):
            self._ask(session, prompt)
            if self.stopped:
                raise CancelledError("cancelled")
        failure: List[BaseException] = []

        def event(user: Any, e: Any) -> bool:
            text = bytes(ffi.buffer(e.text, e.n_bytes)).decode("utf-8", "replace") if e.n_bytes else ""
            return not failure and on_token is not None and on_token(e.session, e.id, text, e.last) is not False

        def on_error(kind: Any, error: Any, trace: Any) -> None:
            failure.append(error)

        callback = ffi.callback("wc_event_fn", event, error=False, onerror=on_error) if on_token else ffi.NULL
        err = _native.new_error()
        ok = lib.wc_generate(ffi.new("wc_session *[]", self.sessions), len(self.sessions), options, callback, ffi.NULL,
                             err)
        if failure:
            raise failure[0]
        if not ok:
            raise _native.exception(err)

    def answers(self) -> List[Answer]:
        out = []
        for session in self.sessions:
            r = ffi.new("wc_result *", {"size": ffi.sizeof("wc_result")})
            lib.wc_session_result(session, r)
            out.append(Answer(ffi.string(lib.wc_session_text(session)).decode("utf-8", "replace"),
                              list(ffi.unpack(r.ids, r.n_ids)) if r.n_ids else [],
                              list(ffi.unpack(r.prompt_ids, r.n_prompt)), FINISH[r.finish], r.seed,
                              r.prefill_seconds, r.decode_seconds))
        return out

    def close(self) -> None:
        while self.sessions:
            lib.wc_session_free(self.sessions.pop())


class _HeldSession:
    """A session that lives as long as an array looks at its logits."""

    def __init__(self, model: Model, run: _Run) -> None:
        self._model, self._run = model, run
        self._finalizer = weakref.finalize(self, _HeldSession._release, model, run, os.getpid())

    @staticmethod
    def _release(model: Model, run: _Run, owner: int) -> None:
        if os.getpid() == owner:
            run.close()
            model._leave()

    def logits(self) -> Any:
        n = ffi.new("size_t *")
        pointer = lib.wc_session_logits(self._run.sessions[0], n)
        if pointer == ffi.NULL:
            raise InputError("logits: no row was computed")
        return _floats(pointer, n[0], self)


def to_json(value: Any) -> bytes:
    """A request for the C side; what JSON cannot hold is refused by name."""
    try:
        return json.dumps(value, allow_nan=False).encode("ascii")
    except (TypeError, ValueError, RecursionError) as e:
        raise InputError("chat: expected what JSON can hold: %s" % e) from None
