"""A model that is talked with, as the adapters for other libraries (langchain.py, llama_index.py) need it."""
from typing import Any, Dict, Iterator, List, Optional, Sequence

from .model import Model
from .pipelines import pipeline


class Talker:
    """Chats and texts in, pieces of text out.  model: a folder, a name or a whinchat.Model; words, more: of every call."""

    def __init__(self, model: Any, words: Dict[str, Any], more: Optional[Dict[str, Any]] = None) -> None:
        self.model = model if isinstance(model, Model) else Model(model)
        info, self.words = self.model.info, {w: v for w, v in dict(words, **(more or {})).items() if v is not None}
        self.has_chat = bool(info.get("chat_template"))
        self.name = str(info.get("name", ""))
        self.context = int(info["context_length"])
        self._media = pipeline("any-to-any", self.model) if len(info.get("modalities", ["text"])) > 1 else None
        self._text = pipeline("text-generation", self.model)

    def stream(self, asked: Any, stop: Optional[Sequence[str]] = None, **words: Any) -> Iterator[str]:
        """Pieces of the answer to a chat (a list of messages) or a text, without the stop string that ended it."""
        given = dict(self.words, **{w: v for w, v in words.items() if v is not None})
        if given.get("temperature") is not None:  # elsewhere a temperature says that there is sampling, and 0 that there is none
            given.setdefault("do_sample", given["temperature"] > 0)
            if not given["do_sample"]:
                del given["temperature"]
        if stop:
            given["stop_strings"] = list(stop)
        pipe = self._media if self._media is not None and not isinstance(asked, str) else self._text
        return iter(pipe.stream(asked, **given))


def message(role: str, content: Any) -> Dict[str, Any]:
    """A message as the pipelines take it, of content that is text or a list of text and {"type", ...}."""
    if isinstance(content, str):
        return {"role": role, "content": content}
    return {"role": role, "content": [_part(p) for p in content]}


def _part(part: Any) -> Dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    kind = part.get("type")
    if kind in ("image", "audio"):
        data = next((part[k] for k in (kind, "base64", "data", "url", "path") if part.get(k) is not None), None)
        return {"type": kind, kind: data}
    return dict(part)


def vector(row: Any) -> List[float]:
    """A vector as a list of Python floats."""
    return [float(x) for x in row]
