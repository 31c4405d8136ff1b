"""Sounds as people have them - paths, bytes, base64, data URLs, arrays with a rate - as wc_sound of the C library."""
from array import array
from typing import Any, Dict, List, Tuple

from . import sources
from ._native import ffi
from .errors import InputError

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
    if sources.fill(sound, given, "audio", keep, allow_remote, timeout):
        return
    if isinstance(given, (list, tuple, array)) or hasattr(given, "shape"):
        _set_samples(sound, given, rate, keep)
    else:
        raise TypeError("audio: expected a path, bytes, base64, a data URL, or samples (with their rate: (samples, rate)), "
                        "found %s" % type(given).__name__)


def sound_array(sounds: List[Any], allow_remote: bool = False, timeout: Any = None) -> Tuple[Any, List[Any]]:
    """wc_sound[len(sounds)] and what must stay alive with it."""
    return sources.structs("wc_sound", fill, sounds, allow_remote, timeout)
