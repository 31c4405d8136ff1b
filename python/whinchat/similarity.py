"""How alike vectors are, and vectors in fewer bits, as sentence-transformers computes them; with numpy, or without."""
import math
import sys
from typing import Any, Callable, Dict, List, Sequence

from .calls import warn
from .errors import InputError, UnsupportedError

Row = Sequence[float]


def _dot(a: Row, b: Row) -> float:
    return math.fsum(x * y for x, y in zip(a, b))


def _cosine(a: Row, b: Row) -> float:
    return _dot(a, b) / (max(math.sqrt(_dot(a, a)), 1e-12) * max(math.sqrt(_dot(b, b)), 1e-12))


def _euclidean(a: Row, b: Row) -> float:
    return -math.sqrt(math.fsum((x - y) ** 2 for x, y in zip(a, b)))


def _manhattan(a: Row, b: Row) -> float:
    return -math.fsum(abs(x - y) for x, y in zip(a, b))


FUNCTIONS: Dict[str, Callable[[Row, Row], float]] = {"cosine": _cosine, "dot": _dot, "euclidean": _euclidean,
                                                      "manhattan": _manhattan}


def _rows(x: Any) -> List[List[float]]:
    """Vectors [n, d], or one of them, as lists."""
    x = x.tolist() if hasattr(x, "tolist") else [r.tolist() if hasattr(r, "tolist") else r for r in x]
    rows = x if x and isinstance(x[0], (list, tuple)) else [x]
    return [list(map(float, r)) for r in rows]


def _check(a: List[List[float]], b: List[List[float]]) -> None:
    widths = {len(r) for r in a + b}
    if len(widths) > 1:
        raise InputError("similarity: expected vectors of one length, found %s" % sorted(widths))


def _numpy_matrix(name: str, a: Any, b: Any) -> Any:
    import numpy
    a, b = numpy.asarray(a, numpy.float32), numpy.asarray(b, numpy.float32)
    if name == "cosine":
        a, b = (x / numpy.maximum(numpy.linalg.norm(x, axis=1, keepdims=True), 1e-12) for x in (a, b))
    if name in ("cosine", "dot"):
        return a @ b.T
    if name == "euclidean":
        return -numpy.stack([numpy.sqrt(((b - row) ** 2).sum(1)) for row in a])
    return -numpy.stack([numpy.abs(b - row).sum(1) for row in a])


def _given(x: Any) -> Any:
    """As a torch tensor where torch was imported, else as it is."""
    torch = sys.modules.get("torch")
    return x if torch is None else torch.tensor(x)


def matrix_of(name: str, a: Any, b: Any) -> Any:
    """[n, m] of vectors [n, d] and [m, d]; FUNCTIONS are the definition."""
    a, b = _rows(a), _rows(b)
    _check(a, b)
    try:
        return _given(_numpy_matrix(name, a, b))
    except ImportError:
        return _given([[FUNCTIONS[name](x, y) for y in b] for x in a])


def pairs_of(name: str, a: Any, b: Any) -> Any:
    """[n] of vectors [n, d] and [n, d]."""
    a, b = _rows(a), _rows(b)
    _check(a, b)
    if len(a) != len(b):
        raise InputError("similarity_pairwise: expected as many vectors on both sides, found %d and %d" % (len(a), len(b)))
    values = [FUNCTIONS[name](x, y) for x, y in zip(a, b)]
    try:
        import numpy
    except ImportError:
        return _given(values)
    return _given(numpy.array(values, numpy.float32))


def quantized(vectors: Any, precision: Any) -> Any:
    """Vectors [n, d] in 8 bits by the range of each dimension, or in one bit by the sign, eight to a byte; needs numpy."""
    try:
        import numpy
    except ImportError:
        raise UnsupportedError("precision: %r needs numpy" % (precision,)) from None
    if precision in ("int8", "uint8"):
        if len(vectors) < 2:
            raise InputError("precision: %r takes the range of each dimension from the vectors; one has none" % (precision,))
        if len(vectors) < 100:
            warn("precision: ranges of only %d vectors; 100 or more make better ones" % len(vectors))
        low, width = vectors.min(axis=0), vectors.max(axis=0) - vectors.min(axis=0)
        place = numpy.floor((vectors - low) * 255 / numpy.where(width > 0, width, 255)).clip(0, 255)
        return place.astype(numpy.uint8) if precision == "uint8" else (place - 128).astype(numpy.int8)
    bits = numpy.packbits(vectors > 0, axis=1)
    return bits if precision == "ubinary" else (bits.astype(numpy.int16) - 128).astype(numpy.int8)
