"""CrossEncoder: how well two texts go together, called as sentence-transformers' is."""
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from .base import progress
from .encoders import listed, rows_of, sigmoid, softmax, tokens_of
from .errors import InputError, UnsupportedError
from .sentences import TextModel, numpy_or_lists, positive, tensors, torch_tensor, warn_cut


class CrossEncoder(TextModel):
    """CrossEncoder(model): scores of pairs of texts by an encoder with a head for text classification.

    model: a folder, a name in the Hugging Face cache, or a whinchat.Model.  max_length: most tokens of a pair; the longer
    text is cut first, with a warning.  activation_fn: a function of a torch tensor of logits [n, labels]; without it what the
    model's files say: the sigmoid, or the logits as they are.  num_labels: is checked.
    """

    def __init__(self, model_name_or_path: Any = None, *, device: Any = None, revision: Optional[str] = None,
                 num_labels: Optional[int] = None, max_length: Optional[int] = None,
                 activation_fn: Optional[Callable[[Any], Any]] = None, prompts: Optional[Dict[str, str]] = None,
                 default_prompt_name: Optional[str] = None, threads: int = 0, model_kwargs: Optional[Dict[str, Any]] = None,
                 processor_kwargs: Optional[Dict[str, Any]] = None, tokenizer_kwargs: Optional[Dict[str, Any]] = None,
                 **more: Any) -> None:
        super().__init__(model_name_or_path, device, revision, threads, model_kwargs, processor_kwargs or tokenizer_kwargs, more)
        self._refuse("CrossEncoder", prompts=prompts or None, default_prompt_name=default_prompt_name)
        if self.model.info.get("task") != "text-classification":
            raise UnsupportedError("%s: expected a model with a head for text-classification, found one for %s"
                                   % (self.model.name, self.model.info.get("task", "text-generation")))
        if num_labels is not None and num_labels != self.num_labels:
            raise UnsupportedError("num_labels: the model has %d, a new head cannot be made; found %r"
                                   % (self.num_labels, num_labels))
        if activation_fn is None and self.model.info["encoder"]["pair_scores"] == "unsupported":
            raise UnsupportedError("%s: activation_fn: expected Identity or Sigmoid of torch.nn in the model's files; pass "
                                   "activation_fn=" % self.model.name)
        self.activation_fn = activation_fn
        if max_length is not None:
            self._most = positive("max_length", max_length)

    @property
    def num_labels(self) -> int:
        """How many scores a pair has."""
        return len(self.model.info["labels"])

    @property
    def max_seq_length(self) -> int:
        """Most tokens of a pair, special ones included."""
        info = self.model.info
        own = int(info.get("embedding", info["encoder"])["max_tokens"])
        return own if self._most is None else min(own, self._most)

    @max_seq_length.setter
    def max_seq_length(self, value: int) -> None:
        self._most = positive("max_seq_length", value)

    max_length = max_seq_length

    def predict(self, inputs: Any = None, prompt_name: Optional[str] = None, prompt: Optional[str] = None, batch_size: int = 32,
                show_progress_bar: Optional[bool] = None, activation_fn: Optional[Callable[[Any], Any]] = None,
                apply_softmax: Optional[bool] = False, convert_to_numpy: bool = True, convert_to_tensor: bool = False,
                device: Any = None, pool: Any = None, chunk_size: Any = None, *, sentences: Any = None) -> Any:
        """Scores of pairs [(text, text), ...], float32 [n], or [n, labels] of a model with several; of one pair without [n].

        A numpy array (lists where there is no numpy); convert_to_tensor=True gives a torch tensor, convert_to_numpy=False a
        list.  apply_softmax: over several labels.  activation_fn: in place of the model's.
        """
        inputs = sentences if inputs is None else inputs
        self._refuse("predict", prompt_name=prompt_name, prompt=prompt or None, pool=pool, chunk_size=chunk_size,
               device=device)
        positive("batch_size", batch_size)
        alone, pairs = self._pairs(inputs)
        scores: Any = self._scores(pairs, batch_size, show_progress_bar, activation_fn or self.activation_fn, apply_softmax)
        if convert_to_tensor:
            scores = torch_tensor(scores)
        elif convert_to_numpy:
            scores = numpy_or_lists(scores)
        else:
            scores = tensors(scores)
        return scores[0] if alone else scores

    def rank(self, query: str, documents: Sequence[str], top_k: Optional[int] = None, return_documents: bool = False,
             prompt_name: Optional[str] = None, prompt: Optional[str] = None, batch_size: int = 32,
             show_progress_bar: Optional[bool] = None, activation_fn: Optional[Callable[[Any], Any]] = None,
             device: Any = None, pool: Any = None, chunk_size: Any = None) -> List[Dict[str, Any]]:
        """[{"corpus_id", "score"}] of documents, those first that go best with the query; with return_documents also "text".

        corpus_id: the place among documents.  top_k: only so many.  Equal scores stay in order.
        """
        if self.num_labels != 1:
            raise InputError("CrossEncoder.rank() only works for models with num_labels=1. Consider using "
                             "CrossEncoder.predict() with input pairs instead.")
        self._refuse("rank", prompt_name=prompt_name, prompt=prompt or None, pool=pool, chunk_size=chunk_size,
               device=device)
        positive("batch_size", batch_size)
        if isinstance(documents, str):
            raise TypeError("documents: expected a list of texts, found str")
        _, pairs = self._pairs([(query, d) for d in documents])
        scores = self._scores(pairs, batch_size, show_progress_bar, activation_fn or self.activation_fn, False)
        found = [dict({"corpus_id": i, "score": s}, **({"text": documents[i]} if return_documents else {}))
                 for i, s in enumerate(scores)]
        return sorted(found, key=lambda r: -float(r["score"]))[:top_k]

    @staticmethod
    def _pairs(inputs: Any) -> Tuple[bool, List[Tuple[str, str]]]:
        """Whether it is a single pair, and the pairs."""
        inputs = inputs.tolist() if hasattr(inputs, "tolist") else inputs
        if inputs is None or isinstance(inputs, (str, bytes, dict, int, float)):
            raise InputError("predict: expected a pair of texts or a list of pairs, found %s" % type(inputs).__name__)
        items = list(inputs)
        alone = bool(items) and not isinstance(items[0], (list, tuple))
        pairs = []
        for p in [items] if alone else items:
            if not isinstance(p, (list, tuple)) or len(p) != 2 or not all(isinstance(t, str) for t in p):
                raise InputError("predict: expected pairs of two texts, found %.100r" % (p,))
            pairs.append((p[0], p[1]))
        return alone, pairs

    def _scores(self, pairs: List[Tuple[str, str]], batch_size: int, shown: Optional[bool],
                activation: Optional[Callable[[Any], Any]], over_labels: Optional[bool]) -> List[Any]:
        """A float for each pair, or a list of them of a model with several labels."""
        out: List[Any] = []
        cut: List[bool] = []
        bar = progress(len(pairs), "pair", bool(shown))
        for i in range(0, len(pairs), batch_size):
            tokens = [tokens_of(self.model, a, b, self.max_seq_length) for a, b in pairs[i:i + batch_size]]
            cut += [t.cut for t in tokens]
            out += self._activated([listed(r)[0] for r in rows_of(self.model, tokens, logits=True)], activation, over_labels)
            bar(len(tokens))
        bar(0)
        warn_cut(type(self).__name__, cut, self.max_seq_length)
        return out

    def _activated(self, logits: List[List[float]], activation: Optional[Callable[[Any], Any]],
                   over_labels: Optional[bool]) -> List[Any]:
        if activation is not None:
            logits = activation(torch_tensor(logits)).tolist()
        elif self.model.info["encoder"]["pair_scores"] == "sigmoid":
            logits = [sigmoid(row) for row in logits]
        if self.num_labels == 1:
            return [row[0] if isinstance(row, list) else row for row in logits]
        return [softmax(row) for row in logits] if over_labels else logits
