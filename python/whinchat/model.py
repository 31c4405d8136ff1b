"""A model and what can be asked of it: the parts beneath the pipelines."""
import json
import os
import queue
import threading
import weakref
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple, Union

from . import _native
from ._native import ffi, lib
from .errors import ClosedError, ForkError, InputError
from .options import Answer, Check, Prompt, Sampling, c_options, in_range
from .sessions import PromptFn, Run, TokenFn, c_ids, interruptible


def _free(owner: int, pointer: Any) -> None:
    if os.getpid() == owner:  # a forked child has the memory but not the threads
        lib.wc_model_free(pointer)


class Model:
    """A model, read-only and shared by any number of threads; every call makes a session of its own.

    name: a folder, a name in the Hugging Face cache ("owner/name", "owner/name@revision"), or a shipped one.
    threads: 0 for the physical cores.  f32: activations in float32 everywhere, slower and as verify computes.
    slice: a MatFormer slice ("E2B").  tokenizer: a folder whose tokenizer files are used in place of the model's own.
    tokenizer_only: opens tokenizer and template; a folder without weights will do.  mmproj: the GGUF file of a GGUF
    model's pictures; None for the one *mmproj*.gguf that lies beside the model's.
    """

    def __init__(self, name: Union[str, "os.PathLike[str]"], *, threads: int = 0, f32: bool = False,
                 slice: Optional[str] = None, tokenizer: Union[str, "os.PathLike[str]", None] = None,
                 tokenizer_only: bool = False, mmproj: Union[str, "os.PathLike[str]", None] = None) -> None:
        self._closed, self._running, self._lock = False, 0, threading.Lock()
        self._mine = threading.local()  # n: how many calls of this thread run; they may go on when the model is closed
        self._pid, self.f32 = os.getpid(), bool(f32)
        options = ffi.new("wc_model_options *", {"size": ffi.sizeof("wc_model_options")})
        options.n_threads = in_range("threads", threads, int, 0, 2**31 - 1)
        options.compute = lib.WC_COMPUTE_F32 if f32 else lib.WC_COMPUTE_AUTO
        options.tokenizer_only = bool(tokenizer_only)
        c_slice = ffi.new("char[]", _native.c_text(slice, "slice")) if slice is not None else ffi.NULL
        options.slice = c_slice
        c_tokenizer = ffi.NULL if tokenizer is None else ffi.new("char[]", _native.path_bytes(tokenizer, "tokenizer"))
        options.tokenizer = c_tokenizer
        c_mmproj = ffi.NULL if mmproj is None else ffi.new("char[]", _native.path_bytes(mmproj, "mmproj"))
        options.mmproj = c_mmproj
        self._name, self._options = _native.path_bytes(name, "model"), options
        self._keep = (c_slice, c_tokenizer, c_mmproj)
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
        mine = getattr(self._mine, "n", 0)
        with self._lock:
            if self._closed and not mine:
                raise ClosedError("the model is closed; open it again")
            self._running += 1
        self._mine.n = mine + 1

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
            self.model._mine.n -= 1
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
        """As it was opened: a folder or a name."""
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
        array, n, err = c_ids(ids), ffi.new("size_t *"), _native.new_error()
        with self._use() as c:
            text = lib.wc_detokenize(c, array, len(ids), skip_special_tokens, n, err)
            if text == ffi.NULL:
                raise _native.exception(err)
        try:
            return bytes(ffi.buffer(text, n[0])).decode("utf-8", "replace")
        finally:
            lib.wc_free(text)

    def find_token(self, token: str) -> Optional[int]:
        """The id of a token as the vocabulary spells it ("##ing"); None when there is none."""
        data = _native.utf8(token, "token")
        with self._use() as c:
            id = lib.wc_token_id(c, data, len(data))
        return None if id < 0 else int(id)

    # ---- answers ----

    def generate(self, prompts: Sequence[Prompt], sampling: Optional[Sampling] = None, *,
                 on_token: Optional[TokenFn] = None, on_prompt: Optional[PromptFn] = None,
                 allow_remote: bool = False, timeout: Optional[float] = None) -> List[Answer]:
        """The answers to prompts, computed together, each as it would be alone; a list as long as prompts.

        on_token(prompt's index, id or -1, new text, last) is called for every token; False ends that answer.
        on_prompt(prompt's index, ids) is called before, with the prompt's ids [n] as the model sees them.
        """
        how = sampling or Sampling()
        options, keep = c_options(how)
        with self._use() as c:
            run = Run(c, prompts, allow_remote, timeout)
            try:
                interruptible(lambda: run.go(how, options, on_token, on_prompt), run.cancel)
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
        sampling = Sampling(max_new_tokens=1, do_sample=False)
        options, _ = c_options(sampling)
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
        self._mine.n -= 1  # what is held outlives this call, perhaps in another thread
        try:
            run = Run(self._c, [p], False, None)
        except BaseException:
            self._leave()
            raise
        held = _HeldSession(self, run)
        callback = ffi.callback("wc_observer_fn", observe)
        if point:
            lib.wc_session_observe(run.sessions[0], callback, ffi.NULL)
        interruptible(lambda: run.go(sampling, options), run.cancel)
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


def _floats(pointer: Any, n: int, owner: Any) -> Any:
    """float32 [n] at pointer without a copy, alive as long as it is used."""
    buffer = ffi.buffer(ffi.gc(ffi.cast("float *", pointer), lambda _: owner and None), 4 * n)
    try:
        import numpy
    except ImportError:
        return memoryview(buffer).cast("B").cast("f")
    return numpy.frombuffer(buffer, dtype=numpy.float32)


class _HeldSession:
    """A session that lives as long as an array looks at its logits."""

    def __init__(self, model: Model, run: Run) -> None:
        self._model, self._run = model, run
        self._finalizer = weakref.finalize(self, _HeldSession._release, model, run, os.getpid())

    @staticmethod
    def _release(model: Model, run: Run, owner: int) -> None:
        if os.getpid() == owner:
            run.close()
            model._leave()

    def logits(self) -> Any:
        n = ffi.new("size_t *")
        pointer = lib.wc_session_logits(self._run.sessions[0], n)
        if pointer == ffi.NULL:
            raise InputError("logits: no row was computed")
        return _floats(pointer, n[0], self)
