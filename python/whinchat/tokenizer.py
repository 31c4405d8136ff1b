"""The tokenizer and the chat template on their own."""
import datetime
import os
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union, overload

from . import _native
from ._native import ffi, lib
from .errors import InputError
from .model import Model
from .sessions import to_json

Messages = Sequence[Dict[str, Any]]
_REQUEST_KEYS = ("documents",)


def _render(c_model: Any, source: Optional[str], request: Dict[str, Any]) -> str:
    c_source = ffi.new("char[]", _native.c_text(source, "template")) if source is not None else ffi.NULL
    err = _native.new_error()
    text = lib.wc_chat_render(c_model, c_source, to_json(request), err)
    if text == ffi.NULL:
        e = _native.exception(err)
        raise e
    return _native.take_string(text)


def _request(messages: Messages, tools: Optional[Sequence[Any]], add_generation_prompt: bool,
             continue_final_message: bool, kwargs: Dict[str, Any]) -> Dict[str, Any]:
    request: Dict[str, Any] = {"messages": list(messages), "add_generation_prompt": bool(add_generation_prompt)}
    if tools is not None:
        request["tools"] = list(tools)
    if continue_final_message:
        request["continue_final_message"] = True
    for key in _REQUEST_KEYS:
        if kwargs.get(key) is not None:
            request[key] = kwargs[key]
    rest = {k: v for k, v in kwargs.items() if k not in _REQUEST_KEYS}
    if rest:
        request["kwargs"] = rest
    return request


class ChatTemplate:
    """A chat template in Jinja, sandboxed: ChatTemplate(source, bos_token="<bos>").render(messages).

    special_tokens: names and texts that the template sees, bos_token and eos_token above all.  now: the time that
    strftime_now shows, an ISO string or a datetime; the clock's when None.
    """

    def __init__(self, source: str, *, now: Union[str, datetime.datetime, None] = None, **special_tokens: str) -> None:
        _native.c_text(source, "template")
        self.source, self.special_tokens = source, special_tokens
        self.now = now.strftime("%Y-%m-%dT%H:%M:%S") if isinstance(now, datetime.datetime) else now

    def render(self, messages: Messages, tools: Optional[Sequence[Any]] = None, add_generation_prompt: bool = False,
               continue_final_message: bool = False, **kwargs: Any) -> str:
        """The prompt's text as transformers' apply_chat_template gives it.  Raises TemplateError."""
        from .errors import TemplateError, WhinchatError
        request = _request(messages, tools, add_generation_prompt, continue_final_message, kwargs)
        if self.special_tokens:
            request["special_tokens"] = self.special_tokens
        if self.now is not None:
            request["now"] = self.now
        try:
            return _render(ffi.NULL, self.source, request)
        except TemplateError:
            raise
        except WhinchatError as e:
            raise TemplateError(str(e)) from None


