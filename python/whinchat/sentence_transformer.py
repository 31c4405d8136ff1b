"""SentenceTransformer: vectors of texts, called as sentence-transformers is."""
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from . import _native, similarity as functions
from ._native import ffi, lib
from .base import progress
from .encoders import c_encode_options, c_strings, matrix, rows_of, tokens_of
from .errors import InputError, UnsupportedError
from .sentences import TextModel, numpy_or_lists, positive, tensors, torch_tensor, warn_cut
from .tokenizer import Tokenizer

PRECISIONS = ("float32", "int8", "uint8", "binary", "ubinary")


class SentenceTransformer(TextModel):
    """SentenceTransformer(model): vectors of texts by an encoder, as the files of sentence-transformers beside it say.

    model: a folder, a name in the Hugging Face cache, or a whinchat.Model.  prompts: names and texts that are put before
    texts, over the model's own.  truncate_dim: only the first so many dimensions (for models trained as Matryoshka).
    similarity_fn_name: "cosine", "dot", "euclidean" or "manhattan", as the model's files say when None.  model_kwargs:
    dtype="float32" computes in float32 throughout.  threads: 0 for the physical cores.
    """

    def __init__(self, model_name_or_path: Any = None, *, device: Any = None, prompts: Optional[Dict[str, str]] = None,
                 default_prompt_name: Optional[str] = None, revision: Optional[str] = None,
                 similarity_fn_name: Any = None, truncate_dim: Optional[int] = None, threads: int = 0,
                 model_kwargs: Optional[Dict[str, Any]] = None, processor_kwargs: Optional[Dict[str, Any]] = None,
                 tokenizer_kwargs: Optional[Dict[str, Any]] = None, **more: Any) -> None:
        super().__init__(model_name_or_path, device, revision, threads, model_kwargs, processor_kwargs or tokenizer_kwargs, more)
        info = self.model.info.get("embedding")
        if info is None:
            raise UnsupportedError("%s: gives no vectors: expected an encoder such as BERT or EmbeddingGemma" % self.model.name)
        self._info = info
        self.prompts = dict({"query": "", "document": ""}, **info["prompts"])
        self.prompts.update(prompts or {})
        self.default_prompt_name = default_prompt_name or info.get("default_prompt_name")
        if self.default_prompt_name is not None and self.default_prompt_name not in self.prompts:
            raise InputError("Default prompt name '%s' not found in the configured prompts dictionary with keys %r."
                             % (self.default_prompt_name, list(self.prompts)))
        self.truncate_dim = None if truncate_dim is None else positive("truncate_dim", truncate_dim)
        self.similarity_fn_name = similarity_fn_name or info.get("similarity", "cosine")
        self.tokenizer = Tokenizer(self.model)

    # ---- what the model is ----

    @property
    def max_seq_length(self) -> int:
        """Most tokens of a text, special ones and the prompt's included; what is longer is cut, with a warning."""
        own = int(self._info["max_tokens"])
        return own if self._most is None else min(own, self._most)

    @max_seq_length.setter
    def max_seq_length(self, value: int) -> None:
        self._most = positive("max_seq_length", value)

    def get_max_seq_length(self) -> int:
        """max_seq_length."""
        return self.max_seq_length

    def get_embedding_dimension(self) -> int:
        """How many numbers a vector has."""
        own = int(self._info["width"])
        return own if self.truncate_dim is None else min(own, self.truncate_dim)

    def get_sentence_embedding_dimension(self) -> int:
        """How many numbers a vector has; the name that sentence-transformers 5 has for it."""
        return self.get_embedding_dimension()

    @contextmanager
    def truncate_embeddings(self, truncate_dim: Optional[int]) -> Iterator[None]:
        """Within it vectors have only their first truncate_dim dimensions."""
        before = self.truncate_dim
        self.truncate_dim = None if truncate_dim is None else positive("truncate_dim", truncate_dim)
        try:
            yield
        finally:
            self.truncate_dim = before

    truncate_sentence_embeddings = truncate_embeddings

    def tokenize(self, texts: Sequence[str]) -> Dict[str, List[List[int]]]:
        """{"input_ids", "attention_mask"} of texts, cut as encode cuts them: lists, without padding."""
        ids = [tokens_of(self.model, t, None, self.max_seq_length).ids for t in texts]
        return {"input_ids": ids, "attention_mask": [[1] * len(i) for i in ids]}

    # ---- vectors ----

    def encode(self, inputs: Any = None, prompt_name: Optional[str] = None, prompt: Optional[str] = None, batch_size: int = 32,
               show_progress_bar: Optional[bool] = None, output_value: Optional[str] = "sentence_embedding",
               precision: Optional[str] = "float32", convert_to_numpy: bool = True, convert_to_tensor: bool = False,
               device: Any = None, normalize_embeddings: bool = False, truncate_dim: Optional[int] = None, pool: Any = None,
               chunk_size: Any = None, *, sentences: Any = None) -> Any:
        """Vectors of texts, float32 [n, dimension], or [dimension] for a single text.

        A numpy array (a list of lists where there is no numpy); convert_to_tensor=True gives a torch tensor, and
        convert_to_numpy=False a list of vectors.  prompt: text that is put before each; prompt_name: one of self.prompts.
        normalize_embeddings: length 1.  truncate_dim: only the first so many, before that.  output_value:
        "token_embeddings" gives for each text its hidden states [tokens, hidden_size].  precision: "int8", "uint8",
        "binary" and "ubinary" quantize as sentence-transformers does, by the ranges of these vectors.  batch_size: texts
        between two updates of the progress bar.  Texts longer than max_seq_length lose their ends, with one warning.
        """
        inputs = sentences if inputs is None else inputs
        self._refuse("encode", pool=pool, chunk_size=chunk_size, device=device)
        positive("batch_size", batch_size)
        if precision not in PRECISIONS + (None,):
            raise InputError("Precision %r is not supported, must be one of %s" % (precision, PRECISIONS))
        if output_value not in ("sentence_embedding", "token_embeddings"):
            raise UnsupportedError("output_value: expected 'sentence_embedding' or 'token_embeddings', found %r" % (output_value,))
        alone, texts = self._texts(inputs)
        before = self._resolved(prompt, prompt_name)
        width = truncate_dim if truncate_dim is not None else self.truncate_dim
        if output_value == "token_embeddings":
            states = tensors(self._token_embeddings(texts, before, batch_size, show_progress_bar))
            return states[0] if alone else states
        if width is not None:
            positive("truncate_dim", width)
        rows = self._embed(texts, before, batch_size, show_progress_bar, normalize_embeddings, width)
        vectors: Any = functions.quantized(numpy_or_lists(rows), precision) if texts and precision not in (None, "float32") \
            else rows
        if convert_to_tensor:
            vectors = torch_tensor(vectors)
        elif convert_to_numpy:
            vectors = vectors if hasattr(vectors, "dtype") else numpy_or_lists(vectors)
        else:
            vectors = tensors(vectors)
        return vectors[0] if alone else vectors

    def encode_query(self, inputs: Any = None, prompt_name: Optional[str] = None, prompt: Optional[str] = None,
                     **words: Any) -> Any:
        """encode() of what is sought: with the prompt "query" where the model has one and no other is asked for."""
        return self._encode_as(("query",), inputs, prompt_name, prompt, words)

    def encode_document(self, inputs: Any = None, prompt_name: Optional[str] = None, prompt: Optional[str] = None,
                        **words: Any) -> Any:
        """encode() of what is found: with the prompt "document", "passage" or "corpus" where the model has one."""
        return self._encode_as(("document", "passage", "corpus"), inputs, prompt_name, prompt, words)

    def _encode_as(self, names: Sequence[str], inputs: Any, prompt_name: Optional[str], prompt: Optional[str],
                   words: Dict[str, Any]) -> Any:
        if prompt_name is None and prompt is None:
            prompt_name = next((n for n in names if n in self.prompts), None)
        return self.encode(inputs, prompt_name=prompt_name, prompt=prompt, **words)

    @staticmethod
    def _texts(inputs: Any) -> Tuple[bool, List[str]]:
        """Whether it is a single text, and the texts."""
        if isinstance(inputs, str):
            return True, [inputs]
        if inputs is None or isinstance(inputs, (bytes, dict, int, float)):
            raise InputError("encode: expected a text or a list of texts, found %s" % type(inputs).__name__)
        texts = inputs.tolist() if hasattr(inputs, "tolist") else list(inputs)
        for t in texts:
            if not isinstance(t, str):
                raise InputError("encode: expected texts, found %s among them" % type(t).__name__)
        return False, texts

    def _resolved(self, prompt: Optional[str], name: Optional[str]) -> str:
        if prompt is not None:
            return prompt
        name = self.default_prompt_name if name is None else name
        if name is None:
            return ""
        if name not in self.prompts:
            raise InputError("Prompt name '%s' not found in the configured prompts dictionary with keys %r."
                             % (name, list(self.prompts)))
        return str(self.prompts[name])

    def _embed(self, texts: List[str], prompt: str, batch_size: int, shown: Optional[bool], normalize: bool,
               width: Optional[int]) -> List[Any]:
        """Vectors [n, width], those of alike texts computed together."""
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        step = max(batch_size, 256) if not shown else batch_size  # the library makes its own batches of these
        out: List[Any] = [None] * len(texts)
        cut: List[bool] = []
        c_prompt = ffi.new("char[]", _native.c_text(prompt, "prompt"))
        bar = progress(len(texts), "text", bool(shown))
        for i in range(0, len(texts), step):
            some = order[i:i + step]
            for place, row in zip(some, self._embed_batch([texts[k] for k in some], c_prompt, normalize, width, cut)):
                out[place] = row
            bar(len(some))
        bar(0)
        warn_cut("encode", cut, self.max_seq_length)
        return out

    def _embed_batch(self, texts: List[str], c_prompt: Any, normalize: bool, width: Optional[int], cut: List[bool]) -> Any:
        array, keep = c_strings(texts, "text")
        flags = ffi.new("bool[]", len(texts))
        options = c_encode_options(prompt=c_prompt, normalize=bool(normalize), max_tokens=self.max_seq_length, cut=flags,
                                   dimensions=0 if width is None else min(width, int(self._info["width"])))
        n, err = ffi.new("size_t *"), _native.new_error()
        with self.model._use() as c:
            found = lib.wc_embed(c, array, len(texts), options, n, err)
        del keep
        if found == ffi.NULL:
            raise _native.exception(err)
        cut += list(flags)
        return matrix(found, len(texts), n[0])

    def _token_embeddings(self, texts: List[str], prompt: str, batch_size: int, shown: Optional[bool]) -> List[Any]:
        out: List[Any] = []
        cut: List[bool] = []
        bar = progress(len(texts), "text", bool(shown))
        for i in range(0, len(texts), batch_size):
            tokens = [tokens_of(self.model, prompt + t, None, self.max_seq_length) for t in texts[i:i + batch_size]]
            cut += [t.cut for t in tokens]
            out += rows_of(self.model, tokens)
            bar(len(tokens))
        bar(0)
        warn_cut("encode", cut, self.max_seq_length)
        return out

    # ---- how alike vectors are ----

    @property
    def similarity_fn_name(self) -> str:
        """"cosine", "dot", "euclidean" or "manhattan"."""
        return self._similarity

    @similarity_fn_name.setter
    def similarity_fn_name(self, value: Any) -> None:
        name = str(getattr(value, "value", "cosine" if value is None else value))
        if name not in functions.FUNCTIONS:
            raise InputError("SentenceTransformer only supports similarity_fn_name in %s, got %r."
                             % (tuple(functions.FUNCTIONS), name))
        self._similarity = name

    @property
    def similarity(self) -> Callable[[Any, Any], Any]:
        """similarity(a, b): float32 [n, m] of vectors [n, d] and [m, d], each with each; the larger the more alike.

        A torch tensor where torch was imported, else a numpy array, else lists.
        """
        return lambda a, b: functions.matrix_of(self._similarity, a, b)

    @property
    def similarity_pairwise(self) -> Callable[[Any, Any], Any]:
        """similarity_pairwise(a, b): float32 [n] of vectors [n, d] and [n, d], each with the one in its place."""
        return lambda a, b: functions.pairs_of(self._similarity, a, b)
