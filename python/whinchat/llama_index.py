"""LlamaIndex with whinchat's models, in this process; needs llama-index-core.  Settings.llm = WhinchatLLM("gemma-3n-mini-it")."""
# mypy: disable-error-code="import,misc"
from typing import Any, Dict, Iterator, List, Optional, Sequence

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse, LLMMetadata, MessageRole
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.llms import CustomLLM
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback

from .sentence_transformer import SentenceTransformer
from .talker import Talker, message, vector


class WhinchatEmbedding(BaseEmbedding):
    """Vectors by a SentenceTransformer; model: a folder, a name or one that is open."""
    _model: SentenceTransformer = PrivateAttr()

    def __init__(self, model: Any, embed_batch_size: int = 64, **words: Any) -> None:
        model = model if isinstance(model, SentenceTransformer) else SentenceTransformer(model)
        super().__init__(model_name=model.model.name, embed_batch_size=embed_batch_size, **words)
        self._model = model

    def _get_query_embedding(self, query: str) -> List[float]:
        return vector(self._model.encode_query(query))

    async def _aget_query_embedding(self, query: str) -> List[float]:
        return self._get_query_embedding(query)

    def _get_text_embedding(self, text: str) -> List[float]:
        return vector(self._model.encode_document(text))

    def _get_text_embeddings(self, texts: List[str]) -> List[List[float]]:
        return [vector(r) for r in self._model.encode_document(list(texts))]


class WhinchatLLM(CustomLLM):
    """A model that answers; model: a folder, a name or a whinchat.Model.  Pictures and sounds in messages where it takes them.

    temperature: 0 is greedy; None: as the model's files say.  generate_kwargs: other words of a pipeline's call.
    """
    max_new_tokens: int = 256
    temperature: Optional[float] = None
    generate_kwargs: Dict[str, Any] = {}
    _talker: Talker = PrivateAttr()

    def __init__(self, model: Any, **words: Any) -> None:
        super().__init__(**words)
        self._talker = Talker(model, {"max_new_tokens": self.max_new_tokens, "temperature": self.temperature}, self.generate_kwargs)

    @property
    def metadata(self) -> LLMMetadata:
        """What the model is: its context in tokens, the longest answer, whether it has a chat template."""
        t = self._talker
        return LLMMetadata(context_window=t.context, num_output=self.max_new_tokens, is_chat_model=t.has_chat, model_name=t.name)

    @staticmethod
    def _part(block: Any) -> Dict[str, Any]:
        kind = block.block_type
        return {"type": "text", "text": block.text} if kind == "text" else {
            "type": kind, "data": getattr(block, "resolve_%s" % kind)().read()}

    def _pieces(self, asked: Any, formatted: bool = False, **kwargs: Any) -> Iterator[str]:
        if not isinstance(asked, str):
            asked = [message(m.role.value, [self._part(b) for b in m.blocks]) for m in asked]
        elif not formatted and self._talker.has_chat:
            asked = [message("user", asked)]
        return self._talker.stream(asked, **kwargs)

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """The answer to a prompt, which is a user's message where the model has a chat template; formatted: it is a text."""
        return CompletionResponse(text="".join(self._pieces(prompt, formatted, **kwargs)))

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        """The same, growing."""
        return _growing(self._pieces(prompt, formatted, **kwargs), lambda t, piece: CompletionResponse(text=t, delta=piece))

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """The answer to messages."""
        return _answer("".join(self._pieces(messages, **kwargs)))

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> Any:
        """The same, growing."""
        return _growing(self._pieces(messages, **kwargs), _answer)


def _answer(text: str, piece: Optional[str] = None) -> ChatResponse:
    return ChatResponse(message=ChatMessage(role=MessageRole.ASSISTANT, content=text), delta=piece)


def _growing(pieces: Iterator[str], response: Any) -> Iterator[Any]:
    text = ""
    for piece in pieces:
        text += piece
        yield response(text, piece)
