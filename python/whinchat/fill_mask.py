"""pipeline("fill-mask")."""
from typing import Any, Dict, List, Optional, Sequence

from .calls import warn
from .encoder_pipeline import EncoderPipeline
from .encoders import Tokens, listed, most_tokens, rows_of, softmax
from .errors import InputError, UnsupportedError


class FillMaskPipeline(EncoderPipeline):
    """pipeline("fill-mask"): pipe(texts, **keywords) gives words for the places of mask_token."""

    task = head = "fill-mask"
    words = ("top_k", "targets", "tokenizer_kwargs")

    def __call__(self, inputs: Any, **words: Any) -> Any:
        """A text with one mask gives [{"score", "token", "token_str", "sequence"}], best first; with several masks a list of
        such lists; a list of texts a list of these, the same as the text alone where it has one.

        top_k: words for each mask, 5.  targets: a word or words that alone are scored; one that is not in the vocabulary
        stands for its first token, with a warning.  tokenizer_kwargs: truncation and max_length.
        """
        outputs = self._run(inputs, self._call(words))
        return outputs[0] if isinstance(inputs, list) and len(inputs) == 1 else outputs

    def _check(self, call: Dict[str, Any]) -> None:
        if "mask_token_id" not in self.model.info["encoder"]:
            raise UnsupportedError("fill-mask: the tokenizer does not define a `mask_token`")
        most_tokens(call.get("tokenizer_kwargs") or {}, 1)
        top = call.get("top_k")
        if top is not None and (isinstance(top, bool) or not isinstance(top, int)):
            raise TypeError("top_k: expected int, found %s" % type(top).__name__)
        if top is not None and not 0 <= top <= self.model.info["vocab_size"]:
            raise InputError("top_k: expected 0 to %d, found %d" % (self.model.info["vocab_size"], top))
        if call.get("targets") is not None:
            self._target_ids(call["targets"])

    def _target_ids(self, targets: Any) -> List[int]:
        """The tokens that stand for targets, none twice."""
        out = []
        for target in [targets] if isinstance(targets, str) else targets:
            if not isinstance(target, str):
                raise InputError("targets: expected strings, found %s" % type(target).__name__)
            id = self.model.find_token(target)
            if id is None:
                ids = self.model.tokenize(target, False)
                if not ids:
                    warn("The specified target token `%s` does not exist in the model vocabulary. We cannot replace it with "
                         "anything meaningful, ignoring it" % target)
                    continue
                id = ids[0]
                warn("The specified target token `%s` does not exist in the model vocabulary. Replacing with `%s`."
                     % (target, self.model.detokenize([id])))
            if id not in out:
                out.append(id)
        if not out:
            raise InputError("At least one target must be provided when passed.")
        return out

    def _batch(self, items: Sequence[Any], call: Dict[str, Any]) -> List[Any]:
        mask = self.model.info["encoder"]["mask_token_id"]
        tokens = [self._tokens(t, None, call.get("tokenizer_kwargs") or {}) for t in items]
        places = [[i for i, id in enumerate(t.ids) if id == mask] for t in tokens]
        for found in places:
            if not found:
                raise InputError("No mask_token (%s) found on the input" % self.model.info["encoder"]["mask_token"])
        targets = None if call.get("targets") is None else self._target_ids(call["targets"])
        top = 5 if call.get("top_k") is None else call["top_k"]
        out: List[Any] = []
        for t, at, rows in zip(tokens, places, rows_of(self.model, tokens, logits=True, picked=places)):
            filled = [self._fill(t, place, softmax(row), targets, top, len(at) == 1) for place, row in zip(at, rows)]
            out.append(filled[0] if len(filled) == 1 else filled)
        return out

    def _fill(self, tokens: Tokens, place: int, scores: Any, targets: Optional[List[int]], top: int,
              alone: bool) -> List[Dict[str, Any]]:
        """The best candidates for one place."""
        scores = listed(scores)
        best = sorted(range(len(scores)) if targets is None else targets, key=scores.__getitem__, reverse=True)[:top]
        out = []
        for id in best:
            ids = tokens.ids[:place] + [id] + tokens.ids[place + 1:]
            out.append({"score": scores[id], "token": id, "token_str": self.model.detokenize([id]),
                        "sequence": self.model.detokenize(ids, alone)})
        return out
