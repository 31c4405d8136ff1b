"""What pictures and sounds come from alike: paths, bytes, base64, data URLs and, where that was allowed, http(s) URLs.

what is the input's name for messages: "image", whose struct is wc_media, or "audio", whose struct is wc_sound.
"""
import base64
import binascii
import os
import urllib.request
from typing import Any, Callable, List, Tuple

from ._native import ffi, path_bytes
from .errors import InputError

MAX_REMOTE_BYTES = 256 << 20
NOUNS = {"image": "picture", "audio": "sound"}


def _bytes_of_base64(text: str, what: str) -> bytes:
    """What base64 text stands for; what: the input's name for messages."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        shown = text if len(text) <= 80 else text[:77] + "..."
        raise InputError("Incorrect %s source: expected a path, an http(s) or data URL, base64, bytes or %s; "
                         "no such file: %r" % (what, "a PIL image" if what == "image" else "samples", shown)) from None


def _bytes_of_data_url(text: str, what: str) -> bytes:
    """What a data URL in base64 holds."""
    head, comma, body = text.partition(",")
    if not comma or not head.endswith(";base64"):
        raise InputError("%s: expected data:%s/...;base64,..., found %r" % (what, what, text[:60]))
    return _bytes_of_base64(body, what)


def _bytes_of_url(url: str, allow_remote: bool, timeout: Any, what: str) -> bytes:
    """What lies at an http(s) URL, fetched only when that was allowed."""
    if not allow_remote:
        raise InputError("%s: %r is a URL and nothing leaves this machine unasked; fetch it yourself or pass "
                         "allow_remote=True" % (what, url[:200]))
    try:
        with urllib.request.urlopen(url, timeout=timeout or 30) as answer:
            data = bytes(answer.read(MAX_REMOTE_BYTES + 1))
    except (OSError, ValueError) as e:
        raise InputError("%s: %r: %s" % (what, url[:200], e)) from None
    if len(data) > MAX_REMOTE_BYTES:
        raise InputError("%s: %r is over %d bytes" % (what, url[:200], MAX_REMOTE_BYTES))
    return data


def _set_bytes(out: Any, data: bytes, what: str, keep: List[Any]) -> None:
    if not data:
        raise InputError("%s: expected an encoded %s, found 0 bytes" % (what, NOUNS[what]))
    keep.append(ffi.from_buffer(data))
    out.data, out.n_bytes = keep[-1], len(data)


def _set_path(out: Any, path: Any, what: str, keep: List[Any]) -> None:
    c_path = ffi.new("char[]", path_bytes(path, what))
    if not os.path.exists(path):
        raise InputError("%s: no such file: %r" % (what, os.fspath(path)))
    keep.append(c_path)
    out.path = c_path


def _set_text(out: Any, text: str, what: str, keep: List[Any], allow_remote: bool, timeout: Any) -> None:
    if text.startswith(("http://", "https://")):
        _set_bytes(out, _bytes_of_url(text, allow_remote, timeout, what), what, keep)
    elif text.startswith("data:"):
        _set_bytes(out, _bytes_of_data_url(text, what), what, keep)
    elif "\0" not in text and len(text) < 4096 and os.path.isfile(text):
        _set_path(out, text, what, keep)
    else:
        _set_bytes(out, _bytes_of_base64(text, what), what, keep)


def fill(out: Any, given: Any, what: str, keep: List[Any], allow_remote: bool, timeout: Any) -> bool:
    """Fills one struct from a text, a path or bytes; False, and nothing done, where given is none of these.

    What the struct points to goes into keep, which must live as long.
    """
    if isinstance(given, str):
        _set_text(out, given, what, keep, allow_remote, timeout)
    elif isinstance(given, os.PathLike):
        _set_path(out, given, what, keep)
    elif isinstance(given, (bytes, bytearray)):
        _set_bytes(out, bytes(given), what, keep)
    else:
        return False
    return True


def structs(c_type: str, fill_one: Callable[..., None], given: List[Any], allow_remote: bool,
            timeout: Any) -> Tuple[Any, List[Any]]:
    """c_type[len(given)], each filled by fill_one, and what must stay alive with it."""
    keep: List[Any] = []
    out = ffi.new(c_type + "[]", max(1, len(given)))
    for i, one in enumerate(given):
        fill_one(out[i], one, keep, allow_remote, timeout)
    return out, keep
