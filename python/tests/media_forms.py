"""Calls with sounds, and with pictures in pieces, for test_transformers.py: task, model folder -> name -> function of
(pipeline, library, kit).  The folders are those of tests/goldens with the shipped model's chat template beside them."""
import base64
import os
import sys
import wave

GOLDENS = os.path.join(os.path.abspath(sys.argv[1]), "tests", "goldens")
SOUND, OTHER = (os.path.join(GOLDENS, "gemma3n_mm", "sound_%s.wav" % x) for x in "ab")
PICTURE = os.path.join(GOLDENS, "gemma3n_mm", "image_a.png")
ENCODED_SOUND = base64.b64encode(open(SOUND, "rb").read()).decode()
HEAR, SEE = "<audio_soft_token>", "<image_soft_token>"
NEW = {"return_full_text": False, "max_new_tokens": 4}


def chat(*parts):
    return [{"role": "user", "content": [{"type": "text", "text": p} if isinstance(p, str) else p for p in parts]}]


def heard(**part):
    return chat(dict(part or {"path": SOUND}, type="audio"), "What?")


def samples(kit):
    """The file's samples, float32 at 16 kHz, as soundfile reads them."""
    with wave.open(SOUND) as w:
        assert (w.getframerate(), w.getsampwidth(), w.getnchannels()) == (16000, 2, 1)
        return kit.numpy.frombuffer(w.readframes(w.getnframes()), "<i2").astype("float32") / 32768


def texts(result):
    """What was said, without what was asked: samples are not shown there alike."""
    return [r["generated_text"] if isinstance(r, dict) else texts(r) for r in result]


def ids(result):
    """Of a picture in pieces the places are counted: what they look like is in the answer."""
    return [r["generated_token_ids"] for r in result]


def media(first):
    """Calls that image-text-to-text and any-to-any share, their names beginning with first."""
    forms = {
        "sound": lambda p, lib, kit: p(text=heard(), max_new_tokens=4),
        "sound_ids": lambda p, lib, kit: ids(p(text=heard(), return_tensors=True, max_new_tokens=4)),
        "sound_audio_key": lambda p, lib, kit: p(text=heard(audio=SOUND), **NEW),
        "sound_url_key": lambda p, lib, kit: p(text=heard(url=SOUND), **NEW),
        "sound_array": lambda p, lib, kit: texts(p(text=heard(audio=samples(kit)), **NEW)),
        "sound_base64": lambda p, lib, kit: texts(p(text=heard(audio=ENCODED_SOUND), **NEW)),
        "sound_data_url": lambda p, lib, kit: texts(p(text=heard(audio="data:audio/wav;base64," + ENCODED_SOUND), **NEW)),
        "sounds": lambda p, lib, kit: p(text=chat({"type": "audio", "path": SOUND}, {"type": "audio", "path": OTHER}, "?"), **NEW),
        "sound_and_picture": lambda p, lib, kit: p(text=chat({"type": "audio", "path": SOUND}, "and",
                                                            {"type": "image", "path": PICTURE}, "?"), **NEW),
        "sound_chats": lambda p, lib, kit: p(text=[heard(), heard(audio=OTHER)], **NEW),
        "sound_bytes": lambda p, lib, kit: texts(p(text=heard(audio=open(SOUND, "rb").read()), **NEW)),
        "sound_and_rate": lambda p, lib, kit: texts(p(text=heard(audio=samples(kit)[::2], sampling_rate=8000), **NEW)),
        "sound_none_such": lambda p, lib, kit: p(text=heard(path="none-such.wav"), **NEW),
        "sound_number": lambda p, lib, kit: p(text=heard(audio=3), **NEW),
        "sound_no_sound": lambda p, lib, kit: p(text=heard(path=__file__), **NEW),
        "sound_place_alone": lambda p, lib, kit: p(text=chat({"type": "audio"}, "?"), **NEW),
    }
    return {first + name: form for name, form in forms.items()}


