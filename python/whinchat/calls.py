"""The keywords of a call, sorted: how to sample, what to return, and what whinchat does not have.

Nothing is dropped in silence: a word that changes nothing here warns once, one that would change the answer and cannot be
honoured is an UnsupportedError, and one that nobody knows an UnknownArgumentError.
"""
import os
import sys
import warnings
from typing import Any, Dict, List, Optional, Set

from .errors import InputError, UnknownArgumentError, UnsupportedError
from .options import Sampling

SAMPLING_WORDS = ("max_new_tokens", "do_sample", "temperature", "top_k", "top_p", "min_p", "typical_p",
                  "repetition_penalty", "seed")
# Words of transformers' generate that change nothing here.
NO_MEANING_IN_CALL = ("use_cache", "pad_token_id", "bos_token_id", "cache_implementation", "cache_config", "num_workers",
                      "padding", "tokenizer", "disable_compile", "compile_config", "synced_gpus", "low_memory")
# Words of generate that would change the answer, and the values with which they do not.
NEUTRAL: Dict[str, Any] = {
    "num_beams": (1,), "num_beam_groups": (1,), "penalty_alpha": (0,), "no_repeat_ngram_size": (0,),
    "encoder_no_repeat_ngram_size": (0,), "length_penalty": (1,), "early_stopping": (False,), "min_length": (0,),
    "min_new_tokens": (0,), "diversity_penalty": (0,), "epsilon_cutoff": (0,), "eta_cutoff": (0,), "guidance_scale": (1,),
    "encoder_repetition_penalty": (1,), "renormalize_logits": (False,), "remove_invalid_values": (False,),
    "token_healing": (False,), "return_dict_in_generate": (False,), "output_scores": (False,), "output_logits": (False,),
    "output_attentions": (False,), "output_hidden_states": (False,), "logits_processor": ([],), "stopping_criteria": ([],),
    "bad_words_ids": (), "force_words_ids": (), "constraints": (), "forced_bos_token_id": (), "forced_eos_token_id": (),
    "suppress_tokens": (), "begin_suppress_tokens": (), "sequence_bias": (), "exponential_decay_length_penalty": (),
    "prefix_allowed_tokens_fn": (), "assistant_model": (), "prompt_lookup_num_tokens": (), "max_time": (), "top_h": (),
    "watermarking_config": (), "custom_generate": (), "negative_prompt_ids": ()}
GENERATE_WORDS = SAMPLING_WORDS + ("stop_strings", "max_length", "num_return_sequences", "streamer", "generation_config",
                                   "eos_token_id") + tuple(NEUTRAL)
COMMON_WORDS = GENERATE_WORDS + NO_MEANING_IN_CALL + (
    "generate_kwargs", "stop_sequence", "return_full_text", "return_tensors", "return_type", "batch_size",
    "continue_final_message", "tools", "documents", "skip_special_tokens", "clean_up_tokenization_spaces")
TEXT_WORDS = COMMON_WORDS + ("return_text", "prefix", "truncation", "add_special_tokens", "handle_long_generation",
                             "tokenizer_encode_kwargs")
IMAGE_WORDS = COMMON_WORDS + ("timeout", "allow_remote", "processor_kwargs", "images_kwargs", "do_pan_and_scan",
                              "enable_thinking")
KIND_WORDS = ("return_type", "return_text", "return_full_text", "return_tensors")
TENSORS, NEW_TEXT, FULL_TEXT = 0, 1, 2  # transformers' ReturnType

_warned: Set[str] = set()


def warn(text: str) -> None:
    """A UserWarning at the line outside this package that led here."""
    here, frame, level = os.path.dirname(os.path.abspath(__file__)), sys._getframe(), 1
    while frame.f_back is not None and os.path.dirname(os.path.abspath(frame.f_code.co_filename)) == here:
        frame, level = frame.f_back, level + 1
    warnings.warn(text, UserWarning, stacklevel=level)


def warn_once(text: str) -> None:
    if text not in _warned:
        _warned.add(text)
        warn(text)


class Call:
    """The keywords of one call; defaults: those given to pipeline(); known: the words of its task.

    kind: TENSORS, NEW_TEXT or FULL_TEXT.  words: all of them as given, None left out.
    """

    def __init__(self, words: Dict[str, Any], defaults: Dict[str, Any], known: Any = COMMON_WORDS) -> None:
        given = _merged(words, known)
        config = given.get("generation_config")
        base = dict(defaults) if config is None else dict(defaults, **_of_config(config))
        self.words = {k: v for k, v in base.items() if v is not None}
        if given.get("max_length") is not None:  # asked for now, it is not outdone by what was said before
            self.words.pop("max_new_tokens", None)
        self.words.update((k, v) for k, v in given.items() if v is not None)
        w = self.words
        _refuse_unsupported(w)
        self.pan_and_scan = _pan_and_scan(w)
        self.kind = _kind(given if any(given.get(k) is not None for k in KIND_WORDS) else w)
        self.n_sequences = _count("num_return_sequences", w.get("num_return_sequences", 1))
        self.batch_size = _count("batch_size", w.get("batch_size") or 1)
        self.streamer: Any = w.get("streamer")
        self.sampling = Sampling(**{k: w[k] for k in SAMPLING_WORDS if k in w}, stop=self._stops(), eos_token_id=self._eos())
        if self.sampling.max_new_tokens is None:
            self.sampling.max_length = w.get("max_length")
        self.skip_special_tokens = bool(w.get("skip_special_tokens", True))
        self.clean_up = bool(w.get("clean_up_tokenization_spaces", False))

    @property
    def go_on(self) -> Optional[bool]:
        """continue_final_message, None where it was not said."""
        return self.words.get("continue_final_message")

    def _stops(self) -> List[str]:
        stops: List[str] = []
        for key in ("stop_sequence", "stop_strings"):
            value = self.words.get(key)
            value = [value] if isinstance(value, str) else list(value or [])
            if not all(isinstance(s, str) for s in value):
                raise InputError("%s: expected a string or a list of strings" % key)
            stops += value
        return stops

    def _eos(self) -> Optional[List[int]]:
        value: Any = self.words.get("eos_token_id")
        value = value.tolist() if hasattr(value, "tolist") else value
        ids = [value] if isinstance(value, int) else value
        if ids is not None and not (isinstance(ids, (list, tuple, set)) and all(isinstance(i, int) for i in ids)):
            raise InputError("eos_token_id: expected an id or a list of ids, found %r" % (value,))
        return None if ids is None else list(ids)


