"""pipeline("any-to-any")."""
from typing import Any, Dict, Iterator

from .calls import IMAGE_WORDS, Call
from .chats import is_chat, is_lazy
from .errors import InputError, UnsupportedError
from .image_text_to_text import Asked, ImageTextToTextPipeline


class AnyToAnyPipeline(ImageTextToTextPipeline):
    """pipeline("any-to-any"): pipe(text, images=None, videos=None, audio=None, **keywords); text comes out.

    What a model takes is in pipe.model.info["modalities"].  image_token and audio_token: what stands for a picture and for a
    sound in a string.
    """

    task = "any-to-any"
    words = IMAGE_WORDS + ("generation_mode",)

    def _call(self, words: Dict[str, Any]) -> Call:
        call = super()._call(words)
        if call.words.get("generation_mode") not in (None, "text"):
            raise UnsupportedError("generation_mode: the model can only output text, found %r" % (call.words["generation_mode"],))
        return call

    def __call__(self, text: Any = None, images: Any = None, videos: Any = None, audio: Any = None,  # type: ignore[override]
                 **words: Any) -> Any:
        """text: a chat, a string with image_token and audio_token where pictures and sounds belong, a dict {"text", "images",
        "audio"}, or a list or generator of any of these; images, audio: what fills the places, in order.

        A sound: a path, bytes, base64, a data URL, float samples [n] of 16 kHz, or (samples, rate).  A chat, string or dict
        gives [{"input_text", "generated_text"}]; several strings one flat list of such dicts, other lists a list of lists.
        """
        call = self._call(words)
        if videos is not None:
            raise UnsupportedError("unsupported modality 'video': whinchat takes text, images and audio")
        if text is None:
            raise InputError("You must at least provide either text or images." if images is None and audio is None else
                             "any-to-any: expected text= beside images= and audio=")
        if is_chat(text):
            return self._one(self._chat(text, images, audio), call)
        if isinstance(text, str):
            return self._one(self._text(text, images, audio), call)
        if isinstance(text, dict):
            return self._one(self._single(text), call)
        if is_lazy(text):
            self._no_media(images, audio)
            return self._lazy(text, call, self._single)
        if not isinstance(text, (list, tuple)):
            raise TypeError("text: expected a string, a chat (a list of messages), a dict or a list of these, found %s"
                            % type(text).__name__)
        if not text:
            raise IndexError("text: expected at least one prompt, found an empty list")
        if isinstance(text[0], str):
            return [d for several in self._many(self._texts(text, images, audio), call) for d in several]
        if images is None and audio is None:
            return self._many([self._single(x) for x in text], call)
        self._no_audio_to_deal(audio)
        return self._many(self._chats(text, images), call)

    def stream(self, text: Any = None, images: Any = None, audio: Any = None,  # type: ignore[override]
               **words: Any) -> Iterator[str]:
        """The answer's text in pieces of whole characters; closing the iterator stops the work."""
        call = self._call(words)
        asked = self._chat(text, images, audio) if is_chat(text) else self._text(text, images, audio)
        return self.model.stream(self._prompt(asked, call), call.sampling, **self._fetching(call))

    def _single(self, x: Any) -> Asked:
        if isinstance(x, dict) and not is_chat([x] if "role" in x else x):
            for w in x:
                if w not in ("text", "images", "audio", "videos"):
                    raise InputError("any-to-any: expected {'text', 'images', 'audio'}, found the key %r" % (w,))
            if "text" not in x:
                raise KeyError("text")
            if x.get("videos") is not None:
                raise UnsupportedError("unsupported modality 'video': whinchat takes text, images and audio")
            ask = self._chat if is_chat(x["text"]) else self._text
            return ask(x["text"], x.get("images"), x.get("audio"))
        return super()._single(x)

    @staticmethod
    def _no_media(images: Any, audio: Any) -> None:
        if images is not None or audio is not None:
            raise InputError("images, audio: what stands beside a generator cannot be dealt out; put it into its items")

    @staticmethod
    def _no_audio_to_deal(audio: Any) -> None:
        if audio is not None:
            raise InputError("audio: beside a list of chats it cannot be dealt out; put it into the messages")
