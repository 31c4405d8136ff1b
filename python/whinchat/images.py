"""Pictures as people have them - PIL images, paths, bytes, base64, data URLs, arrays - as wc_media of the C library."""
from typing import Any, Dict, List, Tuple

from . import sources
from ._native import ffi
from .errors import InputError

IMAGE_KEYS = ("image", "url", "path", "base64")


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
    if sources.fill(media, image, "image", keep, allow_remote, timeout):
        return
    if hasattr(image, "convert") and hasattr(image, "tobytes") and hasattr(image, "getexif"):
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
    return sources.structs("wc_media", fill, images, allow_remote, timeout)


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
