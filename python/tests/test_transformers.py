#!/usr/bin/env python3
"""transformers' own pipelines and ours side by side: test_transformers.py SOURCE [-v] [--record] [--only PREFIX], with
PYTHONPATH and WHINCHAT_LIBRARY set; --only: the calls whose names begin so.

Each form of call below, and each of encoder_forms.py and media_forms.py, goes to both, on the shipped model or a small one of tests/goldens in
float32; what comes back must be equal, key for key (floats within 1e-5), and an exception must be one that catches where
theirs does.  The forms that differ stand in the table of docs/PYTHON.md with the reason, by their names here: a form that is
not in the table must agree, and one that is in it must differ.

WHINCHAT_TEST_TRANSFORMERS names one or more Pythons (divided by ':') that have transformers, torch, timm, Pillow and cffi;
without it an importable transformers is used.  Where there is none, ours is held against what transformers 5.24 gave
(recorded_transformers.json beside this file; --record writes it).  A line a form; the last one is 'N passed, N failed'.
"""
import base64
import itertools
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import warnings

import encoder_forms
import media_forms
from encoder_forms import Items, drained

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests"))
from tally import check, count, finish  # noqa: E402

SOURCE = os.path.abspath(sys.argv[1])
MODEL = os.path.join(SOURCE, "models", "gemma-3n-mini-it")
EXPECTED = os.path.join(SOURCE, "tests", "goldens", "expected")
PICTURE = os.path.join(SOURCE, "examples", "guitarist.png")
OTHER = os.path.join(EXPECTED, "02-violin.png")
RECORDED = os.path.join(SOURCE, "python", "tests", "recorded_transformers.json")
ENCODED = base64.b64encode(open(PICTURE, "rb").read()).decode()
TOKEN = "<image_soft_token>"
ASK = "What musical instrument is the person playing?"


def say(role, *parts):
    return {"role": role, "content": [{"type": "text", "text": p} if isinstance(p, str) else p for p in parts]}


def asked(*parts):
    return [say("user", *parts)]


def picture(**part):
    return dict(part, type="image")


def shown(path=PICTURE, question=ASK):
    return asked(picture(path=path), question)


def place():
    return asked({"type": "image"}, ASK)


def places():
    return asked({"type": "image"}, {"type": "image"}, "Which of them shows a violin?")


def plain():
    return [{"role": "user", "content": "What model are you?"}]


def turns():
    return [say("user", picture(path=PICTURE), ASK), say("assistant", "An electric guitar."), say("user", "And where?")]


def begun():
    return shown() + [say("assistant", "The person")]


def begun_plain():
    return plain() + [{"role": "assistant", "content": "I am"}]


def streamed(lib, p, *given, inside=True, skip_prompt=False, **decode):
    """What a TextIteratorStreamer of lib hears."""
    streamer = lib.TextIteratorStreamer(p.tokenizer, skip_prompt=skip_prompt, timeout=5, **decode)
    words = {"generate_kwargs": {"streamer": streamer}} if inside else {"streamer": streamer}
    thread = threading.Thread(target=lambda: p(*given, max_new_tokens=12, **words))
    thread.start()
    pieces = list(streamer)
    thread.join()
    return pieces


def image(kit, path=PICTURE):
    return kit.Image.open(path)


# ---- the forms: name -> function of (pipeline, its library, kit of Pillow and torch) ----

