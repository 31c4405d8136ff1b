"""pipeline(): the calls of transformers' image-text-to-text and text-generation, with its shapes and errors.

Where transformers 5 and 4.5x differ, 5 wins, and what is an error there works as in 4.5x.  docs/PYTHON.md lists where
whinchat differs from both, and why.
"""
import os
import warnings
from collections.abc import Iterator as AnyIterator
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Set

from . import images as pictures
from .errors import ClosedError, InputError, UnknownArgumentError, UnsupportedError
from .model import Answer, Chat, Model, Prompt, Sampling
from .streamers import TextIteratorStreamer, TokenIds
from .tokenizer import Tokenizer

DTYPES = ("auto", "float32", "bfloat16", "float16")
SAMPLING_WORDS = ("max_new_tokens", "do_sample", "temperature", "top_k", "top_p", "min_p", "typical_p",
                  "repetition_penalty", "seed")
# Words of transformers' generate that change nothing here.
NO_MEANING_IN_CALL = ("use_cache", "pad_token_id", "cache_implementation", "num_workers", "processor_kwargs",
                      "clean_up_tokenization_spaces", "return_type", "truncation", "padding", "prefix", "tokenizer")
NO_MEANING = ("token", "use_auth_token", "trust_remote_code", "use_fast", "framework", "model_kwargs", "tokenizer",
              "processor", "image_processor", "feature_extractor", "config", "attn_implementation", "num_workers",
              "binary_output", "local_files_only")
GENERATE_WORDS = SAMPLING_WORDS + ("stop_strings", "max_length", "num_return_sequences", "num_beams", "streamer",
                                   "generation_config")
CALL_WORDS = GENERATE_WORDS + NO_MEANING_IN_CALL + (
    "generate_kwargs", "stop_sequence", "return_full_text", "return_tensors", "return_text", "batch_size",
    "continue_final_message", "tools", "documents", "skip_special_tokens", "timeout", "allow_remote", "tokenizer_encode_kwargs",
    "strict_compat")
PROGRESS_FROM = 16  # lists as long as this show progress on a terminal, where tqdm is present

_warned: Set[str] = set()


def _warn_once(text: str) -> None:
    if text not in _warned:
        _warned.add(text)
        warnings.warn(text, UserWarning, stacklevel=4)


def _is_message(x: Any) -> bool:
    return isinstance(x, dict) and "role" in x and "content" in x


def _is_chat(x: Any) -> bool:
    """A list of dicts; a message without role or content is an error, as in transformers."""
    if not isinstance(x, (list, tuple)) or not x or not isinstance(x[0], dict) or "text" in x[0] and "images" in x[0]:
        return False
    if not all(_is_message(m) for m in x):
        raise InputError("When passing chat dicts as input, each dict must have a 'role' and 'content' key.")
    return True


def _is_lazy(x: Any) -> bool:
    """A generator or a data set that is not a list: its items are asked for one by one."""
    return isinstance(x, AnyIterator) or (hasattr(x, "__getitem__") and hasattr(x, "__len__")
                                          and not isinstance(x, (list, tuple, str, bytes, dict)))


def _continues(chat: Chat, asked: Optional[bool]) -> bool:
    return chat[-1]["role"] == "assistant" if asked is None else bool(asked)


def _extended(chat: Chat, answer: str) -> Chat:
    """The chat whose last message goes on with answer: a string, or the last text part of a list."""
    last = dict(chat[-1])
    if isinstance(last["content"], str):
        last["content"] += answer
    else:
        parts = list(last["content"])
        at = max((i for i, p in enumerate(parts) if isinstance(p, dict) and p.get("type") == "text"), default=None)
        if at is None:
            parts.append({"type": "text", "text": answer})
        else:
            parts[at] = dict(parts[at], text=parts[at]["text"] + answer)
        last["content"] = parts
    return list(chat[:-1]) + [last]