class Tokenizer:
    """Text to ids and back, as the model's tokenizer.json says.  Made by from_pretrained, or Tokenizer(model)."""

    def __init__(self, model: Model) -> None:
        self._model = model

    @classmethod
    def from_pretrained(cls, path: Union[str, "os.PathLike[str]"]) -> "Tokenizer":
        """Opens a folder, a cached or a shipped model; the weights are not needed."""
        return cls(Model(path, tokenizer_only=True))

    @property
    def mask_token(self) -> Optional[str]:
        """The text that stands for a masked word; None where the model knows none."""
        text = self._model.info.get("encoder", {}).get("mask_token")
        return None if text is None else str(text)

    @property
    def mask_token_id(self) -> Optional[int]:
        """Its id."""
        id = self._model.info.get("encoder", {}).get("mask_token_id")
        return None if id is None else int(id)

    @overload
    def encode(self, text: str, add_special_tokens: bool = True) -> List[int]: ...

    @overload
    def encode(self, text: Union[List[str], Tuple[str, ...]], add_special_tokens: bool = True) -> List[List[int]]: ...

    def encode(self, text: Union[str, List[str], Tuple[str, ...]],
               add_special_tokens: bool = True) -> Union[List[int], List[List[int]]]:
        """Token ids of a text, [n]; of a list of texts, a list of these."""
        if isinstance(text, str):
            return self._model.tokenize(text, add_special_tokens)
        return [self._model.tokenize(t, add_special_tokens) for t in text]

    def encode_with_offsets(self, text: str, add_special_tokens: bool = True) -> Tuple[List[int], List[Tuple[int, int]]]:
        """Ids [n] and for each the characters (start, end) of text that it stands for; (0, 0) for added tokens.

        The offsets are found by holding the tokens' texts against the text: tokens that share a character (bytes of
        one) all name it.  InputError where a tokenizer changes the text so far that this is not possible.
        """
        ids = self._model.tokenize(text, add_special_tokens)
        bare = self._model.tokenize(text, False)
        before = next((k for k in range(len(ids) - len(bare) + 1) if ids[k:k + len(bare)] == bare), 0)
        offsets = [(0, 0)] * before
        data, at = text.encode("utf-8", "replace"), 0
        lead = self._model.detokenize(bare, False).encode("utf-8")
        if lead != data:
            raise InputError("offsets: the tokenizer changes this text, so that characters cannot be told apart")
        starts = _byte_to_char(text)
        for k in range(len(bare)):
            end = len(self._model.detokenize(bare[:k + 1], False).encode("utf-8"))
            if k + 1 < len(bare) and not data.startswith(self._model.detokenize(bare[:k + 1], False).encode("utf-8")):
                end = at  # in the middle of a character: the text ends in U+FFFD
            offsets.append((starts[at], starts[end - 1] + 1 if end > at else starts[at] + 1))
            at = max(at, end)
        return ids, offsets + [(0, 0)] * (len(ids) - len(offsets))

    @overload
    def decode(self, ids: Sequence[int], skip_special_tokens: bool = False) -> str: ...

    @overload
    def decode(self, ids: Sequence[Sequence[int]], skip_special_tokens: bool = False) -> List[str]: ...

    def decode(self, ids: Any, skip_special_tokens: bool = False, **_: Any) -> Union[str, List[str]]:
        """Text of ids [n]; of a list of lists, a list of texts."""
        ids = ids.tolist() if hasattr(ids, "tolist") else ids
        if isinstance(ids, int):
            ids = [ids]
        if ids and isinstance(ids[0], (list, tuple)):
            return [self._model.detokenize(row, skip_special_tokens) for row in ids]
        return self._model.detokenize(ids, skip_special_tokens)

    def batch_decode(self, rows: Sequence[Sequence[int]], skip_special_tokens: bool = False) -> List[str]:
        """Texts of rows of ids."""
        return [self._model.detokenize(row, skip_special_tokens) for row in rows]

    def __call__(self, text: Union[str, List[str], Tuple[str, ...]], add_special_tokens: bool = True) -> Dict[str, Any]:
        """{"input_ids", "attention_mask"}, lists [n] for a text and lists of these for a list."""
        if isinstance(text, str):
            ids: Any = self.encode(text, add_special_tokens)
            ones: Any = [1] * len(ids)
        else:
            ids = self.encode(text, add_special_tokens)
            ones = [[1] * len(row) for row in ids]
        return {"input_ids": ids, "attention_mask": ones}

    def apply_chat_template(self, conversation: Any, tools: Optional[Sequence[Any]] = None, *,
                            chat_template: Optional[str] = None, add_generation_prompt: bool = False,
                            continue_final_message: bool = False, tokenize: bool = True, **kwargs: Any) -> Any:
        """The ids [n] of a chat, or its text with tokenize=False; for a list of chats a list of these."""
        chats = conversation if conversation and isinstance(conversation[0], (list, tuple)) else [conversation]
        texts = []
        for chat in chats:
            with self._model._use() as c:
                texts.append(_render(c, chat_template,
                                     _request(chat, tools, add_generation_prompt, continue_final_message, kwargs)))
        out: List[Any] = [self._model.tokenize(t, False) for t in texts] if tokenize else list(texts)
        return out if chats is conversation else out[0]


def _byte_to_char(text: str) -> List[int]:
    """For every byte of the UTF-8 form, and one past the end, the character that it belongs to."""
    out = []
    for i, c in enumerate(text):
        out += [i] * len(c.encode("utf-8", "replace"))
    return out + [len(text)]
