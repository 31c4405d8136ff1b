"""pipeline("text-classification")."""
from operator import itemgetter
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from .calls import warn_once
from .encoder_pipeline import EncoderPipeline
from .encoders import TOKENIZER_WORDS, listed, most_tokens, rows_of, sigmoid, softmax
from .errors import InputError

FUNCTIONS: Dict[str, Callable[[Any], Any]] = {"none": list, "sigmoid": sigmoid, "softmax": softmax}


class TextClassificationPipeline(EncoderPipeline):
    """pipeline("text-classification"), also called "sentiment-analysis": pipe(texts, **keywords) gives labels."""

    task = head = "text-classification"
    words = ("top_k", "function_to_apply", "return_all_scores") + TOKENIZER_WORDS

    def __call__(self, inputs: Any, **words: Any) -> Any:
        """A text gives [{"label", "score"}]; a pair {"text", "text_pair"} a dict; a list of either a list of dicts.

        top_k: so many labels, best first, of each input as a list; None: all.  function_to_apply: "sigmoid", "softmax" or
        "none", which gives logits; without it what the model's configuration says.  truncation=True and max_length= cut.
        """
        call = self._call(words)
        result = self._run(inputs, call)
        return [result] if isinstance(inputs, str) and "top_k" not in words else result

    @staticmethod
    def _function(call: Dict[str, Any]) -> Optional[str]:
        value = call.get("function_to_apply")
        name = getattr(value, "value", value)
        if name is not None and str(name).lower() not in FUNCTIONS:
            raise KeyError("function_to_apply: expected 'sigmoid', 'softmax' or 'none', found %r" % (value,))
        return None if name is None else str(name).lower()

    def _check(self, call: Dict[str, Any]) -> None:
        self._function(call)
        most_tokens({w: v for w, v in call.items() if w in TOKENIZER_WORDS}, 1)
        if call.get("return_all_scores") is not None:
            warn_once("`return_all_scores` is now deprecated,  if want a similar functionality use `top_k=None` instead of "
                      "`return_all_scores=True` or `top_k=1` instead of `return_all_scores=False`.")

    @staticmethod
    def _texts(item: Any) -> Tuple[Any, Any]:
        """An input's text and second text."""
        if isinstance(item, dict):
            if "text" not in item:
                raise InputError("You need to specify `text`.")
            if set(item) - {"text", "text_pair"}:
                raise TypeError("text-classification: expected {'text', 'text_pair'}, found the keys %s" % sorted(item))
            return item["text"], item.get("text_pair")
        if isinstance(item, list):
            if len(item) == 1 and isinstance(item[0], list) and len(item[0]) == 2:  # the way of long ago
                return item[0][0], item[0][1]
            raise InputError("The pipeline received invalid inputs, if you are trying to send text pairs, you can try to send "
                             'a dictionary `{"text": "My text", "text_pair": "My pair"}` in order to send a text pair.')
        return item, None

    def _batch(self, items: Sequence[Any], call: Dict[str, Any]) -> List[Any]:
        info = self.model.info
        cutting = {w: v for w, v in call.items() if w in TOKENIZER_WORDS}
        tokens = [self._tokens(*self._texts(item), cutting) for item in items]
        function = FUNCTIONS[self._function(call) or info["encoder"]["text_scores"]]
        top = call.get("top_k", "")
        if call.get("return_all_scores") is not None:
            top = None if call["return_all_scores"] else 1
        out: List[Any] = []
        for row in rows_of(self.model, tokens, logits=True):
            scores = listed(function(listed(row)[0]))
            found = [{"label": label, "score": score} for label, score in zip(info["labels"], scores)]
            if top is None or isinstance(top, int):
                found.sort(key=itemgetter("score"), reverse=True)
                out.append(found if top is None else found[:top])
            else:
                out.append(max(found, key=itemgetter("score")))
        return out
