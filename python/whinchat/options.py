"""What a model is asked and what comes back, as plain data; and the C structs that they become."""
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Sequence, Tuple

from . import _native
from ._native import ffi, lib
from .errors import InputError

Chat = List[Dict[str, Any]]
FINISH = {lib.WC_FINISH_NONE: "none", lib.WC_FINISH_STOP: "stop", lib.WC_FINISH_LENGTH: "length",
          lib.WC_FINISH_CANCELLED: "cancelled"}


@dataclass
class Prompt:
    """What a session is asked: exactly one of chat (a request as whinchat.h describes it), text and ids.

    ids: token ids [n], a picture's places already expanded.  images: pictures in the order of their places; sounds: likewise.
    pan_and_scan: whether wide and tall pictures are also looked at in pieces; None: as the model's files say.
    """

    chat: Optional[Dict[str, Any]] = None
    text: Optional[str] = None
    ids: Optional[Sequence[int]] = None
    images: List[Any] = field(default_factory=list)
    sounds: List[Any] = field(default_factory=list)
    pan_and_scan: Optional[bool] = None


@dataclass
class Sampling:
    """How an answer is made; None leaves it to the model's generation_config.json.

    max_new_tokens: tokens; -1 until the context is full.  max_length: tokens of prompt and answer together.
    temperature: > 0.  top_k: tokens kept, 0 keeps all.  seed: 0 or None draws one.  stop: strings that end the answer.
    eos_token_id: ids that end the answer in place of the model's own.
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
    max_length: Optional[int] = None
    eos_token_id: Optional[Sequence[int]] = None


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


def in_range(name: str, value: Any, kind: type, low: float, high: float) -> Any:
    """value, when it is a number of this kind from low to high.  TypeError, InputError."""
    if isinstance(value, bool) or not isinstance(value, (int, float) if kind is float else int):
        raise TypeError("%s: expected %s, found %s" % (name, kind.__name__, type(value).__name__))
    if not low <= value <= high:
        raise InputError("%s: expected %g to %g, found %r" % (name, low, high, value))
    return value


def _fill_sampling(o: Any, s: Sampling) -> None:
    """Zero means "as the model says" in C, so a zero that the caller wrote is translated here."""
    if s.do_sample is not None:
        o.sampling = 2 if s.do_sample else 1
    if s.temperature is not None:
        in_range("temperature", s.temperature, float, 0, 1e6)
        if s.temperature < 1e-6 and s.do_sample is not False:
            raise InputError("`temperature` (=%r) has to be a strictly positive float, otherwise your next token scores "
                             "will be invalid. If you're looking for greedy decoding strategies, set `do_sample=False`."
                             % s.temperature)
        o.temperature = s.temperature
    if s.top_k is not None:
        o.top_k = in_range("top_k", s.top_k, int, 0, 2**31 - 1) or -1
    if s.top_p is not None:
        o.top_p = in_range("top_p", s.top_p, float, 1e-9, 1)
    if s.min_p is not None:
        o.min_p = in_range("min_p", s.min_p, float, 0, 1) or -1
    if s.typical_p is not None:
        o.typical_p = in_range("typical_p", s.typical_p, float, 1e-9, 1)
    if s.repetition_penalty is not None:
        o.repetition_penalty = in_range("repetition_penalty", s.repetition_penalty, float, 1e-9, 1e9)
    if s.seed is not None:
        o.seed = in_range("seed", s.seed, int, 0, 2**64 - 1)


def c_options(s: Sampling) -> Tuple[Any, List[Any]]:
    """wc_generate_options and what must stay alive with it.  max_length and eos_token_id are watched by the caller."""
    o = ffi.new("wc_generate_options *", {"size": ffi.sizeof("wc_generate_options"), "n_logprobs": -1})
    keep: List[Any] = []
    if s.max_new_tokens is not None:
        o.max_new_tokens = in_range("max_new_tokens", s.max_new_tokens, int, -1, 2**31 - 1)
        if o.max_new_tokens == 0:
            raise InputError("max_new_tokens: expected at least 1, found 0")
    elif s.max_length is not None:
        o.max_new_tokens = in_range("max_length", s.max_length, int, 1, 2**31 - 1)
    _fill_sampling(o, s)
    o.ignore_eos = s.eos_token_id is not None
    if s.stop:
        if not all(isinstance(t, str) and t for t in s.stop):
            raise InputError("stop: expected strings that are not empty")
        strings = [ffi.new("char[]", _native.c_text(t, "stop string")) for t in s.stop]
        array = ffi.new("char *[]", strings)
        keep += strings + [array]
        o.stop, o.n_stop = ffi.cast("const char *const *", array), len(strings)
    return o, keep
