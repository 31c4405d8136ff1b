"""pipeline("text-generation")."""
from typing import Any, Dict, Iterator, Optional

from .base import GenerationPipeline
from .calls import FULL_TEXT, TENSORS, TEXT_WORDS, Call
from .chats import answered, is_chat, is_lazy
from .errors import InputError, UnsupportedError
from .options import Answer, Prompt


class TextGenerationPipeline(GenerationPipeline):
    """pipeline("text-generation"): pipe(texts_or_chats, **keywords)."""

    task = "text-generation"
    words = TEXT_WORDS

    def __call__(self, text_inputs: Any, **words: Any) -> Any:
        """A string or a chat gives [{"generated_text"}]; a list of these a list of such lists; a generator an iterator.

        generated_text is the prompt's text with the answer, the chat with an assistant's message, or with
        return_full_text=False the answer alone; return_tensors=True gives [{"generated_token_ids": [ids]}].
        """
        call = self._call(words)
        if isinstance(text_inputs, str) or is_chat(text_inputs):
            return self._one(self._check(text_inputs), call)
        if is_lazy(text_inputs):
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
        return self.model.stream(self._prompt(self._check(text_inputs), call), call.sampling)

    @staticmethod
    def _check(item: Any) -> Any:
        if isinstance(item, str) or is_chat(item):
            return item
        raise TypeError("text-generation: expected a string or a chat (a list of messages), found %s" % type(item).__name__)

    def _prompt(self, item: Any, call: Call) -> Prompt:
        encode = {k: v for k, v in call.words.items() if k in ("truncation", "add_special_tokens", "max_length")}
        encode.update(call.words.get("tokenizer_encode_kwargs") or {})
        special, truncation = encode.pop("add_special_tokens", True), encode.pop("truncation", False)
        max_length = encode.pop("max_length", None)
        max_length = max_length if truncation else None
        encode.pop("padding", None)  # one prompt at a time needs none
        hole = self._hole(call)
        if isinstance(item, str):
            if encode:
                raise UnsupportedError("tokenizer_encode_kwargs: %s does not apply to a text" % ", ".join(sorted(encode)))
            text = str(call.words.get("prefix") or "") + item
            if special and max_length is None and hole is None and "\0" not in text:
                return Prompt(text=text)
            ids = self.model.tokenize(text, bool(special))
        else:
            request = self._chat_request(list(item), call, encode)
            if max_length is None and hole is None:
                return Prompt(chat=request)
            template = {k: v for k, v in request.items() if k not in ("messages", "kwargs")}
            ids = self.tokenizer.apply_chat_template(request["messages"], **template, **encode)
        ids = ids[:max_length]
        return Prompt(ids=ids if hole is None else ids[-hole:])

    def _hole(self, call: Call) -> Optional[int]:
        """handle_long_generation="hole": how many tokens of the prompt's end leave room for the answer; else None."""
        asked = call.words.get("handle_long_generation")
        if asked is None:
            return None
        if asked != "hole":
            raise InputError("%s is not a valid value for `handle_long_generation` parameter expected [None, 'hole']"
                             % (asked,))
        context, defaults = self.model.info["context_length"], self.model.info.get("generation", {})
        new = call.sampling.max_new_tokens or defaults.get("max_new_tokens") or 256
        if new >= context:
            raise InputError("We cannot use `hole` to handle this generation the number of desired tokens exceeds the "
                             "models max length (%d of %d)" % (new, context))
        return int(context - new)

    def _result(self, item: Any, answer: Answer, call: Call) -> Dict[str, Any]:
        if call.kind == TENSORS:
            return {"generated_token_ids": answer.prompt_ids + answer.ids}
        text = self._text_of(answer.ids, call)
        if call.kind == FULL_TEXT:
            full: Any = item + text if isinstance(item, str) else answered(item, text, call.go_on)
            return {"generated_text": full}
        return {"generated_text": text}