class Call:
    """The keywords of one call, sorted: how to sample, what to return."""

    def __init__(self, words: Dict[str, Any], defaults: Dict[str, Any]) -> None:
        unknown = [w for w in words if w not in CALL_WORDS]
        inner = words.get("generate_kwargs") or {}
        unknown += [w for w in inner if w not in GENERATE_WORDS + NO_MEANING_IN_CALL]
        if unknown:
            raise UnknownArgumentError("The following `model_kwargs` are not used by the model: %s (note: typos in the "
                                       "generate arguments will also show up in this list)" % unknown)
        for w in inner:
            if words.get(w) is not None:
                raise InputError("'%s' is defined twice, once in 'generate_kwargs' and once as a direct argument; please "
                                 "use only one" % w)
        given = dict(words, **inner)
        for w in given:
            if w in NO_MEANING_IN_CALL and given[w] is not None:
                _warn_once("`%s` has no meaning in whinchat and is ignored" % w)
        config = given.get("generation_config")
        base = dict(defaults) if config is None else _of_config(config)
        self.words = {k: v for k, v in base.items() if v is not None}
        self.words.update((k, v) for k, v in given.items() if v is not None)
        w = self.words
        self.full_text = bool(w.get("return_full_text", True))
        self.tensors = bool(w.get("return_tensors", False))
        if self.tensors and words.get("return_full_text") is not None:
            raise InputError("`return_full_text` is mutually exclusive with `return_tensors`")
        self.n_sequences = int(w.get("num_return_sequences", 1))
        if int(w.get("num_beams", 1)) != 1:
            raise UnsupportedError("num_beams: whinchat has no beam search; expected 1, found %r" % w["num_beams"])
        if self.n_sequences < 1:
            raise InputError("num_return_sequences: expected at least 1, found %d" % self.n_sequences)
        self.streamer: Any = w.get("streamer")
        self.batch_size = int(w.get("batch_size") or 1)
        if self.batch_size < 1:
            raise InputError("batch_size: expected at least 1, found %d" % self.batch_size)
        self.max_length = w.get("max_length") if w.get("max_new_tokens") is None else None
        self.sampling = Sampling(**{k: w[k] for k in SAMPLING_WORDS if k in w}, stop=self._stops())
        self.skip_special_tokens = bool(w.get("skip_special_tokens", True))

    def _stops(self) -> List[str]:
        stops: List[str] = []
        for key in ("stop_sequence", "stop_strings"):
            value = self.words.get(key)
            value = [value] if isinstance(value, str) else list(value or [])
            if not all(isinstance(s, str) for s in value):
                raise InputError("%s: expected a string or a list of strings" % key)
            stops += value
        return stops


def _of_config(config: Any) -> Dict[str, Any]:
    """The words of a generation config: a dict, or an object such as transformers' GenerationConfig."""
    values = config if isinstance(config, dict) else \
        config.to_diff_dict() if hasattr(config, "to_diff_dict") else vars(config)
    return {k: values[k] for k in GENERATE_WORDS if values.get(k) is not None}


