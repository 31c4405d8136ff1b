"""Chats as transformers takes them: lists of messages with role and content; what may be read off and put into them."""
from collections.abc import Iterator as AnyIterator
from typing import Any, Dict, Iterator, List, Optional, Sequence

from . import images as pictures, sounds as audio
from .errors import InputError
from .options import Chat

OTHER_MODALITIES = ("video", "input_audio", "audio_url", "video_url")


def is_message(x: Any) -> bool:
    return isinstance(x, dict) and "role" in x and "content" in x


def is_chat(x: Any) -> bool:
    """A list of dicts; a message without role or content is an error, as in transformers."""
    if not isinstance(x, (list, tuple)) or not x or not isinstance(x[0], dict) or "text" in x[0] and "images" in x[0]:
        return False
    if not all(is_message(m) for m in x):
        raise InputError("When passing chat dicts as input, each dict must have a 'role' and 'content' key.")
    return True


def is_lazy(x: Any) -> bool:
    """A generator or a data set that is not a list: its items are asked for one by one."""
    return isinstance(x, AnyIterator) or (hasattr(x, "__getitem__") and hasattr(x, "__len__")
                                          and not isinstance(x, (list, tuple, str, bytes, dict)))


def continues(chat: Sequence[Dict[str, Any]], asked: Optional[bool]) -> bool:
    """Whether the answer goes on with the last message."""
    return bool(chat[-1]["role"] == "assistant" if asked is None else asked)


def extended(chat: Sequence[Dict[str, Any]], answer: str) -> Chat:
    """The chat whose last message goes on with answer: a string, or the last text part of a list."""
    last = dict(chat[-1])
    if isinstance(last["content"], str):
        last["content"] += answer
    else:
        parts = list(last["content"])
        at = max((i for i, p in enumerate(parts) if isinstance(p, dict) and p.get("type") == "text"), default=None)
        if at is None:
            parts.append({"type": "text", "text": answer})
        else:
            parts[at] = dict(parts[at], text=parts[at]["text"] + answer)
        last["content"] = parts
    return list(chat[:-1]) + [last]


def answered(chat: Sequence[Dict[str, Any]], answer: str, go_on: Optional[bool]) -> Chat:
    """The chat with its answer: in a message of the assistant's, or in the last one where the answer goes on with it."""
    if continues(chat, go_on):
        return extended(chat, answer)
    return list(chat) + [{"role": "assistant", "content": answer}]


def parts(chat: Sequence[Dict[str, Any]]) -> Iterator[Dict[str, Any]]:
    """Every part of every message whose content is a list."""
    for message in chat:
        if isinstance(message["content"], (list, tuple)):
            yield from (p for p in message["content"] if isinstance(p, dict))


def places(chat: Sequence[Dict[str, Any]]) -> int:
    """How many {"type": "image"} parts wait for a picture."""
    return sum(1 for p in parts(chat) if pictures.is_image_part(p) and pictures.image_of_part(p) is None)


def sound_places(chat: Sequence[Dict[str, Any]]) -> int:
    """How many {"type": "audio"} parts wait for a sound."""
    return sum(1 for p in parts(chat) if audio.is_audio_part(p) and audio.sound_of_part(p) is None)


def filled(chat: Sequence[Dict[str, Any]], images: Sequence[Any], sounds: Sequence[Any] = ()) -> Sequence[Dict[str, Any]]:
    """The chat with images and sounds in its places, in order; messages that change are copied, without change it is chat
    itself."""
    if not images and not sounds:
        return chat
    rest, heard, out = list(images), list(sounds), []

    def put(p: Any) -> Any:
        if isinstance(p, dict) and pictures.is_image_part(p) and pictures.image_of_part(p) is None and rest:
            return dict(p, image=rest.pop(0))
        if isinstance(p, dict) and audio.is_audio_part(p) and audio.sound_of_part(p) is None and heard:
            return dict(p, audio=heard.pop(0))
        return p

    for message in chat:
        if isinstance(message["content"], (list, tuple)) and (places([message]) or sound_places([message])):
            message = dict(message, content=[put(p) for p in message["content"]])
        out.append(message)
    return out


def for_template(message: Dict[str, Any]) -> Dict[str, Any]:
    """The message as the template sees it: a picture or sound is a place, its data go beside the prompt."""
    if not isinstance(message["content"], (list, tuple)):
        return message
    return dict(message, content=[{"type": "image"} if isinstance(p, dict) and pictures.is_image_part(p) else
                                  {"type": "audio"} if isinstance(p, dict) and audio.is_audio_part(p) else p
                                  for p in message["content"]])


def all_images(chat: Sequence[Dict[str, Any]]) -> List[Any]:
    """The pictures of a filled chat, in order."""
    return [pictures.image_of_part(p) for p in parts(chat) if pictures.is_image_part(p)]


def all_sounds(chat: Sequence[Dict[str, Any]]) -> List[Any]:
    """The sounds of a filled chat, in order."""
    return [audio.sound_of_part(p) for p in parts(chat) if audio.is_audio_part(p)]