IMAGE_FORMS = {
    # a chat, and where its picture comes from
    "chat": lambda p, lib, kit: p(text=shown()),
    "chat_positional": lambda p, lib, kit: p(shown()),
    "chat_by_url_key": lambda p, lib, kit: p(text=asked(picture(url=PICTURE), ASK)),
    "chat_by_image_key": lambda p, lib, kit: p(text=asked(picture(image=PICTURE), ASK)),
    "chat_by_base64_key": lambda p, lib, kit: p(text=asked(picture(base64=ENCODED), ASK)),
    "chat_by_base64_in_url": lambda p, lib, kit: p(text=asked(picture(url=ENCODED), ASK)),
    "chat_by_data_url": lambda p, lib, kit: p(text=asked(picture(url="data:image/png;base64," + ENCODED), ASK)),
    "chat_by_image_url": lambda p, lib, kit: p(
        text=asked({"type": "image_url", "image_url": {"url": PICTURE}}, ASK)),
    "chat_by_pil": lambda p, lib, kit: p(text=asked(picture(image=kit.opened), ASK)),
    "chat_by_pil_rgba": lambda p, lib, kit: p(text=asked(picture(image=kit.opened.convert("RGBA")), ASK),
                                              return_full_text=False)[0]["generated_text"],
    "chat_tuple": lambda p, lib, kit: p(text=tuple(shown())),
    "chat_of_two_pictures": lambda p, lib, kit: p(text=asked(picture(path=PICTURE), picture(path=OTHER), "Where?")),
    "chat_text_after_picture_after_text": lambda p, lib, kit: p(text=asked("Look:", picture(path=OTHER), ASK)),
    "chat_of_text": lambda p, lib, kit: p(text=asked("What model are you?")),
    "chat_of_strings": lambda p, lib, kit: p(text=plain()),
    "chat_with_system": lambda p, lib, kit: p(text=[say("system", "Answer in one word.")] + shown()),
    "chat_with_turns": lambda p, lib, kit: p(text=turns()),
    "chat_with_a_key_more": lambda p, lib, kit: p(text=[dict(shown()[0], name="me")]),
    "chat_full_text": lambda p, lib, kit: p(text=shown(), return_full_text=True),
    "chat_no_full_text": lambda p, lib, kit: p(text=shown(), return_full_text=False),
    "chat_max_new_tokens": lambda p, lib, kit: p(text=shown(), max_new_tokens=4),
    "chat_tensors": lambda p, lib, kit: p(text=shown(), return_tensors=True),
    "chat_tensors_ids": lambda p, lib, kit: p(text=shown(), return_tensors=True)[0]["generated_token_ids"],
    "chat_tensors_false": lambda p, lib, kit: p(text=shown(), return_tensors=False),
    "chat_tensors_and_text": lambda p, lib, kit: p(text=shown(), return_tensors=True, return_full_text=True),
    "chat_return_type": lambda p, lib, kit: p(text=shown(), return_type=1),
    # lists, batches, lazy inputs
    "chats": lambda p, lib, kit: p(text=[shown(), plain()]),
    "chats_positional": lambda p, lib, kit: p([shown(), shown(OTHER)]),
    "chats_of_one": lambda p, lib, kit: p(text=[shown()]),
    "chats_tuple": lambda p, lib, kit: p(text=(shown(), plain())),
    "chats_no_full_text": lambda p, lib, kit: p(text=[shown(), shown(OTHER)], return_full_text=False),
    "chats_batch_of_two": lambda p, lib, kit: p(text=[shown(), shown(OTHER)], batch_size=2),
    "chats_batch_of_unlike": lambda p, lib, kit: p(text=[shown(), plain(), turns()], batch_size=3),
    "chats_tensors": lambda p, lib, kit: [o[0]["generated_token_ids"] for o in p(text=[shown(), plain()],
                                                                                 return_tensors=True)],
    "chats_generator": lambda p, lib, kit: drained(p(text=(c for c in [shown(), plain()]))),
    "chats_generator_positional": lambda p, lib, kit: drained(p(c for c in [shown(), plain()])),
    "chats_data_set": lambda p, lib, kit: drained(p(Items(shown(), plain()))),
    "chats_endless": lambda p, lib, kit: list(itertools.islice(p(text=itertools.repeat(plain())), 2)),
    # pictures beside a chat
    "images_and_chat": lambda p, lib, kit: p(text=place(), images=[kit.opened], return_full_text=False),
    "images_and_chat_full": lambda p, lib, kit: p(text=place(), images=[kit.opened]),
    "image_and_chat": lambda p, lib, kit: p(text=place(), images=kit.opened),
    "image_path_and_chat": lambda p, lib, kit: p(PICTURE, place()),
    "images_for_two_places": lambda p, lib, kit: p(text=places(), images=[PICTURE, OTHER]),
    "images_and_chats": lambda p, lib, kit: p(text=[place(), place()], images=[[PICTURE], [OTHER]]),
    "images_and_chats_flat": lambda p, lib, kit: p(text=[place(), place()], images=[PICTURE, OTHER]),
    "images_too_many": lambda p, lib, kit: p(text=place(), images=[PICTURE, PICTURE]),
    "images_too_few": lambda p, lib, kit: p(text=places(), images=[PICTURE]),
    "place_without_image": lambda p, lib, kit: p(text=place()),
    "images_in_no_place": lambda p, lib, kit: p(text=plain(), images=[PICTURE]),
    # strings
    "text": lambda p, lib, kit: p(text="hello", max_new_tokens=5),
    "texts": lambda p, lib, kit: p(text=["hello", "What model"], max_new_tokens=5),
    "texts_of_one": lambda p, lib, kit: p(text=["hello"], max_new_tokens=5),
    "text_no_full_text": lambda p, lib, kit: p(text="hello", max_new_tokens=5, return_full_text=False),
    "image_and_text": lambda p, lib, kit: p(PICTURE, text=TOKEN + " What", max_new_tokens=5),
    "image_and_text_positional": lambda p, lib, kit: p(PICTURE, TOKEN + " What", max_new_tokens=5),
    "image_and_text_pil": lambda p, lib, kit: p(kit.opened, TOKEN + " What", max_new_tokens=5),
    "image_and_text_no_full": lambda p, lib, kit: p(PICTURE, text=TOKEN + " What", max_new_tokens=5,
                                                    return_full_text=False),
    "image_and_text_tensors": lambda p, lib, kit: p(PICTURE, text=TOKEN + " What", max_new_tokens=5, return_tensors=True),
    "images_and_one_text": lambda p, lib, kit: p([PICTURE, OTHER], text=TOKEN + TOKEN + " What", max_new_tokens=5),
    "images_and_texts": lambda p, lib, kit: p([PICTURE, OTHER], text=[TOKEN + " What", TOKEN + " The"], max_new_tokens=5),
    "images_lists_and_texts": lambda p, lib, kit: p([[PICTURE], [OTHER]], text=[TOKEN + " What", TOKEN + " The"],
                                                    max_new_tokens=5),
    "text_without_place": lambda p, lib, kit: p(PICTURE, text="What"),
    "text_with_places_more": lambda p, lib, kit: p(PICTURE, text=TOKEN + TOKEN),
    "text_with_place_no_image": lambda p, lib, kit: p(text=TOKEN + " What"),
    "swapped": lambda p, lib, kit: p("What is this?", text=PICTURE),
    "image_alone": lambda p, lib, kit: p(PICTURE, max_new_tokens=3),
    "image_word": lambda p, lib, kit: p(image=PICTURE, text=TOKEN + " What"),
    "dict": lambda p, lib, kit: p({"images": PICTURE, "text": TOKEN + " What"}, max_new_tokens=5),
    "dicts": lambda p, lib, kit: p([{"images": PICTURE, "text": TOKEN + " What"}] * 2, max_new_tokens=5),
    "dict_generator": lambda p, lib, kit: drained(p(({"images": PICTURE, "text": TOKEN + " What"} for _ in "ab"),
                                                    max_new_tokens=5)),
    "dict_without_text": lambda p, lib, kit: p({"images": PICTURE}),
    "dict_without_images": lambda p, lib, kit: p({"text": "hello"}),
    # an answer that goes on
    "begun": lambda p, lib, kit: p(text=begun()),
    "begun_no_full_text": lambda p, lib, kit: p(text=begun(), return_full_text=False),
    "begun_string": lambda p, lib, kit: p(text=begun_plain()),
    "begun_not_continued": lambda p, lib, kit: p(text=begun(), continue_final_message=False),
    "begun_continued": lambda p, lib, kit: p(text=begun(), continue_final_message=True),
    "continued_user": lambda p, lib, kit: p(text=asked("The person in"), continue_final_message=True, max_new_tokens=6),
    # words of generate
    "kwargs_greedy": lambda p, lib, kit: p(text=shown(), generate_kwargs={"do_sample": False, "max_new_tokens": 5}),
    "kwargs_top_k_1": lambda p, lib, kit: p(text=shown(), generate_kwargs={"do_sample": True, "top_k": 1}),
    "kwargs_penalty": lambda p, lib, kit: p(text=shown(), generate_kwargs={"repetition_penalty": 1.8}),
    "kwargs_ngram": lambda p, lib, kit: p(text=shown(), generate_kwargs={"no_repeat_ngram_size": 2}),
    "kwargs_neutral": lambda p, lib, kit: p(text=shown(), generate_kwargs={
        "no_repeat_ngram_size": 0, "length_penalty": 1.0, "num_beams": 1, "num_return_sequences": 1, "use_cache": True}),
    "kwargs_twice": lambda p, lib, kit: p(text=shown(), max_new_tokens=3, generate_kwargs={"max_new_tokens": 4}),
    "kwargs_typo": lambda p, lib, kit: p(text=shown(), generate_kwargs={"max_new_token": 4}),
    "greedy_word": lambda p, lib, kit: p(text=shown(), do_sample=False),
    "top_k_word": lambda p, lib, kit: p(text=shown(), do_sample=True, top_k=1),
    "typo_word": lambda p, lib, kit: p(text=shown(), max_new_token=4),
    "generation_config": lambda p, lib, kit: p(text=shown(), generation_config=kit.GenerationConfig(
        max_new_tokens=5, eos_token_id=[1, 6], pad_token_id=0, bos_token_id=2)),
    "max_length": lambda p, lib, kit: p(text=plain(), generate_kwargs={"max_length": 16, "max_new_tokens": None}),
    "stop_sequence": lambda p, lib, kit: p(text=shown(), stop_sequence="person"),
    "stop_sequence_no_full": lambda p, lib, kit: p(text=shown(), stop_sequence="son in", return_full_text=False),
    "stop_sequence_list": lambda p, lib, kit: p(text=shown(), stop_sequence=["playing", "image"]),
    "stop_strings": lambda p, lib, kit: p(text=shown(), generate_kwargs={"stop_strings": ["image"]}),
    "two_sequences_greedy": lambda p, lib, kit: p(text=shown(), generate_kwargs={"num_return_sequences": 2}),
    "special_tokens_kept": lambda p, lib, kit: p(text=shown(), skip_special_tokens=False),
    "special_tokens_kept_no_full": lambda p, lib, kit: p(text=shown(), skip_special_tokens=False, return_full_text=False),
    "clean_up": lambda p, lib, kit: p(text=shown(), clean_up_tokenization_spaces=True),
    "timeout": lambda p, lib, kit: p(text=shown(), timeout=5.0),
    "streamer": lambda p, lib, kit: streamed(lib, p, shown()),
    "streamer_skip_prompt": lambda p, lib, kit: streamed(lib, p, shown(), skip_prompt=True, skip_special_tokens=True),
    "streamer_word": lambda p, lib, kit: streamed(lib, p, plain(), inside=False, skip_prompt=True),
    # what is refused
    "nothing": lambda p, lib, kit: p(),
    "chat_empty": lambda p, lib, kit: p(text=[]),
    "content_empty": lambda p, lib, kit: p(text=[{"role": "user", "content": []}]),
    "message_without_content": lambda p, lib, kit: p(text=[{"role": "user"}]),
    "roles_wrong": lambda p, lib, kit: p(text=[say("user", "hi"), say("user", "hi")]),
    "picture_not_there": lambda p, lib, kit: p(text=shown("img/none.png")),
    "picture_no_picture": lambda p, lib, kit: p(text=shown(__file__)),
    "base64_broken": lambda p, lib, kit: p(text=asked(picture(base64="####"), ASK)),
    "picture_a_number": lambda p, lib, kit: p(text=asked(picture(image=3), ASK)),
    "text_a_number": lambda p, lib, kit: p(text=3),
    "video": lambda p, lib, kit: p(text=asked({"type": "video", "path": "a.mp4"}, "hello")),
    "max_new_tokens_0": lambda p, lib, kit: p(text=plain(), max_new_tokens=0),
    "max_new_tokens_negative": lambda p, lib, kit: p(text=plain(), max_new_tokens=-5),
    "max_new_tokens_text": lambda p, lib, kit: p(text=plain(), max_new_tokens="5"),
}