class Pipeline:
    """What both pipelines share.  Made by pipeline(); several threads may call one."""

    task = ""

    def __init__(self, model: Model, device: str = "cpu", dtype: str = "auto", **defaults: Any) -> None:
        self.model, self.device, self.dtype, self._defaults = model, device, dtype, defaults
        self.tokenizer = Tokenizer(model)
        self._closed = False

    def close(self) -> None:
        """Gives the model back; a call after this raises ClosedError."""
        self._closed = True
        self.model.close()

    def __enter__(self) -> "Pipeline":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __repr__(self) -> str:
        modalities = tuple(reversed(self.model.info.get("modalities", ["text"])))
        return "%s: {'model': %r, 'dtype': %r, 'device': %r, 'input_modalities': %r, 'output_modalities': ('text',)}" % (
            type(self).__name__, self.model.info.get("architecture"), self.dtype, self.device, modalities)

    def _call(self, words: Dict[str, Any]) -> Call:
        if self._closed:
            raise ClosedError("the pipeline is closed; make a new one")
        return Call(words, self._defaults)

    # ---- from inputs to prompts, by each pipeline ----

    def _prompt(self, item: Any, call: Call) -> Prompt:
        raise NotImplementedError

    def _result(self, item: Any, answer: Answer, call: Call) -> Dict[str, Any]:
        raise NotImplementedError

    def _chat_request(self, chat: Chat, call: Call) -> Dict[str, Any]:
        go_on = _continues(chat, call.words.get("continue_final_message"))
        request: Dict[str, Any] = {"messages": chat, "add_generation_prompt": not go_on}
        if go_on:
            request["continue_final_message"] = True
        for key in ("tools", "documents"):
            if call.words.get(key) is not None:
                request[key] = call.words[key]
        return request

    # ---- running ----

    def _sampling(self, call: Call, prompt: Prompt, index: int) -> Sampling:
        s = Sampling(**vars(call.sampling))
        if index and s.seed:
            s.seed += index
        if call.max_length is not None:
            text = prompt.text
            ids = list(prompt.ids or ()) if text is None and prompt.chat is None else self.model.tokenize(
                text if text is not None else self.tokenizer.apply_chat_template(
                    prompt.chat["messages"], tokenize=False,  # type: ignore[index]
                    **{k: v for k, v in prompt.chat.items() if k != "messages"}),  # type: ignore[union-attr]
                prompt.chat is None)
            if len(ids) >= call.max_length:
                raise InputError("Input length of input_ids is %d, but `max_length` is set to %d. This can lead to "
                                 "unexpected behavior. You should consider increasing `max_length` or, better yet, "
                                 "setting `max_new_tokens`." % (len(ids), call.max_length))
            s.max_new_tokens = call.max_length - len(ids)
        return s

    def _answers(self, prompts: List[Prompt], call: Call) -> List[List[Answer]]:
        """num_return_sequences answers for each prompt; without seeds of their own all are computed together."""
        if call.streamer is not None:
            if len(prompts) > 1 or call.n_sequences > 1:
                raise InputError("TextStreamer only supports batch size 1")
            return [[self._streamed(prompts[0], call)]]
        n = call.n_sequences
        greedy = call.sampling.do_sample is False or (
            call.sampling.do_sample is None and not self.model.info.get("generation", {}).get("do_sample", False))
        if n > 1 and greedy:
            raise InputError("Greedy methods (do_sample != True) without beam search do not support "
                             "`num_return_sequences` different than 1 (got %d)." % n)
        more: Dict[str, Any] = {"allow_remote": bool(call.words.get("allow_remote")), "timeout": call.words.get("timeout")}
        every = [p for p in prompts for _ in range(n)]
        if call.max_length is not None or (call.sampling.seed and n > 1):
            flat = [self.model.generate([p], self._sampling(call, p, i % n), **more)[0] for i, p in enumerate(every)]
        else:
            flat = self.model.generate(every, call.sampling, **more)
        return [flat[i:i + n] for i in range(0, len(flat), n)]

    def _streamed(self, prompt: Prompt, call: Call) -> Answer:
        streamer: Any = call.streamer
        begun: List[int] = []

        def on_token(index: int, id: int, text: str, last: bool) -> bool:
            if not begun:
                begun.append(1)
                streamer.put(TokenIds(self._prompt_ids(prompt), batch=True))
            if id >= 0:
                streamer.put(TokenIds([id]))
            return True

        try:
            answer = self.model.generate([prompt], self._sampling(call, prompt, 0), on_token=on_token,
                                         allow_remote=bool(call.words.get("allow_remote")),
                                         timeout=call.words.get("timeout"))[0]
        except BaseException as e:
            if isinstance(streamer, TextIteratorStreamer):
                streamer.fail(e)
            raise
        streamer.end()
        return answer

    def _prompt_ids(self, prompt: Prompt) -> List[int]:
        """The prompt's ids as a streamer shows them; a picture's places count as one."""
        if prompt.ids is not None:
            return list(prompt.ids)
        if prompt.text is not None:
            return self.model.tokenize(prompt.text, True)
        request = dict(prompt.chat or {})
        return list(self.tokenizer.apply_chat_template(request.pop("messages"), **request))

    def _one(self, item: Any, call: Call) -> List[Dict[str, Any]]:
        return [self._result(item, a, call) for a in self._answers([self._prompt(item, call)], call)[0]]

    def _many(self, items: Sequence[Any], call: Call) -> List[List[Dict[str, Any]]]:
        out: List[List[Dict[str, Any]]] = []
        bar = _progress(len(items))
        for i in range(0, len(items), call.batch_size):
            batch = items[i:i + call.batch_size]
            answers = self._answers([self._prompt(item, call) for item in batch], call)
            out += [[self._result(item, a, call) for a in several] for item, several in zip(batch, answers)]
            bar(len(batch))
        bar(0)
        return out

    def _lazy(self, items: Any, call: Call, single: Callable[[Any], Any]) -> Iterator[List[Dict[str, Any]]]:
        """Batch by batch, no further than what is asked for."""
        batch: List[Any] = []
        for item in items:
            batch.append(single(item))
            if len(batch) == call.batch_size:
                yield from self._many(batch, call)
                batch = []
        if batch:
            yield from self._many(batch, call)

    def _new_text(self, answer: Answer, call: Call) -> str:
        """The text that the answer adds to the prompt's.  Stop strings stay in it, as in transformers."""
        skip = call.skip_special_tokens
        before = self.model.detokenize(answer.prompt_ids, skip)
        whole = self.model.detokenize(answer.prompt_ids + answer.ids, skip)
        return whole[len(before):] if whole.startswith(before) else self.model.detokenize(answer.ids, skip)


