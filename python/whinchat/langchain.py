"""LangChain with whinchat's models, in this process; needs langchain-core (0.3 or 1.x).

    from whinchat.langchain import ChatWhinchat, WhinchatEmbeddings
    print(ChatWhinchat(model="gemma-3n-mini-it").invoke("What model are you?").content)
    vectors = WhinchatEmbeddings("sentence-transformers/all-MiniLM-L6-v2").embed_documents(["Swifts sleep in flight."])
"""
# mypy: disable-error-code="import,misc"
from typing import Any, Dict, Iterator, List, Optional

from langchain_core.embeddings import Embeddings
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import ConfigDict, PrivateAttr

from .errors import UnsupportedError
from .sentence_transformer import SentenceTransformer
from .talker import Talker, message, vector

ROLES = {"human": "user", "ai": "assistant", "system": "system"}


class WhinchatEmbeddings(Embeddings):
    """Vectors by a SentenceTransformer; model: a folder, a name or one that is open.  words: of SentenceTransformer().

    encode_kwargs: of its encode(), such as {"normalize_embeddings": True}.
    """

    def __init__(self, model: Any, encode_kwargs: Optional[Dict[str, Any]] = None, **words: Any) -> None:
        self.model = model if isinstance(model, SentenceTransformer) else SentenceTransformer(model, **words)
        self.encode_kwargs = dict(encode_kwargs or {})

    def embed_documents(self, texts: List[str]) -> List[List[float]]:
        """[n, dimension] of texts that are to be found, with the model's prompt for documents."""
        return [vector(r) for r in self.model.encode_document(list(texts), **self.encode_kwargs)]

    def embed_query(self, text: str) -> List[float]:
        """[dimension] of what is sought, with the model's prompt for queries."""
        return vector(self.model.encode_query(text, **self.encode_kwargs))


class ChatWhinchat(BaseChatModel):
    """A chat model; model: a folder, a name or a whinchat.Model.  Pictures and sounds in messages where it takes them.

    temperature: 0 chooses the likeliest token, more samples; without it as the model's files say.  generate_kwargs: other
    words of a pipeline's call, such as {"repetition_penalty": 1.1}.  Words of invoke(), such as max_new_tokens=, hold for it.
    Tools are not called.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, protected_namespaces=())
    model: Any
    max_new_tokens: Optional[int] = None
    temperature: Optional[float] = None
    top_p: Optional[float] = None
    top_k: Optional[int] = None
    seed: Optional[int] = None
    generate_kwargs: Dict[str, Any] = {}
    _talker: Talker = PrivateAttr()

    def model_post_init(self, context: Any) -> None:
        """Opens the model."""
        super().model_post_init(context)
        words = {w: getattr(self, w) for w in ("max_new_tokens", "temperature", "top_p", "top_k", "seed")}
        self._talker = Talker(self.model, words, self.generate_kwargs)

    @property
    def _llm_type(self) -> str:
        return "whinchat"

    @property
    def _identifying_params(self) -> Dict[str, Any]:
        return dict(self._talker.words, model=self._talker.name)

    @staticmethod
    def _chat(messages: List[BaseMessage]) -> List[Dict[str, Any]]:
        for m in messages:
            if m.type not in ROLES:
                raise UnsupportedError("messages: expected human, ai and system, found %s" % m.type)
        return [message(ROLES[m.type], m.content) for m in messages]

    def _generate(self, messages: List[BaseMessage], stop: Optional[List[str]] = None, run_manager: Any = None,
                  **kwargs: Any) -> ChatResult:
        text = "".join(self._talker.stream(self._chat(messages), stop, **kwargs))
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content=text))])

    def _stream(self, messages: List[BaseMessage], stop: Optional[List[str]] = None, run_manager: Any = None,
                **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        for piece in self._talker.stream(self._chat(messages), stop, **kwargs):
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=piece))
            if run_manager:
                run_manager.on_llm_new_token(piece, chunk=chunk)
            yield chunk
