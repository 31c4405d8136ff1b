"""pipeline("token-classification")."""
from typing import Any, Dict, List, Sequence, Tuple

from .base import clean_up
from .calls import warn, warn_once
from .encoder_pipeline import EncoderPipeline, not_a_text
from .encoders import Tokens, listed, rows_of, softmax, tokens_of
from .errors import InputError, UnsupportedError

STRATEGIES = ("none", "simple", "first", "average", "max")
Entity = Dict[str, Any]


class TokenClassificationPipeline(EncoderPipeline):
    """pipeline("token-classification"), also called "ner": pipe(texts, **keywords) gives the entities in texts."""

    task = head = "token-classification"
    words = ("ignore_labels", "aggregation_strategy", "is_split_into_words", "delimiter", "stride", "offset_mapping",
             "grouped_entities", "ignore_subwords")

    def __call__(self, inputs: Any, **words: Any) -> Any:
        """A text gives a list of entities, a list of texts a list of such lists.

        aggregation_strategy: "none" gives each token {"entity", "score", "index", "word", "start", "end"}; "simple" puts
        neighbours of a label together to {"entity_group", "score", "word", "start", "end"}; "first", "average" and "max"
        give the tokens of a word one label before that.  [start, end) are characters of the text.  ignore_labels: labels
        that are left out, ["O"].  is_split_into_words: the text is a list of words, which delimiter (" ") joins.  A text
        that is longer than the model can read is cut, with a warning.
        """
        call = self._call(words)
        if isinstance(inputs, (list, tuple)) and not inputs or inputs is None:
            raise InputError("At least one input is required.")
        if call.get("is_split_into_words") and isinstance(inputs, list) and not all(isinstance(x, list) for x in inputs):
            inputs = [inputs]
        return self._run(inputs, call)

    @staticmethod
    def _strategy(call: Dict[str, Any]) -> str:
        grouped, by_words = call.get("grouped_entities"), call.get("ignore_subwords")
        if grouped is not None or by_words is not None:
            warn_once("`grouped_entities` and `ignore_subwords` are deprecated, use `aggregation_strategy` instead.")
            return "first" if grouped and by_words else "simple" if grouped else "none"
        value = call.get("aggregation_strategy")
        name = str(getattr(value, "value", "none" if value is None else value)).lower()
        if name not in STRATEGIES:
            raise KeyError("aggregation_strategy: expected one of %s, found %r" % (", ".join(STRATEGIES), value))
        return name

    def _check(self, call: Dict[str, Any]) -> None:
        self._strategy(call)
        for w in ("stride", "offset_mapping"):
            if call.get(w) is not None:
                raise UnsupportedError("%s: whinchat reads a text in one piece and knows its offsets; found %.100r"
                                       % (w, call[w]))

    def _batch(self, items: Sequence[Any], call: Dict[str, Any]) -> List[Any]:
        texts = [self._words(x, call) if call.get("is_split_into_words") else self._sentence(x) for x in items]
        out = []
        ignored = call.get("ignore_labels")
        ignored = ["O"] if ignored is None else ignored
        for (sentence, tokens), rows in zip(texts, rows_of(self.model, [t for _, t in texts], logits=True)):
            entities = self._entities(sentence, tokens, rows, self._strategy(call))
            out.append([e for e in entities if e.get("entity", e.get("entity_group")) not in ignored])
        return out

    # ---- tokens ----

    def _cut(self, tokens: Tokens) -> Tokens:
        if tokens.cut:
            warn("token-classification: a text is longer than the %d tokens that the model can read; its end is not labelled"
                 % len(tokens.ids))
        if tokens.offsets is None:
            raise UnsupportedError("token-classification: this model's tokenizer cannot tell where tokens come from")
        return tokens

    def _sentence(self, text: Any) -> Tuple[str, Tokens]:
        if not isinstance(text, str):
            raise not_a_text(self.task, text)
        return text, self._cut(tokens_of(self.model, text, None, self.model.info["encoder"]["max_tokens"]))

    def _words(self, words: Any, call: Dict[str, Any]) -> Tuple[str, Tokens]:
        """Words that are tokenized each on its own."""
        if not isinstance(words, list) or not all(isinstance(w, str) for w in words):
            raise InputError("When `is_split_into_words=True`, `sentence` must be a list of tokens.")
        delimiter = " " if call.get("delimiter") is None else call["delimiter"]
        most = self.model.info["encoder"]["max_tokens"]
        around = tokens_of(self.model, "")
        n = len(around.ids) // 2  # [CLS] in front, [SEP] behind
        whole = Tokens(around.ids[:n], around.words[:n], around.types[:n], around.parts[:n], [(0, 0)] * n, False)
        at = 0
        for word in words:
            t = self._cut(tokens_of(self.model, word))
            inner = [i for i, part in enumerate(t.parts) if part >= 0]
            whole.ids += [t.ids[i] for i in inner]
            whole.words += [t.words[i] for i in inner]
            whole.offsets += [(t.offsets[i][0] + at, t.offsets[i][1] + at) for i in inner]  # type: ignore[operator,index]
            at += len(word) + len(delimiter)
        room = most - (len(around.ids) - n)
        whole.cut = len(whole.ids) > room
        whole.ids, whole.words = whole.ids[:room] + around.ids[n:], whole.words[:room] + around.words[n:]
        whole.offsets = whole.offsets[:room] + [(0, 0)] * (len(around.ids) - n)  # type: ignore[index]
        whole.types = [0] * len(whole.ids)
        whole.parts = [-1] * n + [0] * (len(whole.ids) - len(around.ids)) + [-1] * (len(around.ids) - n)
        return delimiter.join(words), self._cut(whole)

    # ---- entities (transformers' TokenClassificationPipeline) ----

    def _entities(self, sentence: str, tokens: Tokens, rows: Any, strategy: str) -> List[Entity]:
        labels = self.model.info["labels"]
        unknown = self.model.info["encoder"].get("unk_token_id")
        found: List[Entity] = []
        for i, part in enumerate(tokens.parts):
            if part < 0:
                continue
            start, end = tokens.offsets[i]  # type: ignore[index]
            word, shown = tokens.words[i], sentence[start:end]
            found.append({"scores": listed(softmax(rows[i])), "index": i, "start": start, "end": end,
                          "word": shown if tokens.ids[i] == unknown else word,
                          "goes_on": tokens.ids[i] != unknown and len(word) != len(shown)})
        if strategy in ("none", "simple"):
            entities = []
            for f in found:
                best = _best(f["scores"])
                entities.append({"entity": labels[best], "score": f["scores"][best], "index": f["index"], "word": f["word"],
                                 "start": f["start"], "end": f["end"]})
        else:
            entities = [_word_entity(group, strategy, labels) for group in _by_words(found)]
        return entities if strategy == "none" else _grouped(entities)