TEXT_FORMS = {
    "t_text": lambda p, lib, kit: p("hello"),
    "t_texts": lambda p, lib, kit: p(["hello", "What model are you?"]),
    "t_texts_of_one": lambda p, lib, kit: p(["hello"]),
    "t_texts_tuple": lambda p, lib, kit: p(("hello", "a b")),
    "t_texts_batch": lambda p, lib, kit: p(["hello", "What model are you?", "a"], batch_size=2),
    "t_by_name": lambda p, lib, kit: p(text_inputs="hello"),
    "t_empty_text": lambda p, lib, kit: p("", max_new_tokens=5),
    "t_spaces": lambda p, lib, kit: p("  hello  ", max_new_tokens=5),
    "t_unicode": lambda p, lib, kit: p("h\u00e9llo \u4f60\u597d \U0001f600\n", max_new_tokens=5),
    "t_special_in_text": lambda p, lib, kit: p("<start_of_turn>user\nhello<end_of_turn>\n<start_of_turn>model\n"),
    "t_chat": lambda p, lib, kit: p(plain()),
    "t_chat_parts": lambda p, lib, kit: p(asked("What model are you?")),
    "t_chat_tuple": lambda p, lib, kit: p(tuple(plain())),
    "t_chats": lambda p, lib, kit: p([plain(), plain()]),
    "t_chats_tuple": lambda p, lib, kit: p((plain(), plain())),
    "t_chats_batch": lambda p, lib, kit: p([plain(), asked("hello")], batch_size=2),
    "t_begun": lambda p, lib, kit: p(begun_plain()),
    "t_begun_no_full": lambda p, lib, kit: p(begun_plain(), return_full_text=False),
    "t_begun_parts": lambda p, lib, kit: p(asked("hello") + [say("assistant", "The")]),
    "t_begun_not_continued": lambda p, lib, kit: p(begun_plain(), continue_final_message=False),
    "t_no_full_text": lambda p, lib, kit: p("hello", return_full_text=False),
    "t_chat_no_full_text": lambda p, lib, kit: p(plain(), return_full_text=False),
    "t_tensors": lambda p, lib, kit: p("hello", return_tensors=True),
    "t_tensors_false": lambda p, lib, kit: p("hello", return_tensors=False),
    "t_tensors_and_text": lambda p, lib, kit: p("hello", return_tensors=True, return_full_text=True),
    "t_return_text": lambda p, lib, kit: p("hello", return_text=True),
    "t_return_text_and_tensors": lambda p, lib, kit: p("hello", return_text=True, return_tensors=True),
    "t_generator": lambda p, lib, kit: drained(p(t for t in ["hello", "a b"])),
    "t_generator_of_chats": lambda p, lib, kit: drained(p(c for c in [plain(), plain()])),
    "t_data_set": lambda p, lib, kit: drained(p(Items("hello", "a b"))),
    "t_max_new_tokens": lambda p, lib, kit: p("hello", max_new_tokens=3),
    "t_max_length": lambda p, lib, kit: p("hello", max_length=8),
    "t_max_length_alone": lambda p, lib, kit: p("hello", max_length=8, max_new_tokens=None),
    "t_max_length_below": lambda p, lib, kit: p("hello you", max_length=2, max_new_tokens=None),
    "t_max_both": lambda p, lib, kit: p("hello", max_length=6, max_new_tokens=5),
    "t_stop_sequence": lambda p, lib, kit: p("hello", stop_sequence="guitar"),
    "t_stop_strings": lambda p, lib, kit: p("hello", stop_strings=["guitar"]),
    "t_stop_strings_tokenizer": lambda p, lib, kit: p("hello", stop_strings="itar", tokenizer=p.tokenizer),
    "t_greedy": lambda p, lib, kit: p("hello", do_sample=False),
    "t_top_k_1": lambda p, lib, kit: p("hello", do_sample=True, top_k=1),
    "t_penalty": lambda p, lib, kit: p("hello", repetition_penalty=1.5),
    "t_ngram": lambda p, lib, kit: p("hello", no_repeat_ngram_size=2),
    "t_beams": lambda p, lib, kit: p("hello", num_beams=2),
    "t_min_new_tokens": lambda p, lib, kit: p("hello", min_new_tokens=20),
    "t_eos": lambda p, lib, kit: p("hello", eos_token_id=286),
    "t_temperature_0": lambda p, lib, kit: p("hello", do_sample=True, temperature=0.0),
    "t_temperature_greedy": lambda p, lib, kit: p("hello", do_sample=False, temperature=0.5),
    "t_two_greedy": lambda p, lib, kit: p("hello", num_return_sequences=2),
    "t_two_sampled": lambda p, lib, kit: p("hello", num_return_sequences=2, do_sample=True, top_k=1),
    "t_two_of_two": lambda p, lib, kit: p(["hello", "a"], num_return_sequences=2, do_sample=True, top_k=1),
    "t_generation_config": lambda p, lib, kit: p("hello", generation_config=kit.GenerationConfig(
        max_new_tokens=3, eos_token_id=[1, 6], pad_token_id=0, bos_token_id=2)),
    "t_add_special_tokens": lambda p, lib, kit: p("hello", add_special_tokens=True, return_tensors=True),
    "t_no_special_tokens": lambda p, lib, kit: p("hello", add_special_tokens=False, return_tensors=True, max_new_tokens=4),
    "t_prefix": lambda p, lib, kit: p("hello", prefix="What model ", max_new_tokens=4),
    "t_truncation": lambda p, lib, kit: p("hello you there", truncation=True, max_length=3, max_new_tokens=4),
    "t_long_hole": lambda p, lib, kit: p("hello", handle_long_generation="hole", max_new_tokens=4),
    "t_long_other": lambda p, lib, kit: p("hello", handle_long_generation="x"),
    "t_dict_out": lambda p, lib, kit: sorted(p("hello", return_dict_in_generate=True, output_scores=True)[0]),
    "t_clean_up": lambda p, lib, kit: p("hello .", clean_up_tokenization_spaces=True),
    "t_special_tokens_kept": lambda p, lib, kit: p("hello", skip_special_tokens=False),
    "t_streamer": lambda p, lib, kit: streamed(lib, p, "hello", inside=False),
    "t_streamer_chat": lambda p, lib, kit: streamed(lib, p, plain(), inside=False, skip_special_tokens=True),
    "t_tools": lambda p, lib, kit: p(plain(), tools=[{"type": "function", "function": {"name": "f"}}]),
    "t_typo": lambda p, lib, kit: p("hello", foo=1),
    "t_empty_list": lambda p, lib, kit: p([]),
    "t_number": lambda p, lib, kit: p(3),
    "t_none": lambda p, lib, kit: p(None),
    "t_dict": lambda p, lib, kit: p({"text": "hello"}),
    "t_no_argument": lambda p, lib, kit: p(),
    "t_two_positional": lambda p, lib, kit: p("hello", "you"),
    "t_message_without_content": lambda p, lib, kit: p([{"role": "user"}]),
    "t_roles_wrong": lambda p, lib, kit: p(plain() + plain()),
    "t_max_new_tokens_0": lambda p, lib, kit: p("hello", max_new_tokens=0),
    "t_encode": lambda p, lib, kit: [p.tokenizer.encode("hello you"), p.tokenizer.encode("a", add_special_tokens=False)],
    "t_decode": lambda p, lib, kit: [p.tokenizer.decode([2, 372, 458]), p.tokenizer.decode([2, 372], skip_special_tokens=True)],
    "t_template": lambda p, lib, kit: p.tokenizer.apply_chat_template(plain(), tokenize=False, add_generation_prompt=True),
}

