#!/usr/bin/env python3
"""sentence-transformers and ours side by side: test_sentence_transformers.py SOURCE [-v] [--record] [--only PREFIX], with
PYTHONPATH and WHINCHAT_LIBRARY set.

As test_transformers.py: each call goes to both, on small models of tests/goldens in float32, or ours is held against what
sentence-transformers 6.2 gave (recorded_sentence_transformers.json; --record writes it).  The calls that differ stand in
docs/PYTHON.md in the rows that begin with "ST".  WHINCHAT_TEST_SENTENCE_TRANSFORMERS names a Python that has it.
"""
import json
import os
import re
import subprocess
import sys
import warnings

from test_transformers import SOURCE, chosen, compared, finish_compared, outcome, without_tensors

RECORDED = os.path.join(SOURCE, "python", "tests", "recorded_sentence_transformers.json")
TEXTS = ["the cat is in the tree.", "", "a small city", "the cat is in the tree, and the small cat runs in the city."]
LONG = "cat " * 200


def golden(name):
    return os.path.join(SOURCE, "tests", "goldens", name)


def heard(call, library):
    """The result, and for ours how many warnings said that a text was cut (theirs never says it)."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        result = call()
    assert library != "ours" or any("lost their ends" in str(w.message) for w in said), "no warning"
    return result


def within(manager, call):
    with manager:
        return call()


def shaped(x):
    return [type(x).__name__, str(getattr(x, "dtype", "")), list(getattr(x, "shape", []))]


def in_steps(x):
    """So that two neighbouring values are equal to agree(): rounding falls on both sides of a step."""
    return [str(x.dtype), (x * 4e-6).astype("float32")]


# ---- name -> function of (model or class, its library's name) ----

MINILM = {
    "e_text": lambda m, lib: m.encode("the cat"),
    "e_texts": lambda m, lib: m.encode(TEXTS),
    "e_kind": lambda m, lib: shaped(m.encode(TEXTS)),
    "e_kind_text": lambda m, lib: shaped(m.encode("a")),
    "e_tuple": lambda m, lib: m.encode(("a", "the cat")),
    "e_empty_list": lambda m, lib: shaped(m.encode([])),
    "e_by_name": lambda m, lib: m.encode(sentences=["a cat"]),
    "e_batch_1": lambda m, lib: m.encode(TEXTS, batch_size=1),
    "e_batch_0": lambda m, lib: m.encode(TEXTS, batch_size=0),
    "e_tensor": lambda m, lib: m.encode(TEXTS, convert_to_tensor=True),
    "e_tensor_text": lambda m, lib: m.encode("a", convert_to_tensor=True),
    "e_list": lambda m, lib: m.encode(["a", "the cat"], convert_to_numpy=False),
    "e_normalized": lambda m, lib: m.encode(TEXTS, normalize_embeddings=True),
    "e_truncated": lambda m, lib: m.encode(TEXTS, truncate_dim=8),
    "e_truncated_normalized": lambda m, lib: m.encode(TEXTS, truncate_dim=8, normalize_embeddings=True),
    "e_truncated_more": lambda m, lib: m.encode("a", truncate_dim=1000),
    "e_truncated_within": lambda m, lib: within(m.truncate_embeddings(5), lambda: [m.encode("a"), m.get_embedding_dimension()]),
    "e_long": lambda m, lib: heard(lambda: m.encode([LONG, "a"]), lib),
    "e_prompt": lambda m, lib: m.encode("the cat", prompt="a small "),
    "e_prompt_empty": lambda m, lib: m.encode("the cat", prompt=""),
    "e_prompt_name": lambda m, lib: m.encode("the cat", prompt_name="query"),
    "e_prompt_unknown": lambda m, lib: m.encode("the cat", prompt_name="none-such"),
    "e_query": lambda m, lib: m.encode_query("the cat"),
    "e_document": lambda m, lib: m.encode_document(["the cat", "a"]),
    "e_tokens": lambda m, lib: m.encode("the cat", output_value="token_embeddings"),
    "e_tokens_texts": lambda m, lib: m.encode(["the cat", "a small city"], output_value="token_embeddings"),
    "e_tokens_prompt": lambda m, lib: m.encode("cat", prompt="the ", output_value="token_embeddings"),
    "e_all_values": lambda m, lib: sorted(m.encode("the cat", output_value=None)),
    "e_ubinary": lambda m, lib: m.encode(TEXTS, precision="ubinary"),
    "e_binary": lambda m, lib: m.encode(TEXTS, precision="binary"),
    "e_int8": lambda m, lib: in_steps(m.encode(TEXTS, precision="int8")),
    "e_uint8": lambda m, lib: in_steps(m.encode(TEXTS, precision="uint8")),
    "e_int8_alone": lambda m, lib: m.encode("a", precision="int8"),
    "e_precision_bad": lambda m, lib: m.encode("a", precision="int4"),
    "e_unknown_word": lambda m, lib: m.encode("a", foo=1),
    "e_number": lambda m, lib: m.encode(3),
    "e_none": lambda m, lib: m.encode(None),
    "e_numbers": lambda m, lib: m.encode([1, 2]),
    "e_similarity": lambda m, lib: m.similarity(m.encode(TEXTS), m.encode(["a", "the tree"])),
    "e_similarity_text": lambda m, lib: m.similarity(m.encode("a"), m.encode(TEXTS)),
    "e_similarity_tensors": lambda m, lib: m.similarity(m.encode(TEXTS, convert_to_tensor=True), m.encode(TEXTS)),
    "e_similarity_pairwise": lambda m, lib: m.similarity_pairwise(m.encode(TEXTS), m.encode(TEXTS[::-1])),
    "e_similarity_widths": lambda m, lib: m.similarity(m.encode(["a"]), m.encode(["a"], truncate_dim=4)),
    "e_about": lambda m, lib: [m.max_seq_length, m.get_embedding_dimension(), m.get_sentence_embedding_dimension(),
                               m.prompts, m.default_prompt_name, m.similarity_fn_name, str(m.device), m.truncate_dim],
    "e_tokenize": lambda m, lib: sorted(m.tokenize(["the cat", "a"])),
}

GEMMA = {
    "g_text": lambda m, lib: m.encode(TEXTS),
    "g_query": lambda m, lib: m.encode_query(TEXTS),
    "g_document": lambda m, lib: m.encode_document("the cat"),
    "g_prompt_name": lambda m, lib: m.encode("the cat", prompt_name="document"),
    "g_prompt_and_name": lambda m, lib: m.encode("the cat", prompt="x: ", prompt_name="document"),
    "g_truncated": lambda m, lib: m.encode_query(TEXTS, truncate_dim=16, normalize_embeddings=True),
    "g_tokens": lambda m, lib: m.encode("the cat", output_value="token_embeddings"),
    "g_about": lambda m, lib: [m.max_seq_length, m.get_embedding_dimension(), m.prompts, m.similarity_fn_name],
}

PAIRS = [("fast search", "the cat is in the tree."), ("a cat", "the small cat runs."), ("", "")]
RERANK = {
    "c_pair": lambda m, lib: m.predict(("a cat", "the small cat")),
    "c_pair_list": lambda m, lib: m.predict(["a cat", "the small cat"]),
    "c_pairs": lambda m, lib: m.predict(PAIRS),
    "c_kind": lambda m, lib: shaped(m.predict(PAIRS)),
    "c_kind_pair": lambda m, lib: shaped(m.predict(PAIRS[0])),
    "c_tensor": lambda m, lib: m.predict(PAIRS, convert_to_tensor=True),
    "c_list": lambda m, lib: m.predict(PAIRS, convert_to_numpy=False),
    "c_batch_1": lambda m, lib: m.predict(PAIRS, batch_size=1),
    "c_softmax": lambda m, lib: m.predict(PAIRS, apply_softmax=True),
    "c_empty": lambda m, lib: shaped(m.predict([])),
    "c_by_name": lambda m, lib: m.predict(sentences=PAIRS),
    "c_long": lambda m, lib: heard(lambda: m.predict([("a cat", LONG), (LONG, "the tree.")]), lib),
    "c_text": lambda m, lib: m.predict("a cat"),
    "c_three": lambda m, lib: m.predict([("a", "b", "c")]),
    "c_batch_0": lambda m, lib: m.predict(PAIRS, batch_size=0),
    "c_unknown_word": lambda m, lib: m.predict(PAIRS, foo=1),
    "c_rank": lambda m, lib: m.rank("a cat", ["the tree", "the small cat", "a city"]),
    "c_rank_top_k": lambda m, lib: m.rank("a cat", ["the tree", "the small cat", "a city"], top_k=2),
    "c_rank_documents": lambda m, lib: m.rank("a cat", ["the tree", "the small cat"], return_documents=True),
    "c_rank_none": lambda m, lib: m.rank("a cat", []),
    "c_about": lambda m, lib: [m.num_labels, m.max_seq_length, str(m.device)],
}

CLASSES = {
    "l_pairs": lambda m, lib: m.predict(PAIRS),
    "l_softmax": lambda m, lib: m.predict(PAIRS, apply_softmax=True),
    "l_pair": lambda m, lib: m.predict(PAIRS[0]),
    "l_rank": lambda m, lib: m.rank("a", ["b"]),
}

MAKE = {
    "m_truncate_dim": lambda lib, name: lib.SentenceTransformer(golden("minilm"), truncate_dim=7).encode("a cat"),
    "m_prompts": lambda lib, name: lib.SentenceTransformer(golden("minilm"), prompts={"mine": "the "}, default_prompt_name="mine")
    .encode(["cat"]),
    "m_default_unknown": lambda lib, name: lib.SentenceTransformer(golden("minilm"), default_prompt_name="none-such"),
    "m_dot": lambda lib, name: dissimilar(lib, "dot"),
    "m_euclidean": lambda lib, name: dissimilar(lib, "euclidean"),
    "m_manhattan": lambda lib, name: dissimilar(lib, "manhattan"),
    "m_similarity_bad": lambda lib, name: lib.SentenceTransformer(golden("minilm"), similarity_fn_name="x"),
    "m_max_seq_length": lambda lib, name: shortened(lib, name),
    "m_bert": lambda lib, name: lib.SentenceTransformer(golden("bert")).encode(TEXTS),
    "m_max_length": lambda lib, name: heard(lambda: lib.CrossEncoder(golden("bert_rerank"), max_length=8).predict(PAIRS), name),
    "m_labels": lambda lib, name: lib.CrossEncoder(golden("bert_rerank"), num_labels=1).num_labels,
    "m_none_such": lambda lib, name: lib.SentenceTransformer("./none-such"),
    "m_cross_none_such": lambda lib, name: lib.CrossEncoder("./none-such"),
    "m_unknown_word": lambda lib, name: lib.SentenceTransformer(golden("minilm"), foo=1),
}


def dissimilar(lib, function):
    m = lib.SentenceTransformer(golden("minilm"), similarity_fn_name=function)
    a, b = m.encode(TEXTS), m.encode(TEXTS[::-1])
    return [m.similarity(a, b), m.similarity_pairwise(a, b)]


def shortened(lib, name):
    m = lib.SentenceTransformer(golden("minilm"))
    m.max_seq_length = 5
    return heard(lambda: [m.max_seq_length, m.encode(TEXTS)], name)


GROUPS = [("SentenceTransformer", "minilm", MINILM), ("SentenceTransformer", "embeddinggemma", GEMMA),
          ("CrossEncoder", "bert_rerank", RERANK), ("CrossEncoder", "bert_classify", CLASSES), (None, None, MAKE)]


def listed():
    text = open(os.path.join(SOURCE, "docs", "PYTHON.md"), encoding="utf-8").read()
    return set(name for row in re.findall(r"^\| ST \| (.*?) \|", text, re.M) for name in re.findall(r"`(\w+)`", row))


def main():
    python = os.environ.get("WHINCHAT_TEST_SENTENCE_TRANSFORMERS")
    if python and not os.environ.get("WHINCHAT_TEST_LIVE"):
        return subprocess.run([python] + sys.argv, env=dict(os.environ, WHINCHAT_TEST_LIVE="1", HF_HUB_OFFLINE="1",
                                                            TOKENIZERS_PARALLELISM="false")).returncode
    warnings.simplefilter("ignore")
    import whinchat
    recorded, theirs = {}, None
    try:
        import sentence_transformers as theirs
        import transformers
        transformers.logging.set_verbosity(transformers.logging.CRITICAL)
        print("# sentence-transformers %s" % theirs.__version__, flush=True)
    except ImportError as e:
        if os.environ.get("WHINCHAT_TEST_LIVE"):
            raise
        print("not run: sentence-transformers itself beside ours (%s); WHINCHAT_TEST_SENTENCE_TRANSFORMERS may name a Python that "
              "has it" % e)
        recorded = json.load(open(RECORDED, encoding="utf-8"))
    have = {}
    for name in ("numpy", "torch"):
        try:
            have[name] = __import__(name)
        except ImportError:
            print("# no %s" % name)
    differ, seen = listed(), {}
    for kind, model, forms in GROUPS:
        pair = [(lib, name) for lib, name in ((theirs, "theirs"), (whinchat, "ours")) if lib]
        made = {name: getattr(lib, kind)(golden(model)) if kind else lib for lib, name in pair}
        for name, form in forms.items():
            if not chosen(name):
                seen[name] = None
                continue
            want = recorded[name] if theirs is None else outcome(form, made["theirs"], "theirs")[0]
            seen[name] = want
            got, error = outcome(form, made["ours"], "ours")
            if "torch" not in have and isinstance(error, ImportError):
                print("skip %s: no torch" % name)
                continue
            if "torch" not in have:
                want, got = without_tensors(want), without_tensors(got)
            if "torch" not in have and (name.startswith(("e_kind", "e_empty", "c_kind", "c_empty"))) and "numpy" not in have:
                continue
            compared(name, want, got, error, differ)
    return finish_compared(differ, set(seen), RECORDED, seen)


if __name__ == "__main__":
    sys.exit(main())
