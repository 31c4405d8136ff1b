"""Pictures as people have them - PIL images, paths, bytes, base64, data URLs, arrays - as wc_media of the C library."""
import base64
import binascii
import os
import urllib.request
from typing import Any, Dict, List, Tuple

from ._native import ffi, path_bytes
from .errors import InputError

MAX_REMOTE_BYTES = 256 << 20
IMAGE_KEYS = ("image", "url", "path", "base64")


def _from_bytes(media: Any, data: bytes, keep: List[Any]) -> None:
    if not data:
        raise InputError("image: expected an encoded picture, found 0 bytes")
    buffer = ffi.from_buffer(data)
    keep.append(buffer)
    media.data, media.n_bytes = buffer, len(data)


def bytes_of_base64(text: str, what: str = "image") -> bytes:
    """What base64 text stands for; what: the input's name for messages."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        shown = text if len(text) <= 80 else text[:77] + "..."
        raise InputError("Incorrect %s source: expected a path, an http(s) or data URL, base64, bytes or %s; "
                         "no such file: %r" % (what, "a PIL image" if what == "image" else "samples", shown)) from None


def bytes_of_data_url(text: str, what: str = "image") -> bytes:
    """What a data URL in base64 holds."""
    head, comma, body = text.partition(",")
    if not comma or not head.endswith(";base64"):
        raise InputError("%s: expected data:%s/...;base64,..., found %r" % (what, what, text[:60]))
    return bytes_of_base64(body, what)


def bytes_of_url(url: str, allow_remote: bool, timeout: Any, what: str = "image") -> bytes:
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


def _from_text(media: Any, text: str, keep: List[Any], allow_remote: bool, timeout: Any) -> None:
    if text.startswith(("http://", "https://")):
        _from_bytes(media, bytes_of_url(text, allow_remote, timeout), keep)
    elif text.startswith("data:"):
        _from_bytes(media, bytes_of_data_url(text), keep)
    elif "\0" not in text and len(text) < 4096 and os.path.isfile(text):
        _from_path(media, text, keep)
    else:
        _from_bytes(media, bytes_of_base64(text), keep)


def _from_path(media: Any, path: Any, keep: List[Any]) -> None:
    c_path = ffi.new("char[]", path_bytes(path, "image"))
    if not os.path.exists(path):
        raise InputError("image: no such file: %r" % os.fspath(path))
    keep.append(c_path)
    media.path = c_path


def _from_pixels(media: Any, pixels: bytes, width: int, height: int, keep: List[Any]) -> None:
    buffer = ffi.from_buffer("uint8_t[]", pixels)
    keep.append(buffer)
    media.rgb, media.width, media.height = buffer, width, height


def _from_pil(media: Any, image: Any, keep: List[Any]) -> None:
    """As transformers' load_image: turned as EXIF says, alpha dropped."""
    from PIL import ImageOps
    try:
        upright = ImageOps.exif_transpose(image).convert("RGB")
        _from_pixels(media, upright.tobytes(), upright.width, upright.height, keep)
    except (OSError, ValueError, SyntaxError) as e:
        raise InputError("image: PIL cannot read it: %s" % e) from None


def _from_array(media: Any, array: Any, keep: List[Any]) -> None:
    """An array of uint8 [height, width, 3] (anything with the buffer protocol)."""
    view = memoryview(array)
    if view.format != "B" or view.ndim != 3 or view.shape is None or view.shape[2] != 3 or 0 in view.shape:
        raise InputError("image: expected an array of uint8 [height, width, 3], found %s %s"
                         % (view.format, list(view.shape or ())))
    _from_pixels(media, view.tobytes(), int(view.shape[1]), int(view.shape[0]), keep)


def fill(media: Any, image: Any, keep: List[Any], allow_remote: bool = False, timeout: Any = None) -> None:
    """Fills one wc_media; what it points to goes into keep, which must live as long as media."""
    if isinstance(image, str):
        _from_text(media, image, keep, allow_remote, timeout)
    elif isinstance(image, os.PathLike):
        _from_path(media, image, keep)
    elif isinstance(image, (bytes, bytearray)):
        _from_bytes(media, bytes(image), keep)
    elif hasattr(image, "convert") and hasattr(image, "tobytes") and hasattr(image, "getexif"):
        _from_pil(media, image, keep)
    else:
        try:
            memoryview(image)
        except TypeError:
            raise TypeError("image: expected a PIL image, a path, bytes, base64, a data URL or an array of uint8, "
                            "found %s" % type(image).__name__) from None
        _from_array(media, image, keep)


def media_array(images: List[Any], allow_remote: bool = False, timeout: Any = None) -> Tuple[Any, List[Any]]:
    """wc_media[len(images)] and what must stay alive with it."""
    keep: List[Any] = []
    array = ffi.new("wc_media[]", max(1, len(images)))
    for i, image in enumerate(images):
        fill(array[i], image, keep, allow_remote, timeout)
    return array, keep


def is_image_part(part: Dict[str, Any]) -> bool:
    return part.get("type") in ("image", "image_url")


def image_of_part(part: Dict[str, Any]) -> Any:
    """The picture that a content part carries; None when it is a place to be filled."""
    if part.get("type") == "image_url":
        value = part.get("image_url")
        return value.get("url") if isinstance(value, dict) else value
    for key in IMAGE_KEYS:
        if part.get(key) is not None:
            return part[key]
    return None