MAKE_FORMS = {
    "m_kept_words": lambda make, lib, kit: make("text-generation", MODEL, max_new_tokens=3)("hello"),
    "m_kept_and_given": lambda make, lib, kit: make("text-generation", MODEL, max_new_tokens=3)("hello", max_new_tokens=5),
    "m_kept_full_text": lambda make, lib, kit: make("text-generation", MODEL, return_full_text=False)("hello"),
    "m_kept_stop": lambda make, lib, kit: make("text-generation", MODEL, stop_sequence="guitar")("hello"),
    "m_kept_batch_size": lambda make, lib, kit: make("text-generation", MODEL, batch_size=2)(["hello", "a"]),
    "m_kept_images": lambda make, lib, kit: make("image-text-to-text", model=MODEL, max_new_tokens=4)(text=shown()),
    "m_task": lambda make, lib, kit: [make("text-generation", MODEL).task, make("image-text-to-text", MODEL).task],
    "m_device_map": lambda make, lib, kit: make("text-generation", model=MODEL, device="cpu", trust_remote_code=False)("hello"),
    "m_torch_dtype": lambda make, lib, kit: lib.pipeline("text-generation", model=MODEL, torch_dtype=kit.torch.float32,
                                                         device="cpu", do_sample=False)("hello"),
    "m_torch_device": lambda make, lib, kit: make("text-generation", model=MODEL, device=kit.torch.device("cpu"))("hello"),
    "m_use_fast": lambda make, lib, kit: make("text-generation", model=MODEL, use_fast=True)("hello"),
    "m_nothing": lambda make, lib, kit: lib.pipeline(),
    "m_task_unknown": lambda make, lib, kit: lib.pipeline("text-to-tea", MODEL),
    "m_no_folder": lambda make, lib, kit: lib.pipeline("text-generation", "./none-such"),
    "m_word_unknown": lambda make, lib, kit: make("text-generation", MODEL, foo=1)("hello"),
}