def _best(x: Sequence[float]) -> int:
    return max(range(len(x)), key=x.__getitem__)


def _by_words(tokens: List[Entity]) -> List[List[Entity]]:
    out: List[List[Entity]] = []
    for t in tokens:
        if out and t["goes_on"]:
            out[-1].append(t)
        else:
            out.append([t])
    return out


def _word_entity(group: List[Entity], strategy: str, labels: List[str]) -> Entity:
    """One label for the tokens of a word: the first one's, that of the surest token, or of the mean of all scores."""
    if strategy == "first":
        scores = group[0]["scores"]
    elif strategy == "max":
        scores = max(group, key=lambda t: float(max(t["scores"])))["scores"]
    else:
        scores = [sum(column) / len(group) for column in zip(*(t["scores"] for t in group))]
    best = _best(scores)
    return {"entity": labels[best], "score": scores[best], "word": join_pieces([t["word"] for t in group]),
            "start": group[0]["start"], "end": group[-1]["end"]}


def _tag(label: str) -> Tuple[str, str]:
    """"B-PER" as ("B", "PER"); a label without such a prefix goes on ("I")."""
    return (label[0], label[2:]) if label.startswith(("B-", "I-")) else ("I", label)


def _grouped(entities: List[Entity]) -> List[Entity]:
    """Neighbours of one label as one; "B-" begins another."""
    groups: List[List[Entity]] = []
    for e in entities:
        begin, tag = _tag(e["entity"])
        if groups and begin != "B" and tag == _tag(groups[-1][-1]["entity"])[1]:
            groups[-1].append(e)
        else:
            groups.append([e])
    return [{"entity_group": g[0]["entity"].split("-", 1)[-1], "score": sum(e["score"] for e in g) / len(g),
             "word": join_pieces([e["word"] for e in g]), "start": g[0]["start"], "end": g[-1]["end"]} for g in groups]


def join_pieces(pieces: Sequence[str], prefix: str = "##") -> str:
    """The text of WordPiece tokens as the tokenizers library's decoder of that name puts it, spaces cleaned up."""
    out: List[str] = []
    for piece in pieces:
        if out:
            piece = piece[len(prefix):] if piece.startswith(prefix) else " " + piece
        out.append(clean_up(piece))
    return "".join(out)
