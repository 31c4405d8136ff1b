"""What the pipelines of encoders share: the forms of a call, batches, and how long a text may be."""
from typing import Any, Dict, List, Optional, Sequence

from .base import Pipeline, progress
from .calls import warn_once
from .chats import is_lazy
from .encoders import Tokens, most_tokens, tokens_of
from .errors import InputError, UnknownArgumentError, UnsupportedError
from .model import Model

ALWAYS = ("batch_size", "num_workers")


class EncoderPipeline(Pipeline):
    """pipe(text), pipe([texts]), pipe(generator): one result, a list of results, an iterator of results.

    Texts of a batch (batch_size=) are computed together, without padding, and each gives the bits that it gives alone.
    """

    words: Sequence[str] = ()
    keeps_none = True
    head = ""  # the task that the model must have a head for, "" when any encoder will do

    def __init__(self, model: Model, device: str = "cpu", dtype: str = "auto", **defaults: Any) -> None:
        info = model.info
        if "encoder" not in info:
            raise UnsupportedError("%s: expected an encoder such as BERT for %s, found a model that generates text"
                                   % (model.name, self.task))
        if self.head and info["task"] != self.head:
            raise UnsupportedError("%s: expected a model with a head for %s, found one for %s"
                                   % (model.name, self.head, info["task"]))
        super().__init__(model, device, dtype, **defaults)

    def _call(self, words: Dict[str, Any]) -> Dict[str, Any]:
        self._check_open()
        for w in words:
            if w not in self.words and w not in ALWAYS:
                raise UnknownArgumentError("%s got an unexpected keyword argument %r" % (type(self).__name__, w))
        if words.get("num_workers"):
            warn_once("`num_workers` has no meaning in whinchat and is ignored")
        call = dict(self._defaults, **words)
        size = call.get("batch_size")
        if size is not None and (isinstance(size, bool) or not isinstance(size, int)):
            raise TypeError("batch_size: expected int, found %s" % type(size).__name__)
        if size is not None and size < 1:
            raise InputError("batch_size: expected at least 1, found %d" % size)
        self._check(call)
        return call

    # ---- by each pipeline ----

    def _check(self, call: Dict[str, Any]) -> None:
        """Refuses keywords that cannot be honoured."""

    def _batch(self, items: Sequence[Any], call: Dict[str, Any]) -> List[Any]:
        """The results of some inputs, computed together."""
        raise NotImplementedError

    # ---- the forms of a call ----

    def _run(self, inputs: Any, call: Dict[str, Any]) -> Any:
        if is_lazy(inputs):
            return self._lazily(inputs, call)
        if not isinstance(inputs, (list, tuple)):
            return self._batch([inputs], call)[0]
        if not inputs:
            raise IndexError("%s: expected at least one text, found an empty list" % self.task)
        return self._in_batches(list(inputs), call)

    def _in_batches(self, items: List[Any], call: Dict[str, Any]) -> List[Any]:
        size, out = call.get("batch_size") or 1, []
        bar = progress(len(items), "text")
        for i in range(0, len(items), size):
            out += self._batch(items[i:i + size], call)
            bar(len(items[i:i + size]))
        bar(0)
        return out

    def _lazily(self, items: Any, call: Dict[str, Any]) -> Any:
        batch: List[Any] = []
        for item in items:
            batch.append(item)
            if len(batch) == (call.get("batch_size") or 1):
                yield from self._batch(batch, call)
                batch = []
        if batch:
            yield from self._batch(batch, call)

    def _tokens(self, text: Any, pair: Optional[Any], cutting: Dict[str, Any]) -> Tokens:
        """The tokens of a text or pair, cut as asked for; a longer one is refused."""
        for t in (text,) if pair is None else (text, pair):
            if not isinstance(t, str):
                raise not_a_text(self.task, t)
        most = most_tokens(cutting, self.model.info["encoder"]["max_tokens"])
        tokens = tokens_of(self.model, text, pair, most)
        if tokens.cut and not most:
            raise InputError("%s: the text has more than the %d tokens that the model can read; truncation=True cuts it"
                             % (self.task, self.model.info["context_length"]))
        return tokens


class _NotAText(InputError, TypeError):
    pass


def not_a_text(task: str, found: Any) -> InputError:
    return _NotAText("%s: text input must be of type `str`, found %s" % (task, type(found).__name__))
