"""pipeline(): the calls of transformers' pipelines, with its shapes and errors.

Where transformers 5 and 4.5x differ, 5 wins, and what is an error there works as in 4.5x.  docs/PYTHON.md lists where
whinchat differs from both, and why; python/tests/test_transformers.py holds the three side by side.
"""
import os
from typing import Any, Dict, List, Optional, Type

from .any_to_any import AnyToAnyPipeline
from .base import Pipeline
from .calls import warn_once
from .errors import InputError, UnknownArgumentError
from .feature_extraction import FeatureExtractionPipeline
from .fill_mask import FillMaskPipeline
from .image_text_to_text import ImageTextToTextPipeline
from .model import Model
from .text_classification import TextClassificationPipeline
from .text_generation import TextGenerationPipeline
from .token_classification import TokenClassificationPipeline

DTYPES = ("auto", "float32", "bfloat16", "float16")
NO_MEANING = ("token", "use_auth_token", "trust_remote_code", "use_fast", "framework", "processor", "image_processor",
              "feature_extractor", "config", "attn_implementation", "num_workers", "binary_output", "local_files_only",
              "pipeline_class", "low_cpu_mem_usage", "offload_folder", "max_memory", "cache_dir", "use_safetensors")
KINDS: List[Type[Pipeline]] = [AnyToAnyPipeline, FeatureExtractionPipeline, FillMaskPipeline, ImageTextToTextPipeline,
                               TextClassificationPipeline, TextGenerationPipeline, TokenClassificationPipeline]
TASKS: Dict[str, Type[Pipeline]] = {kind.task: kind for kind in KINDS}
ALIASES = {"sentiment-analysis": "text-classification", "ner": "token-classification"}


def dtype_name(dtype: Any) -> str:
    """The name of a dtype: a name, a torch dtype or None."""
    name = "auto" if dtype is None else str(dtype).split(".")[-1]
    name = {"half": "float16", "float": "float32", "bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}.get(name, name)
    if name not in DTYPES:
        raise InputError("dtype: expected one of %s or a torch dtype, found %r" % (", ".join(DTYPES), dtype))
    return name


def check_device(device: Any, device_map: Any) -> None:
    """Warns once where something else than the CPU is asked for."""
    if device is not None and device_map is not None:
        warn_once("Both `device` and `device_map` are specified. `device` will override `device_map`.")
    name = str(device) if device is not None else str(device_map) if isinstance(device_map, str) else "cpu"
    if name in ("cpu", "-1", "auto", "balanced", "sequential") or name.startswith("cpu:"):
        return
    if name.isdigit() or name.split(":")[0] in ("cuda", "mps", "xpu"):
        warn_once("whinchat runs on the CPU; device %r is not used" % name)
        return
    raise InputError("device: expected 'cpu', 'cuda' or a number, found %r" % (device if device is not None else device_map))


def open_model(model: Any, revision: Optional[str], threads: int, f32: bool, tokenizer: Any, mmproj: Any = None) -> Model:
    """A model by name, or one that is open already."""
    if isinstance(model, Model):
        for word, given in (("revision", revision), ("threads", threads), ("tokenizer", tokenizer), ("mmproj", mmproj)):
            if given:
                warn_once("`%s` has no meaning for a model that is already open" % word)
        return model
    if not isinstance(model, (str, os.PathLike)):
        raise TypeError("model: expected a name, a folder or a whinchat.Model, found %s" % type(model).__name__)
    if tokenizer is not None and not isinstance(tokenizer, (str, os.PathLike)):
        warn_once("`tokenizer` is taken as a folder; another object has no meaning in whinchat and is ignored")
        tokenizer = None
    path: Any = "%s@%s" % (model, revision) if revision and isinstance(model, str) else model
    return Model(path, threads=threads, f32=f32, tokenizer=tokenizer, mmproj=mmproj)


def _spread(model_kwargs: Any, more: Dict[str, Any]) -> Dict[str, Any]:
    """more with the words of model_kwargs, which is another place for them."""
    if model_kwargs is None:
        return more
    if not isinstance(model_kwargs, dict):
        raise TypeError("model_kwargs: expected a dict, found %s" % type(model_kwargs).__name__)
    return dict(model_kwargs, **more)


def pipeline(task: Optional[str] = None, model: Any = None, *, dtype: Any = None, device: Any = None,
             device_map: Any = None, revision: Optional[str] = None, tokenizer: Any = None, threads: int = 0,
             mmproj: Any = None, model_kwargs: Optional[Dict[str, Any]] = None, **more: Any) -> Any:
    """A pipeline as transformers.pipeline makes it.

    task: of models that generate "text-generation", "image-text-to-text" or "any-to-any"; of encoders "feature-extraction", "fill-mask",
    "text-classification" (or "sentiment-analysis") or "token-classification" (or "ner").

    model: a folder, a name in the Hugging Face cache, a shipped model, or a whinchat.Model.  dtype (torch_dtype in older
    programs): "auto", a name or a torch dtype; "float32" computes all activations in float32.  device: the CPU is used
    whatever is asked for, with one warning for a GPU.  tokenizer: a folder whose tokenizer is used in place of the
    model's.  threads: 0 for the physical cores.  mmproj: the GGUF file of a GGUF model's pictures, where it is not the one
    that lies beside it.  Words of a call (max_new_tokens, do_sample ...) given here hold for
    every call.  What has no meaning here warns once; what is unknown raises TypeError.
    """
    if task is None and model is None:
        raise RuntimeError("Impossible to instantiate a pipeline without either a task or a model being specified. Please "
                           "provide a task or a model.")
    if task is None:
        raise RuntimeError("whinchat: the task cannot be inferred; give one of %s" % ", ".join(sorted(TASKS)))
    task = ALIASES.get(task, task)
    if task not in TASKS:
        raise KeyError("Unknown task %s, available tasks are %s" % (task, sorted(list(TASKS) + list(ALIASES))))
    if model is None:
        raise TypeError("pipeline: expected model=, a folder or a name; whinchat has no default model")
    kind = TASKS[task]
    more = _spread(model_kwargs, more)
    torch_dtype = more.pop("torch_dtype", None)
    if torch_dtype is not None:
        warn_once("`torch_dtype` is deprecated! Use `dtype` instead!")
    unknown = [w for w in more if w not in NO_MEANING and w not in kind.words]
    if unknown:
        raise UnknownArgumentError("pipeline() got an unexpected keyword argument %s" % ", ".join(map(repr, unknown)))
    for w in more:
        if w in NO_MEANING and more[w] is not None and (w, more[w]) != ("local_files_only", True):
            warn_once("`%s` has no meaning in whinchat and is ignored" % w)
    name = dtype_name(dtype if dtype is not None else torch_dtype)
    check_device(device, device_map)
    opened = open_model(model, revision, threads, name == "float32", tokenizer, mmproj)
    if name != "auto" and (name == "float32") != opened.f32:
        warn_once("the model was opened with f32=%r, which dtype=%r does not change" % (opened.f32, name))
    return kind(opened, dtype=name, **{w: v for w, v in more.items() if w in kind.words and (v is not None or kind.keeps_none)})
