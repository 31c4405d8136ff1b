"""Encoders beneath the pipelines: the tokens of a text and where they come from, and rows of floats for them."""
import json
import math
import sys
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence, Tuple

from . import _native
from ._native import ffi, lib
from .errors import InputError, UnsupportedError
from .model import Model

Matrix = Any  # float32 [n, width]: a numpy array where numpy is present, else a list of lists


@dataclass
class Tokens:
    """A text, or a pair of texts, as an encoder reads it; lists of one length [n], special tokens included."""

    ids: List[int]
    words: List[str]  # as the vocabulary spells them: "##ing"
    types: List[int]  # 1 in the second text
    parts: List[int]  # 0 of the first text, 1 of the second, -1 put around them
    offsets: Optional[List[Tuple[int, int]]]  # characters of its text, (0, 0) for part -1; None: this tokenizer cannot tell
    cut: bool  # the text was longer


def c_strings(texts: Sequence[str], what: str) -> Tuple[Any, List[Any]]:
    """wc_string[len(texts)] and what must stay alive with it."""
    array, keep = ffi.new("wc_string[]", max(1, len(texts))), []
    for i, text in enumerate(texts):
        keep.append(ffi.from_buffer(_native.utf8(text, what)))
        array[i].text, array[i].n_bytes = keep[-1], len(keep[-1])
    return array, keep


def c_encode_options(**fields: Any) -> Any:
    return ffi.new("wc_encode_options *", dict(fields, size=ffi.sizeof("wc_encode_options")))


def matrix(pointer: Any, n: int, width: int) -> Matrix:
    """n rows of floats that the caller owns; they are given back when nothing looks at them any more."""
    owner = ffi.gc(pointer, lib.wc_free, 4 * n * width)
    buffer = ffi.buffer(owner, 4 * n * width)
    try:
        import numpy
    except ImportError:
        flat = memoryview(buffer).cast("B").cast("f").tolist()
        return [flat[i * width:(i + 1) * width] for i in range(n)]
    return numpy.frombuffer(buffer, dtype=numpy.float32).reshape(n, width)


def tensor(rows: Any) -> Any:
    """A torch tensor where torch was imported, else a numpy array where numpy is present, else rows."""
    torch = sys.modules.get("torch")
    if torch is not None:
        return torch.tensor(rows)  # copies: whose memory it is does not matter any more
    try:
        import numpy
    except ImportError:
        return rows
    return numpy.array(rows, dtype=numpy.float32)


def listed(rows: Any) -> Any:
    """A matrix, or a row of one, as lists of floats."""
    return rows.tolist() if hasattr(rows, "tolist") else rows


def tokens_of(model: Model, text: str, pair: Optional[str] = None, max_tokens: int = 0) -> Tokens:
    """The tokens of a text or a pair, at most max_tokens of them (0, or more: the positions that the model has)."""
    texts = [text] if pair is None else [text, pair]
    array, keep = c_strings(texts, "text")
    err = _native.new_error()
    with model._use() as c:
        found = lib.wc_tokens(c, array[0], ffi.NULL if pair is None else array + 1, c_encode_options(max_tokens=max_tokens),
                              err)
    del keep
    if found == ffi.NULL:
        raise _native.exception(err)
    answer = json.loads(_native.take_string(found))
    tokens = answer["tokens"]
    parts = [t["text"] for t in tokens]
    places = [_characters(t) for t in texts]
    offsets = None
    if all("start" in t for t in tokens if t["text"] >= 0):
        offsets = [(places[t["text"]][t["start"]], places[t["text"]][t["end"]]) if t["text"] >= 0 else (0, 0) for t in tokens]
    return Tokens([t["id"] for t in tokens], [t["token"] for t in tokens], [t["type"] for t in tokens], parts, offsets,
                  answer["cut"])


def _characters(text: str) -> Any:
    """For each byte of the UTF-8 form that begins a character, and the end, that character's index."""
    if text.isascii():
        return range(len(text) + 1)
    out, at = {}, 0
    for i, c in enumerate(text):
        out[at] = i
        at += len(c.encode("utf-8", "replace"))
    out[at] = len(text)
    return out


