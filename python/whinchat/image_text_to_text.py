"""pipeline("image-text-to-text")."""
import sys
from typing import Any, Dict, Iterator, List, Sequence

from . import chats
from .base import GenerationPipeline
from .calls import FULL_TEXT, IMAGE_WORDS, TENSORS, Call
from .chats import is_chat, is_lazy, is_message
from .errors import InputError, UnsupportedError
from .options import Answer, Prompt


class Asked:
    """One question: a chat or a text, and its pictures and sounds in order."""

    def __init__(self, given: Any, images: List[Any], sounds: List[Any]) -> None:
        self.given, self.images, self.sounds = given, images, sounds


class ImageTextToTextPipeline(GenerationPipeline):
    """pipeline("image-text-to-text"): pipe(images=None, text=None, **keywords); pipe(chat) works too.

    image_token: the text that stands for a picture in a string, "<image_soft_token>" for Gemma 3n.
    """

    task = "image-text-to-text"
    words = IMAGE_WORDS

    @property
    def image_token(self) -> str:
        """The text that stands for a picture, as the model's files have it."""
        return str(self.model.info.get("image", {}).get("token", "<image>"))

    @property
    def audio_token(self) -> str:
        """The text that stands for a sound."""
        return str(self.model.info.get("audio", {}).get("token", "<audio>"))

    def __call__(self, images: Any = None, text: Any = None, **words: Any) -> Any:
        """text: a chat, a string with image_token where pictures belong, or a list of either; images: pictures (PIL image,
        path, bytes, base64, data URL) that fill the places in order.  A chat's parts may also be sounds, {"type": "audio",
        "audio": ...} (a path, bytes, base64, data URL, float samples of 16 kHz, or samples with "sampling_rate" beside them).

        A chat or string gives [{"input_text", "generated_text"}]; a list of these a list of such lists; texts beside
        images one flat list of dicts; a generator an iterator.
        """
        call = self._call(words)
        if text is None and images is None:
            raise InputError("You must at least provide either text or images.")
        if text is None:
            return self._without_text(images, call)
        if is_chat(text):
            return self._one(self._chat(text, images), call)
        if isinstance(text, str):
            return self._one(self._text(text, images), call)
        if is_lazy(text):
            if images is not None:
                raise InputError("images: pictures beside a generator cannot be dealt out; put them into its items")
            return self._lazy(text, call, self._single)
        if not isinstance(text, (list, tuple)):
            raise TypeError("text: expected a string, a chat (a list of messages) or a list of these, found %s"
                            % type(text).__name__)
        if not text:
            raise IndexError("text: expected at least one prompt, found an empty list")
        if images is None:
            return self._many([self._single(x) for x in text], call)
        if isinstance(text[0], str):
            return [d for several in self._many(self._texts(text, images), call) for d in several]
        return self._many(self._chats(text, images), call)

    def stream(self, images: Any = None, text: Any = None, **words: Any) -> Iterator[str]:
        """The answer's text in pieces of whole characters; closing the iterator stops the work."""
        call = self._call(words)
        if text is None:
            images, text = None, images
        asked = self._chat(text, images) if is_chat(text) else self._text(text, images)
        return self.model.stream(self._prompt(asked, call), call.sampling, **self._fetching(call))

    # ---- the forms of a question ----

    def _without_text(self, images: Any, call: Call) -> Any:
        """pipe(chat), pipe([chat, chat]), pipe({"images", "text"}), a list or a generator of these."""
        if isinstance(images, dict):
            return self._one(self._single(images), call)
        if is_chat(images):
            return self._one(self._chat(images, None), call)
        if isinstance(images, (list, tuple)) and images and (isinstance(images[0], dict) or is_chat(images[0])):
            return self._many([self._single(x) for x in images], call)
        if is_lazy(images) and not hasattr(images, "shape") and not hasattr(images, "convert"):
            return self._lazy(images, call, self._single)
        raise InputError("image-text-to-text: expected text= beside the picture, or a chat; found only %s"
                         % type(images).__name__)

    def _single(self, x: Any) -> Asked:
        if isinstance(x, dict) and not is_message(x):
            if "images" not in x:
                raise KeyError("images")
            if "text" not in x:
                raise KeyError("text")
            return self._chat(x["text"], x["images"]) if is_chat(x["text"]) else self._text(x["text"], x["images"])
        if is_chat(x):
            return self._chat(x, None)
        if isinstance(x, str):
            return self._text(x, None)
        raise TypeError("image-text-to-text: expected a chat, a string or {'images', 'text'}, found %s" % type(x).__name__)

    @staticmethod
    def _list(images: Any) -> List[Any]:
        return [] if images is None else list(images) if isinstance(images, (list, tuple)) else [images]

    @staticmethod
    def _sounds(audio: Any) -> List[Any]:
        """One sound or a list of them; a list of numbers and (samples, rate) are one sound."""
        if audio is None:
            return []
        several = isinstance(audio, list) and not (audio and isinstance(audio[0], (int, float)))
        several = several or isinstance(audio, tuple) and not (len(audio) == 2 and isinstance(audio[1], (int, float)))
        return list(audio) if several else [audio]

    def _check_counts(self, n: int, given: Sequence[Any]) -> None:
        if n and not given:
            raise InputError("Found %d %s tokens in the text but no images were passed." % (n, self.image_token))
        if n != len(given):
            raise InputError("The total number of %s tokens in the prompts should be the same as the number of images "
                             "passed. Found total %d %s tokens and %d images."
                             % (self.image_token, n, self.image_token, len(given)))

    def _text(self, text: Any, images: Any, audio: Any = None) -> Asked:
        if not isinstance(text, str):
            raise TypeError("text: expected a string, found %s" % type(text).__name__)
        given, heard = self._list(images), self._sounds(audio)
        self._check_counts(text.count(self.image_token), given)
        if text.count(self.audio_token) != len(heard):
            raise InputError(_MISCOUNT_SOUNDS % (text.count(self.audio_token), len(heard)))
        return Asked(text, given, heard)

    def _texts(self, texts: Sequence[Any], images: Any, audio: Any = None) -> List[Asked]:
        """Flat pictures and sounds are dealt out by the places of each text; a list of lists of pictures gives each its own."""
        heard = self._sounds(audio)
        sounds = [t.count(self.audio_token) if isinstance(t, str) else 0 for t in texts]
        if sum(sounds) != len(heard):
            raise InputError(_MISCOUNT_SOUNDS % (sum(sounds), len(heard)))
        shares = [heard[sum(sounds[:i]):sum(sounds[:i + 1])] for i in range(len(texts))]
        given = self._list(images)
        if given and isinstance(given[0], (list, tuple)):
            if len(given) != len(texts):
                raise InputError("images: expected a list for each of %d texts, found %d" % (len(texts), len(given)))
            return [self._text(t, g, a) for t, g, a in zip(texts, given, shares)]
        counts = [t.count(self.image_token) if isinstance(t, str) else 0 for t in texts]
        self._check_counts(sum(counts), given)
        out = []
        for t, n, share in zip(texts, counts, shares):
            out.append(self._text(t, given[:n], share))
            given = given[n:]
        return out

    def _chats(self, several: Sequence[Any], images: Any) -> List[Asked]:
        """Flat pictures are dealt out by the places of each chat; a list of lists gives each chat its own."""
        given = self._list(images)
        for c in several:
            if not is_chat(c):
                raise TypeError("text: expected a list of chats, found %s among them" % type(c).__name__)
        if given and isinstance(given[0], (list, tuple)):
            if len(given) != len(several):
                raise InputError("images: expected a list for each of %d chats, found %d" % (len(several), len(given)))
            return [self._chat(c, g) for c, g in zip(several, given)]
        counts = [chats.places(c) for c in several]
        if sum(counts) != len(given):
            raise InputError(_MISCOUNT % (sum(counts), "" if sum(counts) == 1 else "s", len(given)))
        out = []
        for c, n in zip(several, counts):
            out.append(self._chat(c, given[:n]))
            given = given[n:]
        return out

    def _chat(self, chat: Sequence[Dict[str, Any]], images: Any, audio: Any = None) -> Asked:
        """A chat whose places {"type": "image"} images fill, and {"type": "audio"} audio, in order."""
        given, n = self._list(images), chats.places(chat)
        if n and images is None:
            self._check_counts(n, given)
        if images is not None and n != len(given):
            raise InputError(_MISCOUNT % (n, "" if n == 1 else "s", len(given)))
        heard = self._sounds(audio)
        if chats.sound_places(chat) != len(heard):
            raise InputError(_MISCOUNT_SOUNDS % (chats.sound_places(chat), len(heard)))
        for part in chats.parts(chat):
            if part.get("type") in chats.OTHER_MODALITIES:
                raise UnsupportedError("unsupported modality %r: whinchat takes text, images and audio" % part["type"])
        full = chats.filled(chat, given, heard)
        return Asked(full, chats.all_images(full), chats.all_sounds(full))

    # ---- prompts and results ----

    def _prompt(self, item: Any, call: Call) -> Prompt:
        media: Any = {"images": item.images, "sounds": item.sounds, "pan_and_scan": call.pan_and_scan}
        if isinstance(item.given, str):
            return Prompt(text=item.given, **media)
        variables = {k: call.words[k] for k in ("enable_thinking",) if k in call.words}
        return Prompt(chat=self._chat_request([chats.for_template(m) for m in item.given], call, variables), **media)

    def _result(self, item: Any, answer: Answer, call: Call) -> Dict[str, Any]:
        given = item.given
        if call.kind == TENSORS:
            return {"input_text": given, "generated_token_ids": _tensor(answer.prompt_ids + answer.ids)}
        before, whole = (self._text_of(ids, call) for ids in (answer.prompt_ids, answer.prompt_ids + answer.ids))
        text = whole[len(before):] if whole.startswith(before) else self._text_of(answer.ids, call)
        if call.kind == FULL_TEXT:
            full: Any = given + text if isinstance(given, str) else chats.answered(given, text, call.go_on)
            return {"input_text": given, "generated_text": full}
        return {"input_text": given, "generated_text": text}


_MISCOUNT = ("The number of images in the chat messages should be the same as the number of images passed to the pipeline. "
             "The chat has %d place%s for images, %d passed.")

_MISCOUNT_SOUNDS = ("The number of places for sounds should be the same as the number of sounds passed: found %d places, %d "
                    "sounds.")


def _tensor(ids: List[int]) -> Any:
    """int64 [n]: a torch tensor where torch was imported, else a numpy array where numpy is present, else the list."""
    torch = sys.modules.get("torch")
    if torch is not None:
        return torch.tensor(ids)
    try:
        import numpy
    except ImportError:
        return ids
    return numpy.array(ids, dtype=numpy.int64)
