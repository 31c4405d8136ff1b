"""Streamers as in transformers: objects that a call gives its tokens to while it makes them."""
import queue
import unicodedata
from typing import Any, Iterator, List, Optional, Sequence, Union


class TokenIds:
    """Ids as a streamer of transformers expects them: shape, tolist() and the first row of a batch of one.

    No torch is needed for it; shape is [n] or [1, n].
    """

    def __init__(self, ids: Sequence[int], batch: bool = False) -> None:
        self._ids, self._batch = list(ids), batch
        self.shape = (1, len(self._ids)) if batch else (len(self._ids),)

    def tolist(self) -> List[Any]:
        return [list(self._ids)] if self._batch else list(self._ids)

    def cpu(self) -> "TokenIds":
        return self

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, i: int) -> Any:
        return TokenIds(self._ids) if self._batch and i == 0 else self._ids[i]


def _is_cjk(c: str) -> bool:
    """The blocks of transformers' TextStreamer, whose characters need no space after them."""
    n = ord(c)
    return any(a <= n <= b for a, b in ((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F),
                                        (0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F)))


def _is_settled(c: str) -> bool:
    """A space, a letter, a mark upon one or a digit, which what follows does not change."""
    return c.isspace() or unicodedata.category(c)[0] in "LMN"


class TextStreamer:
    """Prints text as it comes; signs wait for the next space, in case they are part of something.

    tokenizer: anything with decode(ids, **decode_kwargs); skip_prompt: leave out what was given.
    """

    def __init__(self, tokenizer: Any, skip_prompt: bool = False, **decode_kwargs: Any) -> None:
        self.tokenizer, self.skip_prompt, self.decode_kwargs = tokenizer, skip_prompt, decode_kwargs
        self._cache: List[int] = []
        self._printed = 0
        self._prompt_is_next = True

    def put(self, value: Any) -> None:
        """Takes ids, [n] or [1, n]; the first call brings the prompt."""
        if len(value.shape) > 1:
            if value.shape[0] > 1:
                raise ValueError("TextStreamer only supports batch size 1")
            value = value[0]
        if self._prompt_is_next:
            self._prompt_is_next = False
            if self.skip_prompt:
                return
        self._cache.extend(value.tolist())
        text = self.tokenizer.decode(self._cache, **self.decode_kwargs)
        new = text[self._printed:]
        if text.endswith("\n"):  # the last token stays: what follows may begin with a space beside it
            self._cache = self._cache[-1:]
            self._printed = len(self.tokenizer.decode(self._cache, **self.decode_kwargs))
        else:
            if not (text and _is_cjk(text[-1]) or all(map(_is_settled, new))):
                new = text[self._printed:text.rfind(" ") + 1]
            self._printed += len(new)
        self.on_finalized_text(new)

    def end(self) -> None:
        """The answer is over: gives out the rest."""
        text = self.tokenizer.decode(self._cache, **self.decode_kwargs) if self._cache else ""
        piece = text[self._printed:]
        self._cache, self._printed, self._prompt_is_next = [], 0, True
        self.on_finalized_text(piece, stream_end=True)

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        """Takes text that will not change any more; to be overridden."""
        print(text, flush=True, end="" if not stream_end else None)


class TextIteratorStreamer(TextStreamer):
    """Iterate over it in one thread while another makes the call with streamer=this.

    timeout: seconds after which the reader raises queue.Empty.  Unlike transformers', a call that fails raises its
    error in the reader as well, which would otherwise wait for ever.
    """

    def __init__(self, tokenizer: Any, skip_prompt: bool = False, timeout: Optional[float] = None,
                 **decode_kwargs: Any) -> None:
        super().__init__(tokenizer, skip_prompt, **decode_kwargs)
        self.text_queue: "queue.Queue[Union[str, BaseException, None]]" = queue.Queue()
        self.timeout = timeout

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        """Puts text where the reader takes it."""
        self.text_queue.put(text)
        if stream_end:
            self.text_queue.put(None)

    def fail(self, error: BaseException) -> None:
        """The call failed: the reader raises error."""
        self.text_queue.put(error)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        value = self.text_queue.get(timeout=self.timeout)
        if value is None:
            raise StopIteration
        if isinstance(value, BaseException):
            raise value
        return value
