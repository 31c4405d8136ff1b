"""What SentenceTransformer and CrossEncoder share: opening a model with sentence-transformers' keywords, warnings, kinds of results."""
import sys
from typing import Any, Dict, List, Optional, Sequence

from .calls import warn, warn_once
from .errors import InputError, UnknownArgumentError, UnsupportedError
from .model import Model
from .pipelines import check_device, dtype_name, open_model

# Keywords of their constructors that mean nothing here.
NO_MEANING = ("cache_folder", "trust_remote_code", "local_files_only", "token", "use_auth_token", "model_card_data", "backend",
              "config_kwargs", "automodel_args", "keep_in_fp32_modules")
LOADING = ("dtype", "torch_dtype", "attn_implementation", "device_map", "low_cpu_mem_usage", "use_safetensors")


class TextModel:
    """A model opened by name, folder, or as a whinchat.Model; close() gives it back, as does a with block."""

    def __init__(self, model: Any, device: Any, revision: Optional[str], threads: int, model_kwargs: Optional[Dict[str, Any]],
                 processor_kwargs: Optional[Dict[str, Any]], more: Dict[str, Any]) -> None:
        kind = type(self).__name__
        loading = dict(model_kwargs or {})
        for w in list(loading) + list(more):
            if w in loading and w not in LOADING or w in more and w not in NO_MEANING:
                raise UnknownArgumentError("%s() got an unexpected keyword argument %r" % (kind, w))
            if w not in ("dtype", "torch_dtype", "device_map") and (loading.get(w) or more.get(w)) not in (None, False, "torch"):
                warn_once("`%s` has no meaning in whinchat and is ignored" % w)
        check_device(device, loading.get("device_map"))
        f32 = dtype_name(loading.get("dtype", loading.get("torch_dtype"))) == "float32"
        if model is None:
            raise TypeError("%s: expected a folder or a name; whinchat has no default model" % kind)
        self.model: Model = open_model(model, revision, threads, f32, None)
        self.device = "cpu"
        self._most = self._limit(processor_kwargs)

    def _limit(self, processor_kwargs: Optional[Dict[str, Any]]) -> Optional[int]:
        """model_max_length of processor_kwargs, the only one of them that means something here."""
        for w in processor_kwargs or {}:
            if w not in ("model_max_length", "max_length"):
                raise UnsupportedError("processor_kwargs: expected model_max_length, found %s" % w)
        values = list((processor_kwargs or {}).values())
        return None if not values else positive("model_max_length", values[0])

    @staticmethod
    def _refuse(where: str, device: Any = None, **words: Any) -> None:
        """Keywords that would change something: all that are given, and several devices."""
        if isinstance(device, (list, tuple)):
            words["device"] = device
        else:
            check_device(device, None)
        for w, value in words.items():
            if value is not None and value is not False:
                raise UnsupportedError("%s: %s: whinchat does not have it; found %.100r" % (where, w, value))

    def close(self) -> None:
        """Gives the model back; a call after this raises ClosedError."""
        self.model.close()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __repr__(self) -> str:
        return "whinchat.%s(%r)" % (type(self).__name__, self.model.name)


def positive(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("%s: expected int, found %s" % (name, type(value).__name__))
    if value < 1:
        raise InputError("%s: expected a positive integer, found %d" % (name, value))
    return value


def warn_cut(what: str, cut: Sequence[bool], most: int) -> None:
    """One warning for the texts of a call that lost their ends."""
    n = sum(bool(c) for c in cut)
    if n:
        warn("%s: %d of %d texts had more than %d tokens and lost their ends" % (what, n, len(cut), most))


def numpy_or_lists(rows: Any) -> Any:
    """float32 rows as a numpy array, as lists where there is no numpy."""
    try:
        import numpy
    except ImportError:
        return rows
    return numpy.array(rows, dtype=numpy.float32) if len(rows) else numpy.array([])


def torch_tensor(rows: Any) -> Any:
    """A torch tensor; ImportError where there is no torch."""
    import torch
    return torch.tensor(numpy_or_lists(rows) if len(rows) and not hasattr(rows, "dtype") else rows)


def tensors(rows: Sequence[Any]) -> List[Any]:
    """Each row as a torch tensor where torch was imported, else as a numpy array or a list."""
    torch = sys.modules.get("torch")
    return [torch.tensor(r) if torch is not None else r for r in rows]
