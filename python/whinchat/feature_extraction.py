"""pipeline("feature-extraction")."""
from typing import Any, Dict, List, Sequence

from .encoder_pipeline import EncoderPipeline
from .encoders import listed, most_tokens, rows_of, tensor
from .errors import InputError


class FeatureExtractionPipeline(EncoderPipeline):
    """pipeline("feature-extraction"): pipe(texts, **keywords) gives the hidden states of an encoder, without its head."""

    task = "feature-extraction"
    words = ("truncation", "tokenize_kwargs", "return_tensors")

    def __call__(self, inputs: Any, **words: Any) -> Any:
        """A text gives [[[...]]], floats [1, tokens, hidden_size], special tokens included; a list of texts a list of these.

        truncation: cut what the model cannot read (else an InputError).  tokenize_kwargs: truncation and max_length.
        return_tensors=True gives a tensor [1, tokens, hidden_size] in place of lists: torch's where torch was imported.
        """
        call = self._call(words)
        return self._run(inputs, call)

    @staticmethod
    def _cutting(call: Dict[str, Any]) -> Dict[str, Any]:
        cutting = call.get("tokenize_kwargs") or {}
        if not isinstance(cutting, dict):
            raise TypeError("tokenize_kwargs: expected a dict, found %s" % type(cutting).__name__)
        cutting = dict(cutting)
        if call.get("truncation") is not None:
            if "truncation" in cutting:
                raise InputError("truncation parameter defined twice (given as keyword argument as well as in tokenize_kwargs)")
            cutting["truncation"] = call["truncation"]
        return cutting

    def _check(self, call: Dict[str, Any]) -> None:
        most_tokens(self._cutting(call), 1)

    def _batch(self, items: Sequence[Any], call: Dict[str, Any]) -> List[Any]:
        cutting = self._cutting(call)
        rows = rows_of(self.model, [self._tokens(t, None, cutting) for t in items])
        return [tensor([listed(r)]) if call.get("return_tensors") else [listed(r)] for r in rows]
