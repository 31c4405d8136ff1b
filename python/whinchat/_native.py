"""The C library: include/whinchat.h as it stands, read by cffi at import time, and the shared library beside it.

Nothing is compiled for a Python version: one wheel serves them all.  Every C call releases the GIL (cffi does).
"""
import os
import re
from typing import Any, Callable, List, Tuple, Type

import cffi

from . import errors

_HERE = os.path.dirname(os.path.abspath(__file__))


def declarations(header: str) -> str:
    """The header without what cffi's parser does not know: comments, directives, the C++ guard, visibility."""
    text = re.sub(r"/\*.*?\*/", " ", header, flags=re.S)
    text = re.sub(r"^[ \t]*#[ \t]*ifdef[ \t]+__cplusplus.*?#[ \t]*endif", "", text, flags=re.S | re.M)
    text = re.sub(r"^[ \t]*#.*$", "", text, flags=re.M)
    return text.replace("WC_API ", "")


def _header_path() -> str:
    beside = os.path.join(_HERE, "whinchat.h")
    in_tree = os.path.join(_HERE, "..", "..", "include", "whinchat.h")
    for path in (os.environ.get("WHINCHAT_HEADER"), beside, in_tree):
        if path and os.path.exists(path):
            return path
    raise ImportError("whinchat: no whinchat.h beside the package (%s); is the installation complete?" % _HERE)


def _load() -> Tuple[Any, Any]:
    ffi = cffi.FFI()
    with open(_header_path(), encoding="utf-8") as f:
        ffi.cdef(declarations(f.read()))
    beside = os.path.join(os.path.dirname(_HERE), ".whinchat.mesonpy.libs", "_whinchat.so")  # python/meson.build
    name = os.environ.get("WHINCHAT_LIBRARY") or (beside if os.path.exists(beside) else "libwhinchat.so.0")
    try:
        return ffi, ffi.dlopen(name)
    except OSError as e:
        raise ImportError("whinchat: the C library cannot be loaded: %s" % e) from None


ffi, lib = _load()

_AT_LOAD: List[Tuple[int, Type[errors.WhinchatError]]] = [
    (lib.WC_NOT_FOUND, errors.ModelNotFoundError), (lib.WC_BAD_FILE, errors.BadFileError)]
_ALWAYS = {lib.WC_BAD_ARGUMENT: errors.InputError, lib.WC_REFUSED: errors.InputError,
           lib.WC_UNSUPPORTED: errors.UnsupportedError, lib.WC_NO_MEMORY: errors.OutOfMemoryError,
           lib.WC_CANCELLED: errors.CancelledError, lib.WC_NOT_FOUND: errors.InputError,
           lib.WC_BAD_FILE: errors.InputError}


def new_error() -> Any:
    return ffi.new("wc_error *")


def exception(err: Any, loading: bool = False) -> errors.WhinchatError:
    """The Python exception for a filled wc_error; loading: a missing or broken file is the model's."""
    text = ffi.string(err.text).decode("utf-8", "replace")
    if text.startswith("chat_template") or text.startswith("template"):
        return errors.TemplateError(text)
    kind = _ALWAYS.get(err.code, errors.WhinchatError)
    if loading:
        kind = dict(_AT_LOAD).get(err.code, kind)
    return kind(text)


def utf8(text: str, what: str) -> bytes:
    """UTF-8 for the C side; lone surrogates become U+FFFD there and here alike."""
    if not isinstance(text, str):
        raise TypeError("%s: expected str, found %s" % (what, type(text).__name__))
    return text.encode("utf-8", "replace")


def path_bytes(path: Any, what: str) -> bytes:
    data = os.fsencode(path)
    if b"\0" in data:
        raise ValueError("%s: a path cannot hold a NUL" % what)
    return data


def c_text(text: str, what: str) -> bytes:
    data = utf8(text, what)
    if b"\0" in data:
        raise errors.InputError("%s: expected text without NUL characters" % what)
    return data


def take_string(pointer: Any) -> str:
    """A char * that the caller owns, as str; it is given back."""
    try:
        return str(ffi.string(pointer).decode("utf-8", "replace"))
    finally:
        lib.wc_free(pointer)


def version() -> str:
    """The C library's version, "0.1.0"."""
    return str(ffi.string(lib.wc_version()).decode())


Callback = Callable[..., Any]
