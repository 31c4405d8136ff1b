"""The sessions of one call: prompts go in, tokens come out, and Ctrl-C is heard meanwhile."""
import json
import threading
from typing import Any, Callable, Dict, List, Optional, Sequence

from . import _native, images as pictures, sounds as audio
from ._native import ffi, lib
from .errors import CancelledError, InputError
from .options import FINISH, Answer, Prompt, Sampling

TokenFn = Callable[[int, int, str, bool], Any]
PromptFn = Callable[[int, List[int]], None]


def to_json(value: Any) -> bytes:
    """A request for the C side; what JSON cannot hold is refused by name."""
    try:
        return json.dumps(value, allow_nan=False).encode("ascii")
    except (TypeError, ValueError, RecursionError) as e:
        raise InputError("chat: expected what JSON can hold: %s" % e) from None


def c_ids(ids: Sequence[int]) -> Any:
    """int32_t[max(1, n)] of ids."""
    try:
        return ffi.new("int32_t[]", [int(i) for i in ids] or [0])
    except (OverflowError, ValueError, TypeError) as e:
        raise InputError("ids: expected a list of token ids: %s" % e) from None


def interruptible(work: Callable[[], None], cancel: Callable[[], None]) -> None:
    """Runs work in a thread of its own when this is the main thread, so that Ctrl-C is heard at once; cancel stops it."""
    if threading.current_thread() is not threading.main_thread():
        work()
        return
    failure: List[BaseException] = []
    over, claim = threading.Event(), threading.Lock()  # who takes the claim decides whether the work is done

    def run() -> None:
        try:
            if claim.acquire(blocking=False):
                work()
        except BaseException as e:  # handed to the waiting thread
            failure.append(e)
        finally:
            over.set()

    try:
        try:
            threading.Thread(target=run, name="whinchat", daemon=True).start()
        except RuntimeError:  # no thread is to be had, as in an isolated interpreter: Ctrl-C is heard afterwards
            run()
        over.wait()
    except BaseException:  # also on the way to the thread, which may have begun, or begin later
        if not claim.acquire(blocking=False):
            while not over.is_set():  # again and again: the work may not have begun when it is cancelled first
                try:
                    cancel()
                    over.wait(0.01)
                except KeyboardInterrupt:  # heard already
                    pass
        raise
    if failure:
        raise failure[0]


class Run:
    """The sessions of one call, one for each prompt; close gives them back."""

    def __init__(self, c_model: Any, prompts: Sequence[Prompt], allow_remote: bool, timeout: Optional[float]) -> None:
        self.prompts, self.allow_remote, self.timeout = list(prompts), allow_remote, timeout
        self.sessions: List[Any] = []
        self._ended: Dict[int, str] = {}  # prompt's index: why its answer was ended here
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
        heard, more = audio.sound_array(prompt.sounds, self.allow_remote, self.timeout)
        keep += more
        p = ffi.new("wc_prompt *", {"size": ffi.sizeof("wc_prompt"), "media": media, "n_media": len(prompt.images),
                                    "sounds": heard, "n_sounds": len(prompt.sounds)})
        if prompt.pan_and_scan is not None:
            p.pan_and_scan = 1 if prompt.pan_and_scan else -1
        if prompt.chat is not None:
            keep.append(ffi.new("char[]", to_json(prompt.chat)))
            p.chat = keep[-1]
        elif prompt.text is not None:
            keep.append(ffi.new("char[]", _native.c_text(prompt.text, "text")))
            p.text = keep[-1]
        elif prompt.ids is not None:
            keep.append(c_ids(prompt.ids))
            p.ids, p.n_ids = keep[-1], len(prompt.ids)
        err = _native.new_error()
        if not lib.wc_session_prompt(session, p, err):
            raise _native.exception(err)

    def _watch(self, sampling: Sampling, on_token: Optional[TokenFn]) -> Optional[TokenFn]:
        """on_token that also ends answers at eos_token_id and max_length, which C knows nothing of."""
        ends = None if sampling.eos_token_id is None else set(sampling.eos_token_id)
        left = [2**31 if sampling.max_length is None else sampling.max_length - self.result(i).n_prompt
                for i in range(len(self.sessions))]
        if min(left, default=1) < 1:
            i = next(k for k, n in enumerate(left) if n < 1)
            raise InputError("Input length of input_ids is %d, but `max_length` is set to %d. This can lead to unexpected "
                             "behavior. You should consider increasing `max_length` or, better yet, setting "
                             "`max_new_tokens`." % (self.result(i).n_prompt, sampling.max_length or 0))
        if ends is None and sampling.max_length is None:
            return on_token

        def watched(index: int, id: int, text: str, last: bool) -> bool:
            go_on = on_token is None or on_token(index, id, text, last) is not False
            left[index] -= id >= 0
            if ends is not None and id in ends:
                self._ended[index] = "stop"
            elif left[index] == 0:
                self._ended[index] = "length"
            return go_on and index not in self._ended
        return watched

    def go(self, sampling: Sampling, options: Any, on_token: Optional[TokenFn] = None,
           on_prompt: Optional[PromptFn] = None) -> None:
        """Asks all and computes the answers; options: the C struct of sampling."""
        for i, (session, prompt) in enumerate(zip(self.sessions, self.prompts)):
            self._ask(session, prompt)
            if self.stopped:
                raise CancelledError("cancelled")
            if on_prompt is not None:
                on_prompt(i, self.prompt_ids(i))
        on_token = self._watch(sampling, on_token)
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

    def result(self, i: int) -> Any:
        """The wc_result of prompt i."""
        r = ffi.new("wc_result *", {"size": ffi.sizeof("wc_result")})
        lib.wc_session_result(self.sessions[i], r)
        return r

    def prompt_ids(self, i: int) -> List[int]:
        """The prompt's ids [n] with every place of a picture."""
        r = self.result(i)
        return list(ffi.unpack(r.prompt_ids, r.n_prompt)) if r.n_prompt else []

    def answers(self) -> List[Answer]:
        out = []
        for i, session in enumerate(self.sessions):
            r = self.result(i)
            out.append(Answer(ffi.string(lib.wc_session_text(session)).decode("utf-8", "replace"),
                              list(ffi.unpack(r.ids, r.n_ids)) if r.n_ids else [], self.prompt_ids(i),
                              self._ended.get(i, FINISH[r.finish]), r.seed, r.prefill_seconds, r.decode_seconds))
        return out

    def close(self) -> None:
        while self.sessions:
            lib.wc_session_free(self.sessions.pop())