def _progress(n: int) -> Callable[[int], None]:
    """A function that is told how many are done; shows a bar for long lists on a terminal."""
    import sys
    if n < PROGRESS_FROM or not sys.stderr or not sys.stderr.isatty():
        return lambda done: None
    try:
        from tqdm import tqdm
    except ImportError:
        return lambda done: None
    bar = tqdm(total=n, unit="prompt")

    def told(done: int) -> None:
        if done:
            bar.update(done)
        else:
            bar.close()
    return told


class TextGenerationPipeline(Pipeline):
    """pipeline("text-generation"): pipe(texts_or_chats, **keywords)."""

    task = "text-generation"

    def __call__(self, text_inputs: Any, **words: Any) -> Any:
        """A string or a chat gives [{"generated_text"}]; a list of these a list of such lists; a generator an iterator.

        generated_text is the prompt's text with the answer, the chat with an assistant's message, or with
        return_full_text=False the answer alone; return_tensors=True gives [{"generated_token_ids": [ids]}].
        """
        call = self._call(words)
        if isinstance(text_inputs, str) or _is_chat(text_inputs):
            return self._one(self._check(text_inputs), call)
        if _is_lazy(text_inputs):
            return self._lazy(text_inputs, call, self._check)
        if not isinstance(text_inputs, (list, tuple)):
            raise TypeError("text-generation: expected a string, a chat (a list of messages) or a list of these, found %s"
                            % type(text_inputs).__name__)
        if not text_inputs:
            raise IndexError("text-generation: expected at least one prompt, found an empty list")
        return self._many([self._check(x) for x in text_inputs], call)

    def stream(self, text_inputs: Any, **words: Any) -> Iterator[str]:
        """The answer's text in pieces of whole characters; closing the iterator stops the work."""
        call = self._call(words)
        prompt = self._prompt(self._check(text_inputs), call)
        return self.model.stream(prompt, self._sampling(call, prompt, 0))

    @staticmethod
    def _check(item: Any) -> Any:
        if isinstance(item, str) or _is_chat(item):
            return item
        raise TypeError("text-generation: expected a string or a chat (a list of messages), found %s" % type(item).__name__)

    def _prompt(self, item: Any, call: Call) -> Prompt:
        return Prompt(text=item) if isinstance(item, str) else Prompt(chat=self._chat_request(list(item), call))

    def _result(self, item: Any, answer: Answer, call: Call) -> Dict[str, Any]:
        if call.tensors:
            return {"generated_token_ids": answer.prompt_ids + answer.ids}
        text = self._new_text(answer, call)
        if not call.full_text:
            return {"generated_text": text}
        if isinstance(item, str):
            return {"generated_text": item + text}
        if _continues(item, call.words.get("continue_final_message")):
            return {"generated_text": _extended(list(item), text)}
        return {"generated_text": list(item) + [{"role": "assistant", "content": text}]}


class _Asked:
    """One question of image-text-to-text: a chat or a text, and its pictures in order."""

    def __init__(self, given: Any, images: List[Any]) -> None:
        self.given, self.images = given, images


