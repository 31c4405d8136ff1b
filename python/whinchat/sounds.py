"""Sounds as people have them - paths, bytes, base64, data URLs, arrays with a rate - as wc_sound of the C library."""
import os
from array import array
from typing import Any, Dict, List, Tuple

from ._native import ffi, path_bytes
from .errors import InputError
from .images import bytes_of_base64, bytes_of_data_url, bytes_of_url

AUDIO_KEYS = ("audio", "url", "path")
DEFAULT_RATE = 16000  # of an array that comes without one, as in transformers


def is_audio_part(part: Dict[str, Any]) -> bool:
    return part.get("type") == "audio"


def sound_of_part(part: Dict[str, Any]) -> Any:
    """The sound that a content part carries; None when it is a place to be filled."""
    for key in AUDIO_KEYS:
        if part.get(key) is not None:
            rate = part.get("sampling_rate")
            return part[key] if rate is None else (part[key], rate)
    return None


def _set_bytes(sound: Any, data: bytes, keep: List[Any]) -> None:
    if not data:
        raise InputError("audio: expected an encoded sound, found 0 bytes")
    keep.append(ffi.from_buffer(data))
    sound.data, sound.n_bytes = keep[-1], len(data)


def _set_path(sound: Any, path: Any, keep: List[Any]) -> None:
    if not os.path.exists(path):
        raise InputError("audio: no such file: %r" % os.fspath(path))
    keep.append(ffi.new("char[]", path_bytes(path, "audio")))
    sound.path = keep[-1]


def _set_text(sound: Any, text: str, keep: List[Any], allow_remote: bool, timeout: Any) -> None:
    if text.startswith(("http://", "https://")):
        _set_bytes(sound, bytes_of_url(text, allow_remote, timeout, "audio"), keep)
    elif text.startswith("data:"):
        _set_bytes(sound, bytes_of_data_url(text, "audio"), keep)
    elif "\0" not in text and len(text) < 4096 and os.path.isfile(text):
        _set_path(sound, text, keep)
    else:
        _set_bytes(sound, bytes_of_base64(text, "audio"), keep)


def _floats(samples: Any) -> Any:
    """Samples of one channel as an array of float32."""
    samples = samples.numpy() if hasattr(samples, "numpy") and not hasattr(samples, "__array_interface__") else samples
    shape = getattr(samples, "shape", None)
    if shape is not None and len(shape) == 2 and 1 in shape:
        samples = samples.reshape(-1)
        shape = samples.shape
    kind = getattr(getattr(samples, "dtype", None), "kind", "f")
    if shape is not None and len(shape) != 1 or kind != "f":
        raise InputError("audio: expected float samples [n] of one channel, about -1 to 1, found %s %s"
                         % (getattr(samples, "dtype", type(samples).__name__), list(shape or ())))
    try:
        return samples.astype("float32").tobytes() if hasattr(samples, "astype") else array("f", samples).tobytes()
    except (TypeError, ValueError, OverflowError) as e:
        raise InputError("audio: expected float samples: %s" % e) from None


def _set_samples(sound: Any, samples: Any, rate: Any, keep: List[Any]) -> None:
    if isinstance(rate, bool) or not isinstance(rate, int) and not (isinstance(rate, float) and rate.is_integer()):
        raise TypeError("sampling_rate: expected int, found %s" % type(rate).__name__)
    if not 1 <= rate <= 2**31 - 1:
        raise InputError("sampling_rate: expected samples a second, found %r" % (rate,))
    data = _floats(samples)
    if not data:
        raise InputError("audio: expected samples, found none")
    keep.append(ffi.from_buffer("float[]", data))
    sound.samples, sound.n_samples, sound.rate = keep[-1], len(data) // 4, int(rate)


def fill(sound: Any, given: Any, keep: List[Any], allow_remote: bool = False, timeout: Any = None) -> None:
    """Fills one wc_sound; what it points to goes into keep, which must live as long as sound."""
    if isinstance(given, dict):  # as a data set's column of sounds has it
        samples = given.get("array", given.get("raw"))
        given = (samples, given.get("sampling_rate", DEFAULT_RATE)) if samples is not None else \
            given.get("bytes") or given.get("path")
    rate = DEFAULT_RATE
    if isinstance(given, tuple) and len(given) == 2 and not isinstance(given[0], (int, float)):
        given, rate = given
    if isinstance(given, str):
        _set_text(sound, given, keep, allow_remote, timeout)
    elif isinstance(given, os.PathLike):
        _set_path(sound, given, keep)
    elif isinstance(given, (bytes, bytearray)):
        _set_bytes(sound, bytes(given), keep)
    elif isinstance(given, (list, tuple, array)) or hasattr(given, "shape"):
        _set_samples(sound, given, rate, keep)
    else:
        raise TypeError("audio: expected a path, bytes, base64, a data URL, or samples (with their rate: (samples, rate)), "
                        "found %s" % type(given).__name__)


def sound_array(sounds: List[Any], allow_remote: bool = False, timeout: Any = None) -> Tuple[Any, List[Any]]:
    """wc_sound[len(sounds)] and what must stay alive with it."""
    keep: List[Any] = []
    out = ffi.new("wc_sound[]", max(1, len(sounds)))
    for i, given in enumerate(sounds):
        fill(out[i], given, keep, allow_remote, timeout)
    return out, keep