# ---- comparing ----

def comparable(value):
    """value in a form that == compares and JSON holds: tensors and pictures by what they are, tuples told from lists."""
    name = type(value).__name__
    if isinstance(value, str):
        return value.replace(ENCODED, "$ENCODED").replace(SOURCE, "$SOURCE").replace(tempfile.gettempdir(), "$TMP")
    if name in ("Tensor", "ndarray"):
        return ["tensor", str(value.dtype).replace("torch.", ""), value.tolist()]
    if isinstance(value, float) or hasattr(value, "dtype"):
        return round(float(value), 7)
    if name == "Chat":
        return ["Chat", comparable(value.messages)]
    if hasattr(value, "getexif"):
        return ["image", value.mode, list(value.size)]
    if isinstance(value, dict):
        return {k: comparable(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return ([] if isinstance(value, list) else ["tuple"]) + [comparable(v) for v in value]
    return value


def outcome(form, *given):
    """{"value"} of a call, or {"error": the built-in class that catches it, "text"}; the exception itself where it is."""
    try:
        return {"value": comparable(form(*given))}, None
    except Exception as e:
        kind = next(k for k in type(e).__mro__ if k.__module__ == "builtins")
        return {"error": kind.__name__, "text": comparable("%s: %.300s" % (type(e).__name__, e))}, e


def agree(theirs, ours, error):
    if "error" in theirs:
        return error is not None and any(k.__name__ == theirs["error"] for k in type(error).__mro__)
    return error is None and close(theirs, ours)


def close(a, b):
    """Equal, floats within the noise of float32."""
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-5, abs_tol=1e-5)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(close(x, y) for x, y in zip(a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(close(a[k], b[k]) for k in a)
    return a == b


def compared(name, theirs, ours, error, differ):
    """A case: what came back agrees, or differs where docs/PYTHON.md says so (differ has the name)."""
    same, wanted = agree(theirs, ours, error), name not in differ
    check(name + ("" if wanted else " (differs)"), same == wanted)
    if same != wanted or "-v" in sys.argv:
        print("     theirs %.700r\n     ours   %.700r" % (theirs, ours), flush=True)


def chosen(name):
    """Whether --only, where it is given, begins this name."""
    return "--only" not in sys.argv or name.startswith(sys.argv[sys.argv.index("--only") + 1])


def finish_compared(differ, names, path, seen):
    """docs/PYTHON.md names no others than names; with --record what was seen is written to path. The exit status."""
    check("docs/PYTHON.md names what is there", differ <= names, sorted(differ - names))
    if "--record" in sys.argv:
        with open(path, "w", encoding="utf-8") as f:
            f.write("{\n%s\n}\n" % ",\n".join("%s: %s" % (json.dumps(k), json.dumps(v)) for k, v in seen.items()))
    return finish()


def listed(version):
    """The forms that docs/PYTHON.md says to differ for this version ("4", "5"): cells `name` of rows "| 4, 5 | ... |"."""
    names = set()
    for line in open(os.path.join(SOURCE, "docs", "PYTHON.md"), encoding="utf-8"):
        row = re.match(r"\| ([45](?:, [45])*) \| (.*?) \|", line)
        if row and version in row.group(1):
            names.update(re.findall(r"`(\w+)`", row.group(2)))
    return names


class Kit:
    """What the forms need beside the two libraries; a form that needs what is not there is left out."""

    mini = MODEL

    def golden(self, name):
        return os.path.join(SOURCE, "tests", "goldens", name)

    def talking(self, name):
        """A copy of that folder with a chat template, which goes away with this process."""
        if name not in self.copies:
            self.copies[name] = tempfile.TemporaryDirectory(prefix="whinchat-")
            folder = self.copies[name].name
            shutil.copytree(self.golden(name), folder, dirs_exist_ok=True)
            with open(os.path.join(MODEL, "chat_template.jinja"), encoding="utf-8") as f:
                template = f.read()
            if name == "gemma3_mm":
                template = template.replace(TOKEN, "<start_of_image>")
                with open(os.path.join(folder, "processor_config.json"), encoding="utf-8") as f:
                    config = json.load(f)
                config["image_processor"]["pan_and_scan_min_crop_size"] = 256  # which transformers takes whatever the file says
                with open(os.path.join(folder, "processor_config.json"), "w", encoding="utf-8") as f:
                    json.dump(config, f)
            with open(os.path.join(folder, "chat_template.jinja"), "w", encoding="utf-8") as f:
                f.write(template)
            with open(os.path.join(folder, "tokenizer_config.json"), encoding="utf-8") as f:
                config = json.load(f)
            config["tokenizer_class"] = "PreTrainedTokenizerFast"  # as 4.57 writes what 5 calls TokenizersBackend
            config["extra_special_tokens"] = {k: v for k, v in config.items() if k[:4] in ("boi_", "eoi_", "boa_", "eoa_")
                                              or k in ("image_token", "audio_token")}
            with open(os.path.join(folder, "tokenizer_config.json"), "w", encoding="utf-8") as f:
                json.dump(config, f)
        return self.copies[name].name

    def __init__(self):
        self.GenerationConfig, self.copies = dict, {}
        try:
            import numpy
            self.numpy = numpy
            from PIL import Image
            self.opened = Image.open(PICTURE).convert("RGB")
            import torch
            self.torch = torch
            import transformers
            self.GenerationConfig = transformers.GenerationConfig
        except ImportError:
            pass


class Live:
    """transformers itself."""

    def __init__(self, kit):
        import transformers
        transformers.logging.set_verbosity(transformers.logging.CRITICAL)
        kit.torch.set_num_threads(1)
        self.lib, self.version, self.kit, self.pipes = transformers, transformers.__version__, kit, {}

    def make(self, task, model, **words):
        word = "dtype" if int(self.version.split(".")[0]) >= 5 else "torch_dtype"
        if self.version.startswith("4.") and task == "text-generation":
            words.setdefault("do_sample", False)  # which it overrules in generation_config.json
        return self.lib.pipeline(task, model, **dict({word: self.kit.torch.float32, "device": "cpu"}, **words))

    def outcome(self, task, model, name, form):
        if (task, model) not in self.pipes:
            self.pipes[task, model] = self.make(task, model) if task else self.make
        return outcome(form, self.pipes[task, model], self.lib, self.kit)[0]


def without_tensors(value):
    """value where ids are lists, as ours gives them where there is neither torch nor numpy."""
    if isinstance(value, list):
        return value[2] if value[:1] == ["tensor"] else [without_tensors(v) for v in value]
    return {k: without_tensors(v) for k, v in value.items()} if isinstance(value, dict) else value


class Recorded:
    """What it gave once."""

    def __init__(self):
        with open(RECORDED, encoding="utf-8") as f:
            self.outcomes = json.load(f)
        try:
            import numpy  # noqa: F401
        except ImportError:
            self.outcomes = without_tensors(self.outcomes)
        self.version = self.outcomes["version"]

    def outcome(self, task, model, name, form):
        return self.outcomes[name]


def compare(reference, kit):
    import whinchat
    print("# transformers %s, %s" % (reference.version, type(reference).__name__.lower()), flush=True)

    def make(task, model, **words):
        return whinchat.pipeline(task, model, **dict({"dtype": "float32"}, **words))

    differ, seen = listed(reference.version.split(".")[0]), {"version": reference.version}
    groups = [("image-text-to-text", MODEL, IMAGE_FORMS), ("text-generation", MODEL, TEXT_FORMS),
              (None, MODEL, dict(MAKE_FORMS, **encoder_forms.MAKE))]
    groups += [(task, kit.golden(model), forms) for (task, model), forms in encoder_forms.GROUPS.items()]
    groups += [(task, kit.talking(model), forms) for (task, model), forms in media_forms.GROUPS.items()
               if task != "any-to-any" or not reference.version.startswith("4.")]
    for task, model, forms in groups:
        ours = make if task is None else make(task, model)
        for name, form in forms.items():
            if not chosen(name):
                seen[name] = None
                continue
            seen[name] = theirs = reference.outcome(task, model, name, form)
            got, error = outcome(form, ours, whinchat, kit)
            if isinstance(error, AttributeError) and "'Kit'" in str(error):
                print("skip %s: %s" % (name, error))
                continue
            compared(name, theirs, got, error, differ)
    return finish_compared(differ, set(seen).union(*media_forms.GROUPS.values()), RECORDED, seen)


def in_each(pythons):
    """This test once more in other Pythons; the sum of their cases."""
    env = {k: v for k, v in os.environ.items() if k != "WHINCHAT_TEST_TRANSFORMERS"}
    env.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", WHINCHAT_TEST_LIVE="1")
    for python in pythons:
        p = subprocess.run([python] + sys.argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        print(p.stdout, end="", flush=True)
        last = re.search(r"^(\d+) passed, (\d+) failed$", p.stdout, re.M)
        if last:
            count[True] += int(last.group(1))
            count[False] += int(last.group(2))
        else:
            check(python, False, p.stderr[-2000:])
    return finish()


def main():
    pythons = [p for p in os.environ.get("WHINCHAT_TEST_TRANSFORMERS", "").split(":") if p]
    if pythons:
        return in_each(pythons)
    warnings.simplefilter("ignore")
    kit = Kit()
    try:
        import timm  # noqa: F401
        reference = Live(kit)
    except (ImportError, AttributeError) as e:
        if os.environ.get("WHINCHAT_TEST_LIVE"):
            raise
        print("not run: transformers itself beside ours (%s); WHINCHAT_TEST_TRANSFORMERS may name a Python that has it" % e)
        reference = Recorded()
    return compare(reference, kit)


if __name__ == "__main__":
    sys.exit(main())