class ImageTextToTextPipeline(Pipeline):
    """pipeline("image-text-to-text"): pipe(images=None, text=None, **keywords); pipe(chat) works too."""

    task = "image-text-to-text"

    def __call__(self, images: Any = None, text: Any = None, **words: Any) -> Any:
        """text: a chat, a string with <image_soft_token> where pictures belong, or a list of either; images: pictures
        (PIL image, path, bytes, base64, data URL) that fill the places in order.

        A chat or string gives [{"input_text", "generated_text"}]; a list of these a list of such lists; texts beside
        images one flat list of dicts; a generator an iterator.
        """
        call = self._call(words)
        if text is None and images is None:
            raise InputError("You must at least provide either text or images.")
        if text is None:
            return self._without_text(images, call)
        if _is_chat(text):
            return self._one(self._fill(list(text), images), call)
        if isinstance(text, str):
            return self._one(self._text(text, images), call)
        if _is_lazy(text):
            return self._lazy(text, call, self._single)
        if not isinstance(text, (list, tuple)):
            raise TypeError("text: expected a string, a chat (a list of messages) or a list of these, found %s"
                            % type(text).__name__)
        if not text:
            raise IndexError("text: expected at least one prompt, found an empty list")
        if isinstance(text[0], str) and images is not None:
            return [d for several in self._many(self._texts(text, images), call) for d in several]
        if images is not None:
            return self._many(self._chats(text, images), call)
        return self._many([self._single(x) for x in text], call)

    def stream(self, images: Any = None, text: Any = None, **words: Any) -> Iterator[str]:
        """The answer's text in pieces of whole characters; closing the iterator stops the work."""
        call = self._call(words)
        if text is None:
            images, text = None, images
        asked = self._fill(list(text), images) if _is_chat(text) else self._text(text, images)
        prompt = self._prompt(asked, call)
        return self.model.stream(prompt, self._sampling(call, prompt, 0), timeout=call.words.get("timeout"),
                                 allow_remote=bool(call.words.get("allow_remote")))

    # ---- the forms of a question ----

    def _without_text(self, images: Any, call: Call) -> Any:
        """pipe(chat), pipe([chat, chat]), pipe({"images", "text"}), a list or a generator of these."""
        if isinstance(images, dict):
            return self._one(self._single(images), call)
        if _is_chat(images):
            return self._one(self._fill(list(images), None), call)
        if isinstance(images, (list, tuple)) and images and (isinstance(images[0], dict) or _is_chat(images[0])):
            return self._many([self._single(x) for x in images], call)
        if _is_lazy(images) and not hasattr(images, "shape") and not hasattr(images, "convert"):
            return self._lazy(images, call, self._single)
        raise InputError("image-text-to-text: expected text= beside the picture, or a chat; found only %s"
                         % type(images).__name__)

    def _single(self, x: Any) -> _Asked:
        if isinstance(x, dict) and not _is_message(x):
            if "images" not in x:
                raise KeyError("images")
            if "text" not in x:
                raise KeyError("text")
            return self._fill(list(x["text"]), x["images"]) if _is_chat(x["text"]) else self._text(x["text"], x["images"])
        if _is_chat(x):
            return self._fill(list(x), None)
        if isinstance(x, str):
            return self._text(x, None)
        raise TypeError("image-text-to-text: expected a chat, a string or {'images', 'text'}, found %s" % type(x).__name__)

    @staticmethod
    def _list(images: Any) -> List[Any]:
        return [] if images is None else list(images) if isinstance(images, (list, tuple)) else [images]

    def _text(self, text: Any, images: Any) -> _Asked:
        if not isinstance(text, str):
            raise TypeError("text: expected a string, found %s" % type(text).__name__)
        given, n = self._list(images), text.count(self._image_token())
        if n and not given:
            raise InputError("Found %d %s tokens in the text but no images were passed." % (n, self._image_token()))
        if n != len(given):
            raise InputError("The total number of %s tokens in the prompts should be the same as the number of images "
                             "passed. Found total %d %s tokens and %d images."
                             % (self._image_token(), n, self._image_token(), len(given)))
        return _Asked(text, given)

    def _texts(self, texts: Sequence[Any], images: Any) -> List[_Asked]:
        """Flat pictures are dealt out by the places of each text; a list of lists gives each text its own."""
        given = self._list(images)
        if given and isinstance(given[0], (list, tuple)):
            if len(given) != len(texts):
                raise InputError("images: expected a list for each of %d texts, found %d" % (len(texts), len(given)))
            return [self._text(t, g) for t, g in zip(texts, given)]
        counts = [t.count(self._image_token()) if isinstance(t, str) else 0 for t in texts]
        if sum(counts) != len(given):
            raise InputError("The total number of %s tokens in the prompts should be the same as the number of images "
                             "passed. Found total %d %s tokens and %d images."
                             % (self._image_token(), sum(counts), self._image_token(), len(given)))
        out = []
        for t, n in zip(texts, counts):
            out.append(self._text(t, given[:n]))
            given = given[n:]
        return out

    def _chats(self, chats: Sequence[Any], images: Any) -> List[_Asked]:
        given = self._list(images)
        if len(given) != len(chats):
            raise InputError("images: expected one entry for each of %d chats, found %d" % (len(chats), len(given)))
        return [self._fill(list(c), g) for c, g in zip(chats, given) if _is_chat(c)]

    def _fill(self, chat: Chat, images: Any) -> _Asked:
        """Puts images into the places {"type": "image"} of a chat, in order; messages that change are copied."""
        given, used, all_images, out = self._list(images), 0, [], []
        places = sum(1 for part in _parts(chat) if pictures.is_image_part(part) and pictures.image_of_part(part) is None)
        if places and images is None:
            raise InputError("Found %d %s tokens in the text but no images were passed." % (places, self._image_token()))
        if images is not None and places != len(given):
            raise InputError("The number of images in the chat messages should be the same as the number of images passed "
                             "to the pipeline. The chat has %d place%s for images, %d passed."
                             % (places, "" if places == 1 else "s", len(given)))
        for message in chat:
            parts = message["content"]
            if isinstance(parts, (list, tuple)):
                filled = []
                for part in parts:
                    if isinstance(part, dict) and part.get("type") in ("audio", "video", "input_audio"):
                        raise UnsupportedError("unsupported modality %r: whinchat takes text and images" % part["type"])
                    if isinstance(part, dict) and pictures.is_image_part(part):
                        if pictures.image_of_part(part) is None:
                            part, used = dict(part, image=given[used]), used + 1
                        all_images.append(pictures.image_of_part(part))
                    filled.append(part)
                if any(a is not b for a, b in zip(filled, parts)):
                    message = dict(message, content=filled)
            out.append(message)
        return _Asked(out, all_images)

    def _image_token(self) -> str:
        return "<image_soft_token>"

    # ---- prompts and results ----

    def _prompt(self, item: Any, call: Call) -> Prompt:
        if isinstance(item.given, str):
            return Prompt(text=item.given, images=item.images)
        return Prompt(chat=self._chat_request([_plain(m) for m in item.given], call), images=item.images)

    def _result(self, item: Any, answer: Answer, call: Call) -> Dict[str, Any]:
        given = item.given
        if call.tensors:
            return {"input_text": given, "generated_token_ids": _tensor(answer.prompt_ids + answer.ids)}
        text = self._new_text(answer, call)
        if not call.full_text:
            return {"input_text": given, "generated_text": text}
        if isinstance(given, str):
            return {"input_text": given, "generated_text": given + text}
        if _continues(given, call.words.get("continue_final_message")):
            return {"input_text": given, "generated_text": _extended(given, text)}
        return {"input_text": given, "generated_text": given + [{"role": "assistant", "content": text}]}