ANY = dict(media("any_"), **{
    "any_text": lambda p, lib, kit: p("hello", max_new_tokens=4),
    "any_text_new": lambda p, lib, kit: p("hello", **NEW),
    "any_text_by_name": lambda p, lib, kit: p(text="hello", return_tensors=True, max_new_tokens=4),
    "any_texts": lambda p, lib, kit: p(["hello"], max_new_tokens=4),
    "any_audio": lambda p, lib, kit: p(text=HEAR + "?", audio=SOUND, **NEW),
    "any_audio_array": lambda p, lib, kit: p(text=HEAR + "?", audio=samples(kit), **NEW),
    "any_audio_list": lambda p, lib, kit: p(text=HEAR + HEAR + "?", audio=[SOUND, OTHER], **NEW),
    "any_images": lambda p, lib, kit: p(text=SEE + "?", images=PICTURE, **NEW),
    "any_images_positional": lambda p, lib, kit: p(SEE + "?", PICTURE, **NEW),
    "any_both": lambda p, lib, kit: p(text=HEAR + SEE + "?", images=PICTURE, audio=SOUND, **NEW),
    "any_dict": lambda p, lib, kit: p({"text": SEE + "?", "images": PICTURE}, **NEW),
    "any_dict_audio": lambda p, lib, kit: p({"text": HEAR + "?", "audio": SOUND}, **NEW),
    "any_dicts": lambda p, lib, kit: p([{"text": SEE + "?", "images": PICTURE}, {"text": "hello"}], **NEW),
    "any_generator": lambda p, lib, kit: list(p((c for c in [heard(), chat("hello")]), **NEW)),
    "any_chat_positional": lambda p, lib, kit: p(heard(), **NEW),
    "any_begun": lambda p, lib, kit: p(text=heard() + [{"role": "assistant", "content": [{"type": "text", "text": "A"}]}],
                                       max_new_tokens=4),
    "any_stop": lambda p, lib, kit: p(chat("hello"), stop_sequence=["="], return_full_text=False, max_new_tokens=6),
    "any_mode_text": lambda p, lib, kit: p("hello", generation_mode="text", **NEW),
    "any_mode_image": lambda p, lib, kit: p("hello", generation_mode="image"),
    "any_mode_bad": lambda p, lib, kit: p("hello", generation_mode="x"),
    "any_full_and_tensors": lambda p, lib, kit: p("hello", return_full_text=True, return_tensors=True),
    "any_twice": lambda p, lib, kit: p("hello", max_new_tokens=3, generate_kwargs={"max_new_tokens": 4}),
    "any_nothing": lambda p, lib, kit: p(),
    "any_none": lambda p, lib, kit: p(None),
    "any_empty": lambda p, lib, kit: p([]),
    "any_number": lambda p, lib, kit: p(3),
    "any_task": lambda p, lib, kit: p.task,
    "any_images_beside_chat": lambda p, lib, kit: p(text=chat({"type": "image"}, "?"), images=[PICTURE], **NEW),
})


def wide(kit):
    """A picture that pan and scan cuts in two: 256 pixels are the least of a piece."""
    return chat({"type": "image", "image": kit.opened.resize((640, 300))}, "What?")


def looked(p, kit, **words):
    return [ids(p(text=wide(kit), return_tensors=True, max_new_tokens=4, **words)),
            texts(p(text=wide(kit), return_full_text=False, max_new_tokens=4, **words))]


PIECES = {
    "pan_default": lambda p, lib, kit: looked(p, kit),
    "pan_processor_kwargs": lambda p, lib, kit: looked(p, kit, processor_kwargs={"do_pan_and_scan": True}),
    "pan_images_kwargs": lambda p, lib, kit: looked(p, kit, processor_kwargs={"images_kwargs": {"do_pan_and_scan": True}}),
    "pan_word": lambda p, lib, kit: looked(p, kit, do_pan_and_scan=True),
    "pan_images_kwargs_word": lambda p, lib, kit: looked(p, kit, images_kwargs={"do_pan_and_scan": True}),
    "pan_off": lambda p, lib, kit: looked(p, kit, processor_kwargs={"do_pan_and_scan": False}),
    "pan_other": lambda p, lib, kit: looked(p, kit, processor_kwargs={"do_pan_and_scan": True, "pan_and_scan_min_crop_size": 16}),
}

GROUPS = {("image-text-to-text", "gemma3n_mm"): media("snd_"), ("any-to-any", "gemma3n_mm"): ANY,
          ("image-text-to-text", "gemma3_mm"): PIECES}
