"""What pipelines share, and what those that generate text do: from items to prompts, batches, sequences and streams."""
import sys
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence

from .calls import COMMON_WORDS, Call
from .chats import continues
from .errors import ClosedError, InputError
from .model import Model
from .options import Answer, Chat, Prompt, Sampling
from .streamers import TextIteratorStreamer, TokenIds
from .tokenizer import Tokenizer

PROGRESS_FROM = 16  # lists as long as this show progress on a terminal, where tqdm is present
CLEAN_UP = ((" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"), (" 's", "'s"),
            (" 've", "'ve"), (" 're", "'re"))  # what clean_up_tokenization_spaces puts in place of what


class Pipeline:
    """What all pipelines share.  Made by pipeline(); several threads may call one.

    model: the whinchat.Model; tokenizer: its whinchat.Tokenizer; task, device, dtype: as pipeline() was asked.
    """

    task = ""
    words: Sequence[str] = COMMON_WORDS  # the keywords that its calls know
    keeps_none = False  # None is a value of its keywords, not the same as their absence

    def __init__(self, model: Model, device: str = "cpu", dtype: str = "auto", **defaults: Any) -> None:
        self.model, self.device, self.dtype, self._defaults = model, device, dtype, defaults
        self.tokenizer = Tokenizer(model)
        self._closed = False
        self._call(defaults)  # what is wrong with them is said here, not at the first call

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

    def _call(self, words: Dict[str, Any]) -> Any:
        """The keywords of one call over those given to pipeline(), checked."""
        raise NotImplementedError

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("the pipeline is closed; make a new one")


class GenerationPipeline(Pipeline):
    """What the pipelines that generate text share."""

    def _call(self, words: Dict[str, Any]) -> Call:
        self._check_open()
        return Call(words, self._defaults, self.words)

    # ---- from inputs to prompts and from answers to results, by each pipeline ----

    def _prompt(self, item: Any, call: Call) -> Prompt:
        raise NotImplementedError

    def _result(self, item: Any, answer: Answer, call: Call) -> Dict[str, Any]:
        raise NotImplementedError

    def _chat_request(self, chat: Chat, call: Call, variables: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        """The request for the C side; variables: more names that the template sees."""
        go_on = continues(chat, call.go_on)
        request: Dict[str, Any] = {"messages": chat, "add_generation_prompt": not go_on}
        if go_on:
            request["continue_final_message"] = True
        for key in ("tools", "documents"):
            if call.words.get(key) is not None:
                request[key] = call.words[key]
        if variables:
            request["kwargs"] = variables
        return request

    # ---- running ----

    def _fetching(self, call: Call) -> Dict[str, Any]:
        return {"allow_remote": bool(call.words.get("allow_remote")), "timeout": call.words.get("timeout")}

    def _answers(self, prompts: List[Prompt], call: Call) -> List[List[Answer]]:
        """num_return_sequences answers for each prompt; without seeds of their own all are computed together."""
        if call.streamer is not None:
            if len(prompts) > 1 or call.n_sequences > 1:
                raise InputError("TextStreamer only supports batch size 1")
            return [[self._streamed(prompts[0], call)]]
        n, s = call.n_sequences, call.sampling
        sampled = self.model.info.get("generation", {}).get("do_sample", False) if s.do_sample is None else s.do_sample
        if n > 1 and not sampled:
            raise InputError("Greedy methods (do_sample != True) without beam search do not support "
                             "`num_return_sequences` different than 1 (got %d)." % n)
        every = [p for p in prompts for _ in range(n)]
        if s.seed and n > 1:
            flat = []
            for i, p in enumerate(every):
                own = Sampling(**dict(vars(s), seed=s.seed + i % n))
                flat += self.model.generate([p], own, **self._fetching(call))
        else:
            flat = self.model.generate(every, s, **self._fetching(call))
        return [flat[i:i + n] for i in range(0, len(flat), n)]

    def _streamed(self, prompt: Prompt, call: Call) -> Answer:
        streamer: Any = call.streamer

        def on_prompt(index: int, ids: List[int]) -> None:
            streamer.put(TokenIds(ids, batch=True))

        def on_token(index: int, id: int, text: str, last: bool) -> bool:
            if id >= 0:
                streamer.put(TokenIds([id]))
            return True

        try:
            answer = self.model.generate([prompt], call.sampling, on_token=on_token, on_prompt=on_prompt,
                                         **self._fetching(call))[0]
        except BaseException as e:
            if isinstance(streamer, TextIteratorStreamer):
                streamer.fail(e)
            raise
        streamer.end()
        return answer

    def _one(self, item: Any, call: Call) -> List[Dict[str, Any]]:
        with self.model._use():
            return [self._result(item, a, call) for a in self._answers([self._prompt(item, call)], call)[0]]

    def _many(self, items: Sequence[Any], call: Call) -> List[List[Dict[str, Any]]]:
        out: List[List[Dict[str, Any]]] = []
        bar = progress(len(items))
        for i in range(0, len(items), call.batch_size):
            batch = items[i:i + call.batch_size]
            with self.model._use():
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

    def _text_of(self, ids: Sequence[int], call: Call) -> str:
        """Text of ids [n].  Stop strings stay in it, as in transformers."""
        text = self.model.detokenize(ids, call.skip_special_tokens)
        return clean_up(text) if call.clean_up else text


def clean_up(text: str) -> str:
    """text without the spaces that tokenizers leave before punctuation."""
    for old, new in CLEAN_UP:
        text = text.replace(old, new)
    return text


def progress(n: int, unit: str = "prompt", shown: Optional[bool] = None) -> Callable[[int], None]:
    """A function that is told how many are done, 0 at the end; shows a bar where asked for, else for long lists on a terminal."""
    asked = n >= PROGRESS_FROM and bool(sys.stderr) and sys.stderr.isatty() if shown is None else shown
    if not asked:
        return lambda done: None
    try:
        from tqdm import tqdm
    except ImportError:
        return lambda done: None
    bar = tqdm(total=n, unit=unit)

    def told(done: int) -> None:
        if done:
            bar.update(done)
        else:
            bar.close()
    return told