def _parts(chat: Chat) -> Iterator[Dict[str, Any]]:
    for message in chat:
        if isinstance(message["content"], (list, tuple)):
            yield from (p for p in message["content"] if isinstance(p, dict))


def _plain(message: Dict[str, Any]) -> Dict[str, Any]:
    """The message as the template sees it: a picture is a place, its data go beside the prompt."""
    if not isinstance(message["content"], (list, tuple)):
        return message
    return dict(message, content=[{"type": "image"} if isinstance(p, dict) and pictures.is_image_part(p) else p
                                  for p in message["content"]])


def _tensor(ids: List[int]) -> Any:
    """int64 [n]: a torch tensor where torch was imported, else a numpy array where numpy is present, else the list."""
    import sys
    torch = sys.modules.get("torch")
    if torch is not None:
        return torch.tensor(ids)
    try:
        import numpy
    except ImportError:
        return ids
    return numpy.array(ids, dtype=numpy.int64)


TASKS: Dict[str, Any] = {"image-text-to-text": ImageTextToTextPipeline, "text-generation": TextGenerationPipeline}


def _dtype_name(dtype: Any) -> str:
    name = "auto" if dtype is None else str(dtype).split(".")[-1]
    name = {"half": "float16", "float": "float32", "bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}.get(name, name)
    if name not in DTYPES:
        raise InputError("dtype: expected one of %s or a torch dtype, found %r" % (", ".join(DTYPES), dtype))
    return name


def _check_device(device: Any, device_map: Any) -> None:
    if device is not None and device_map is not None:
        _warn_once("Both `device` and `device_map` are specified. `device` will override `device_map`.")
    name = str(device) if device is not None else str(device_map) if isinstance(device_map, str) else "cpu"
    if name in ("cpu", "-1", "auto", "balanced", "sequential") or name.startswith("cpu:"):
        return
    if name.isdigit() or name.split(":")[0] in ("cuda", "mps", "xpu"):
        _warn_once("whinchat runs on the CPU; device %r is not used" % name)
        return
    raise InputError("device: expected 'cpu', 'cuda' or a number, found %r" % (device if device is not None else device_map))


def pipeline(task: Optional[str] = None, model: Any = None, *, dtype: Any = None, torch_dtype: Any = None,
             device: Any = None, device_map: Any = None, revision: Optional[str] = None, threads: int = 0,
             **more: Any) -> Any:
    """A pipeline for "image-text-to-text" or "text-generation", as transformers.pipeline makes it.

    model: a folder, a name in the Hugging Face cache, a shipped model, or a whinchat.Model.  dtype: "auto", a name or a
    torch dtype; "float32" computes all activations in float32.  device: the CPU is used whatever is asked for, with one
    warning for a GPU.  threads: 0 for the physical cores.  Words of a call (max_new_tokens, do_sample ...) given here
    hold for every call.  What has no meaning here warns once; what is unknown raises TypeError.
    """
    if task is None and model is None:
        raise RuntimeError("Impossible to instantiate a pipeline without either a task or a model being specified. Please "
                           "provide a task or a model.")
    if task is None:
        raise RuntimeError("whinchat: the task cannot be inferred; give one of %s" % ", ".join(sorted(TASKS)))
    if task not in TASKS:
        raise KeyError("Unknown task %s, available tasks are %s" % (task, sorted(TASKS)))
    if model is None:
        raise TypeError("pipeline: expected model=, a folder or a name; whinchat has no default model")
    unknown = [w for w in more if w not in NO_MEANING and w not in CALL_WORDS]
    if unknown:
        raise UnknownArgumentError("pipeline() got an unexpected keyword argument %s" % ", ".join(map(repr, unknown)))
    for w in more:
        if w in NO_MEANING and more[w] is not None and (w, more[w]) != ("local_files_only", True):
            _warn_once("`%s` has no meaning in whinchat and is ignored" % w)
    if torch_dtype is not None:
        _warn_once("`torch_dtype` is deprecated! Use `dtype` instead!")
    name = _dtype_name(dtype if dtype is not None else torch_dtype)
    _check_device(device, device_map)
    if not isinstance(model, Model):
        if not isinstance(model, (str, os.PathLike)):
            raise TypeError("model: expected a name, a folder or a whinchat.Model, found %s" % type(model).__name__)
        path: Any = "%s@%s" % (model, revision) if revision and isinstance(model, str) else model
        model = Model(path, threads=threads, f32=name == "float32")
    defaults = {w: v for w, v in more.items() if w in CALL_WORDS and v is not None}
    Call(defaults, {})  # what is wrong with them is said here, not at the first call
    return TASKS[task](model, dtype=name, **defaults)
