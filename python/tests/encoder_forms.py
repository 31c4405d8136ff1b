"""Calls of encoders' pipelines for test_transformers.py: task, model folder -> name -> function of (pipeline, library, kit)."""
import warnings

WORDS = "the small cat is in the tree."
NAMES = "The C\u00e2t  is in Zo\u00eb's ho\u0308use,\u4e2d the\u200b city."
LONG = "cat " * 200


def drained(result):
    """An iterator's items and that it was one."""
    return {"iterator": hasattr(result, "__next__"), "items": list(result)}


class Items:
    """A data set as torch's: length and items, no list."""

    def __init__(self, *items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        return self.items[i]


def shape(x):
    """The lengths of nested lists, or the shape of a tensor."""
    if hasattr(x, "shape"):
        return list(x.shape)
    return [len(x)] + (shape(x[0]) if isinstance(x[0], list) else [])


FEATURES = {
    "fe_text": lambda p, lib, kit: p("a cat"),
    "fe_texts": lambda p, lib, kit: p(["a cat", WORDS]),
    "fe_two_arguments": lambda p, lib, kit: p("a cat", "the tree"),
    "fe_empty_text": lambda p, lib, kit: p(""),
    "fe_tensors": lambda p, lib, kit: p("a cat", return_tensors=True),
    "fe_texts_tensors": lambda p, lib, kit: p(["a cat", "the"], return_tensors=True),
    "fe_generator": lambda p, lib, kit: drained(p(t for t in ["a", "the cat"])),
    "fe_data_set": lambda p, lib, kit: drained(p(Items("a", "the cat"))),
    "fe_batch_alike": lambda p, lib, kit: p(["the cat", "the city"], batch_size=2),
    "fe_batch_unlike": lambda p, lib, kit: shape(p([WORDS, "the city"], batch_size=2)[1]),
    "fe_tuple": lambda p, lib, kit: shape(p(("the cat", "the city"))),
    "fe_kwargs_max": lambda p, lib, kit: p(WORDS, tokenize_kwargs={"truncation": True, "max_length": 4}),
    "fe_kwargs_pad": lambda p, lib, kit: shape(p(WORDS, tokenize_kwargs={"padding": "max_length", "max_length": 30})),
    "fe_truncation_twice": lambda p, lib, kit: p(WORDS, truncation=True, tokenize_kwargs={"truncation": True}),
    "fe_truncation_false": lambda p, lib, kit: p("a cat", truncation=False),
    "fe_truncation_bad": lambda p, lib, kit: p("a cat", truncation="x"),
    "fe_long": lambda p, lib, kit: p(LONG),
    "fe_long_cut": lambda p, lib, kit: shape(p(LONG, truncation=True)),
    "fe_unknown_word": lambda p, lib, kit: shape(p("a cat", foo=1)),
    "fe_number": lambda p, lib, kit: p(3),
    "fe_empty_list": lambda p, lib, kit: p([]),
    "fe_nothing": lambda p, lib, kit: p(),
}

FILL = {
    "fm_text": lambda p, lib, kit: p("the small [MASK] runs on a phone."),
    "fm_texts": lambda p, lib, kit: p(["the [MASK] cat", "a [MASK]."]),
    "fm_texts_of_one": lambda p, lib, kit: p(["the [MASK] cat"]),
    "fm_two_masks": lambda p, lib, kit: p("the [MASK] is in the [MASK].", top_k=2),
    "fm_two_masks_list": lambda p, lib, kit: p(["the [MASK] is in the [MASK].", "a [MASK]"], top_k=1),
    "fm_top_k": lambda p, lib, kit: p("the [MASK] cat", top_k=3),
    "fm_top_k_1": lambda p, lib, kit: p("the [MASK] cat", top_k=1),
    "fm_top_k_0": lambda p, lib, kit: p("the [MASK] cat", top_k=0),
    "fm_top_k_huge": lambda p, lib, kit: p("the [MASK] cat", top_k=10 ** 6),
    "fm_top_k_text": lambda p, lib, kit: p("the [MASK] cat", top_k="3"),
    "fm_target": lambda p, lib, kit: p("the [MASK] cat", targets="small"),
    "fm_targets": lambda p, lib, kit: p("the [MASK] cat", targets=["small", "city", "tree"]),
    "fm_targets_twice": lambda p, lib, kit: p("the [MASK] cat", targets=["small", "small"]),
    "fm_targets_top_k": lambda p, lib, kit: p("the [MASK] cat", targets=["small", "city", "tree"], top_k=2),
    "fm_targets_unknown": lambda p, lib, kit: p("the [MASK] cat", targets=["small", "smalltree"]),
    "fm_targets_upper": lambda p, lib, kit: p("the [MASK] cat", targets=["Small"]),
    "fm_targets_two_masks": lambda p, lib, kit: p("the [MASK] [MASK]", targets=["small", "city"]),
    "fm_targets_empty": lambda p, lib, kit: p("the [MASK] cat", targets=[]),
    "fm_targets_empty_word": lambda p, lib, kit: p("the [MASK] cat", targets=[""]),
    "fm_no_mask": lambda p, lib, kit: p("the cat"),
    "fm_a_text_without_mask": lambda p, lib, kit: p(["the [MASK]", "the cat"]),
    "fm_generator": lambda p, lib, kit: drained(p((t for t in ["a [MASK]", "the [MASK]"]), top_k=1)),
    "fm_batch": lambda p, lib, kit: p(["a [MASK] cat", "the [MASK] city"], batch_size=2, top_k=2),
    "fm_long": lambda p, lib, kit: p("[MASK] " + LONG),
    "fm_long_cut": lambda p, lib, kit: p("[MASK] " + LONG, tokenizer_kwargs={"truncation": True, "max_length": 8}, top_k=1),
    "fm_mask_cut_off": lambda p, lib, kit: p(LONG + "[MASK]", tokenizer_kwargs={"truncation": True, "max_length": 8}),
    "fm_unknown_word": lambda p, lib, kit: p("a [MASK]", foo=1),
    "fm_number": lambda p, lib, kit: p(3),
    "fm_none": lambda p, lib, kit: p(None),
    "fm_empty_list": lambda p, lib, kit: p([]),
    "fm_nothing": lambda p, lib, kit: p(),
    "fm_mask_token": lambda p, lib, kit: [p.tokenizer.mask_token, p.tokenizer.mask_token_id],
}


def common(prefix):
    """What classifiers are called with by mistake, and their task."""
    forms = {
        "unknown_word": lambda p, lib, kit: p(WORDS, foo=1),
        "number": lambda p, lib, kit: p(3),
        "none_text": lambda p, lib, kit: p(None),
        "empty_list": lambda p, lib, kit: p([]),
        "nothing": lambda p, lib, kit: p(),
        "task": lambda p, lib, kit: p.task,
    }
    return {prefix + name: form for name, form in forms.items()}


CLASSES = {
    "tc_text": lambda p, lib, kit: p(WORDS),
    "tc_texts": lambda p, lib, kit: p([WORDS, "a city"]),
    "tc_texts_of_one": lambda p, lib, kit: p([WORDS]),
    "tc_empty_text": lambda p, lib, kit: p(""),
    "tc_top_k_none": lambda p, lib, kit: p(WORDS, top_k=None),
    "tc_top_k_1": lambda p, lib, kit: p(WORDS, top_k=1),
    "tc_top_k_2": lambda p, lib, kit: p([WORDS, "a"], top_k=2),
    "tc_top_k_huge": lambda p, lib, kit: p(WORDS, top_k=99),
    "tc_top_k_0": lambda p, lib, kit: p(WORDS, top_k=0),
    "tc_sigmoid": lambda p, lib, kit: p(WORDS, function_to_apply="sigmoid", top_k=None),
    "tc_softmax": lambda p, lib, kit: p(WORDS, function_to_apply="softmax"),
    "tc_none": lambda p, lib, kit: p(WORDS, function_to_apply="none", top_k=None),
    "tc_function_upper": lambda p, lib, kit: p(WORDS, function_to_apply="NONE"),
    "tc_function_default": lambda p, lib, kit: p(WORDS, function_to_apply="default"),
    "tc_function_bad": lambda p, lib, kit: p(WORDS, function_to_apply="tanh"),
    "tc_pair": lambda p, lib, kit: p({"text": WORDS, "text_pair": "a city"}),
    "tc_pair_top_k": lambda p, lib, kit: p({"text": WORDS, "text_pair": "a city"}, top_k=2),
    "tc_pairs": lambda p, lib, kit: p([{"text": WORDS, "text_pair": "a city"}, {"text": "a"}]),
    "tc_pair_of_lists": lambda p, lib, kit: p([[[WORDS, "a city"]]]),
    "tc_pair_as_list": lambda p, lib, kit: p([[WORDS, "a city"]]),
    "tc_dict_unknown": lambda p, lib, kit: p({"text": WORDS, "foo": "a"}),
    "tc_dict_without_text": lambda p, lib, kit: p({"text_pair": WORDS}),
    "tc_generator": lambda p, lib, kit: drained(p(t for t in ["a", "the cat"])),
    "tc_generator_top_k": lambda p, lib, kit: drained(p((t for t in ["a", "the cat"]), top_k=1)),
    "tc_data_set": lambda p, lib, kit: drained(p(Items("a", "the cat"))),
    "tc_batch": lambda p, lib, kit: p([WORDS, "a city", "the"], batch_size=2),
    "tc_long": lambda p, lib, kit: p(LONG),
    "tc_long_cut": lambda p, lib, kit: p(LONG, truncation=True, max_length=20),
    "tc_pair_cut": lambda p, lib, kit: p({"text": LONG, "text_pair": WORDS}, truncation=True, max_length=20),
    "tc_only_first": lambda p, lib, kit: p({"text": LONG, "text_pair": WORDS}, truncation="only_first", max_length=20),
    "tc_padding": lambda p, lib, kit: p(WORDS, padding=True),
    "tc_no_special": lambda p, lib, kit: p(WORDS, add_special_tokens=False),
    "tc_all_scores": lambda p, lib, kit: p([WORDS], return_all_scores=True),
    **common("tc_"),
}

TOKENS = {
    "ner_text": lambda p, lib, kit: p(WORDS),
    "ner_texts": lambda p, lib, kit: p([WORDS, "a city"]),
    "ner_texts_of_one": lambda p, lib, kit: p([WORDS]),
    "ner_odd_text": lambda p, lib, kit: p(NAMES, ignore_labels=[]),
    "ner_special_in_text": lambda p, lib, kit: p("the [SEP] cat [MASK]", ignore_labels=[]),
    "ner_empty_text": lambda p, lib, kit: p(""),
    "ner_none": lambda p, lib, kit: p(NAMES, aggregation_strategy="none", ignore_labels=["B-LOC"]),
    "ner_simple": lambda p, lib, kit: p(NAMES, aggregation_strategy="simple", ignore_labels=[]),
    "ner_first": lambda p, lib, kit: p(NAMES, aggregation_strategy="first", ignore_labels=[]),
    "ner_average": lambda p, lib, kit: p(NAMES, aggregation_strategy="average", ignore_labels=[]),
    "ner_max": lambda p, lib, kit: p(NAMES, aggregation_strategy="max", ignore_labels=[]),
    "ner_subwords": lambda p, lib, kit: [p("unbelievable smallish trees running", aggregation_strategy=s, ignore_labels=[])
                                         for s in ("none", "simple", "first", "average", "max")],
    "ner_upper": lambda p, lib, kit: p(NAMES, aggregation_strategy="SIMPLE"),
    "ner_ignore_group": lambda p, lib, kit: p(NAMES, aggregation_strategy="simple", ignore_labels=["LOC"]),
    "ner_strategy_bad": lambda p, lib, kit: p(NAMES, aggregation_strategy="best"),
    "ner_generator": lambda p, lib, kit: drained(p(t for t in ["a", "the cat"])),
    "ner_batch": lambda p, lib, kit: p([WORDS, "a city", NAMES], batch_size=3),
    "ner_tuple": lambda p, lib, kit: p((WORDS, "a city")),
    "ner_words": lambda p, lib, kit: p(["the", "unbelievable", "C\u00e2t,", "is"], is_split_into_words=True, ignore_labels=[]),
    "ner_words_grouped": lambda p, lib, kit: p([["the", "cat"], ["a", "c\u00efty"]], is_split_into_words=True,
                                               aggregation_strategy="first", ignore_labels=[]),
    "ner_words_delimiter": lambda p, lib, kit: p(["the", "cat"], is_split_into_words=True, delimiter=" - "),
    "ner_words_text": lambda p, lib, kit: p("the cat", is_split_into_words=True),
    "ner_list_for_text": lambda p, lib, kit: p([["the", "cat"]]),
    "ner_long": lambda p, lib, kit: len(p(LONG)),
    "ner_stride": lambda p, lib, kit: len(p(LONG, stride=4, aggregation_strategy="simple")),
    "ner_offsets": lambda p, lib, kit: p("a cat", offset_mapping=[(0, 0), (0, 1), (2, 5), (0, 0)]),
    "ner_grouped": lambda p, lib, kit: p(NAMES, grouped_entities=True),
    **common("ner_"),
}


def made(task, model, *given, **words):
    """A pipeline with words of its own, called."""
    return lambda make, lib, kit: make(task, kit.golden(model), **words)(*given)


MAKE = {
    "em_top_k": made("text-classification", "bert_classify", WORDS, top_k=None),
    "em_top_k_list": made("text-classification", "bert_classify", [WORDS, "a"], top_k=2),
    "em_function": made("text-classification", "bert_classify", WORDS, function_to_apply="none"),
    "em_sentiment": made("sentiment-analysis", "bert_classify", WORDS),
    "em_ner": made("ner", "bert_tokens", NAMES, aggregation_strategy="simple"),
    "em_fill": made("fill-mask", "bert", "a [MASK]", top_k=1),
    "em_targets": made("fill-mask", "bert", "a [MASK]", targets=["cat"]),
    "em_features": made("feature-extraction", "bert_classify", "a cat"),
    "em_features_gemma": made("feature-extraction", "embeddinggemma", "a cat"),
    "em_features_generator": lambda make, lib, kit: shape(make("feature-extraction", kit.mini)("hello")),
    "em_one_label": made("text-classification", "bert_rerank", {"text": "a cat", "text_pair": "the tree"}),
    "em_one_label_long": made("text-classification", "bert_rerank", LONG, truncation=True),
    "em_pooled_features": made("feature-extraction", "minilm", "a cat"),
    "em_unknown_word": made("fill-mask", "bert", "a [MASK]", foo=1),
}

GROUPS = {("feature-extraction", "bert"): FEATURES, ("fill-mask", "bert"): FILL,
          ("text-classification", "bert_classify"): CLASSES, ("token-classification", "bert_tokens"): TOKENS}
warnings.simplefilter("ignore")