def rows_of(model: Model, lists: Sequence[Tokens], logits: bool = False,
            picked: Optional[Sequence[Sequence[int]]] = None) -> List[Matrix]:
    """For each list of tokens its rows [n, width]: last hidden states, or with logits=True what the model's head makes of them.

    picked: for each list the indices of the tokens that are wanted, rising; all when None.  A model for text
    classification has one row of logits for each list.
    """
    array, keep = ffi.new("wc_token_list[]", max(1, len(lists))), []
    counts = []
    for i, t in enumerate(lists):
        rows = None if picked is None else ffi.new("int32_t[]", list(picked[i]) or [0])
        keep += [ffi.new("int32_t[]", t.ids or [0]), ffi.new("int32_t[]", t.types or [0]), rows]
        array[i].ids, array[i].types, array[i].n_ids = keep[-3], keep[-2], len(t.ids)
        if rows is not None and picked is not None:
            array[i].rows, array[i].n_rows = rows, len(picked[i])
        counts.append(len(t.ids) if picked is None else len(picked[i]))
    if logits and model.info.get("task") == "text-classification":
        counts = [1] * len(lists)
    sizes, err = ffi.new("size_t[2]"), _native.new_error()
    with model._use() as c:
        found = lib.wc_encode(c, array, len(lists), lib.WC_ROWS_LOGITS if logits else lib.WC_ROWS_HIDDEN, ffi.NULL, sizes,
                              sizes + 1, err)
    if found == ffi.NULL:
        raise _native.exception(err)
    all_rows, out, at = matrix(found, sizes[0], sizes[1]), [], 0
    for n in counts:
        out.append(all_rows[at:at + n])
        at += n
    return out


def sigmoid(x: Sequence[float]) -> List[float]:
    return [1 / (1 + math.exp(-v)) if v >= 0 else math.exp(v) / (1 + math.exp(v)) for v in x]


def softmax(x: Any) -> Any:
    """Of one row; a numpy array of a numpy array, else a list."""
    if hasattr(x, "tolist"):
        import numpy
        e = numpy.exp(x - x.max())
        return e / e.sum()
    top = max(x)
    powers = [math.exp(v - top) for v in x]
    total = sum(powers)
    return [p / total for p in powers]


# ---- the keywords of transformers' tokenizers ----

CUTTING = ("truncation", "max_length")
NEUTRAL_FOR_TOKENIZER: Dict[str, Any] = {
    "padding": (False, True, "longest", "do_not_pad"), "add_special_tokens": (True,), "return_tensors": ("pt", "np", None),
    "pad_to_multiple_of": (None,), "return_attention_mask": (True, False), "verbose": (True, False), "stride": (0,),
    "is_split_into_words": (False,), "padding_side": ("left", "right"), "return_token_type_ids": (True,),
    "return_overflowing_tokens": (False,), "return_length": (False,), "text_target": (None,), "text_pair_target": (None,),
    "return_offsets_mapping": (False,), "return_special_tokens_mask": (False,)}
TOKENIZER_WORDS = CUTTING + tuple(NEUTRAL_FOR_TOKENIZER)


def most_tokens(words: Dict[str, Any], own: int) -> int:
    """How long a text may get, as truncation= and max_length= of transformers' tokenizers have it; 0: it may not be cut.

    own: the length that truncation=True means.  Words that would change the tokens in another way are refused.
    """
    if not isinstance(words, dict):
        raise TypeError("keywords of the tokenizer: expected a dict, found %s" % type(words).__name__)
    for w, value in words.items():
        if w not in TOKENIZER_WORDS:
            raise UnsupportedError("%s: whinchat's tokenizers do not have it; found %.100r" % (w, value))
        if w in NEUTRAL_FOR_TOKENIZER and value is not None and value not in NEUTRAL_FOR_TOKENIZER[w]:
            raise UnsupportedError("%s: whinchat reads each text alone, with its special tokens and without padding; found "
                                   "%.100r" % (w, value))
    how, most = words.get("truncation"), words.get("max_length")
    how = getattr(how, "value", how)
    if most is not None and (isinstance(most, bool) or not isinstance(most, int)):
        raise TypeError("max_length: expected int, found %s" % type(most).__name__)
    if most is not None and most < 1:
        raise InputError("max_length: expected at least 1, found %d" % most)
    if how in ("only_first", "only_second"):
        raise UnsupportedError("truncation: whinchat cuts the longer text first; found %r" % (how,))
    if how not in (None, True, False, "longest_first", "do_not_truncate"):
        raise InputError("%r is not a valid TruncationStrategy, please select one of ['only_first', 'only_second', "
                         "'longest_first', 'do_not_truncate']" % (how,))
    if how in (False, "do_not_truncate") or how is None and most is None:
        return 0
    return own if most is None else min(most, own)