def _count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("%s: expected int, found %s" % (name, type(value).__name__))
    if value < 1:
        raise InputError("%s: expected at least 1, found %d" % (name, value))
    return value


def _merged(words: Dict[str, Any], known: Any) -> Dict[str, Any]:
    """The words of the call and of generate_kwargs, none unknown and none given twice."""
    inner = words.get("generate_kwargs") or {}
    if not isinstance(inner, dict):
        raise TypeError("generate_kwargs: expected a dict, found %s" % type(inner).__name__)
    unknown = [w for w in words if w not in known]
    unknown += [w for w in inner if w not in GENERATE_WORDS + NO_MEANING_IN_CALL]
    if unknown:
        raise UnknownArgumentError("The following `model_kwargs` are not used by the model: %s (note: typos in the "
                                   "generate arguments will also show up in this list)" % unknown)
    for w in inner:
        if words.get(w) is not None:
            raise InputError("'%s' is defined twice, once in 'generate_kwargs' and once as a direct parameter, please use "
                             "only one" % w)
    given = dict(words, **inner)
    for w in given:
        if w in NO_MEANING_IN_CALL and given[w] is not None:
            warn_once("`%s` has no meaning in whinchat and is ignored" % w)
    return given


def _refuse_unsupported(words: Dict[str, Any]) -> None:
    for w in words:
        plain = isinstance(words[w], (int, float, list))
        if w in NEUTRAL and not (plain and any(words[w] == v for v in NEUTRAL[w])):
            raise UnsupportedError("%s: whinchat's generation does not have it; found %.100r" % (w, words[w]))


def _pan_and_scan(words: Dict[str, Any]) -> Optional[bool]:
    """do_pan_and_scan, which transformers takes as a word, in images_kwargs, or in processor_kwargs or its images_kwargs; no
    other word of a processor is honoured."""
    given: List[Any] = [] if words.get("do_pan_and_scan") is None else [words["do_pan_and_scan"]]
    places = [("images_kwargs", words.get("images_kwargs")), ("processor_kwargs", words.get("processor_kwargs"))]
    while places:
        where, inner = places.pop()
        if inner is None:
            continue
        if not isinstance(inner, dict):
            raise TypeError("%s: expected a dict, found %s" % (where, type(inner).__name__))
        for w, value in inner.items():
            if w == "images_kwargs" and where == "processor_kwargs":
                places.append((w, value))
            elif w == "do_pan_and_scan":
                given.append(value)
            else:
                raise UnsupportedError("%s: of these only do_pan_and_scan is honoured, pictures and sounds are prepared as the "
                                       "model's own files say; found %s" % (where, w))
    for value in given:
        if not isinstance(value, bool):
            raise TypeError("do_pan_and_scan: expected bool, found %s" % type(value).__name__)
        if value is not given[0]:
            raise InputError("do_pan_and_scan: given twice, as True and as False")
    return given[0] if given else None


def _kind(w: Dict[str, Any]) -> int:
    """What is returned; the exclusions are transformers'."""
    if w.get("return_type") is not None:
        value = getattr(w["return_type"], "value", w["return_type"])
        if value not in (TENSORS, NEW_TEXT, FULL_TEXT):
            raise InputError("return_type: expected 0 (tensors), 1 (new text) or 2 (full text), found %r" % (value,))
        return int(value)
    if w.get("return_text") is not None:
        for other in ("return_full_text", "return_tensors"):
            if w.get(other) is not None:
                raise InputError("`return_text` is mutually exclusive with `%s`" % other)
    if w.get("return_full_text") is not None:
        if w.get("return_tensors"):
            raise InputError("`return_full_text` is mutually exclusive with `return_tensors`")
        return FULL_TEXT if w["return_full_text"] else NEW_TEXT
    return TENSORS if w.get("return_tensors") else FULL_TEXT


def _of_config(config: Any) -> Dict[str, Any]:
    """The words of a generation config: a dict, or an object such as transformers' GenerationConfig."""
    values = config if isinstance(config, dict) else \
        config.to_diff_dict() if hasattr(config, "to_diff_dict") else vars(config)
    return {k: values[k] for k in GENERATE_WORDS if values.get(k) is not None}
