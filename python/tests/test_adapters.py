#!/usr/bin/env python3
"""whinchat behind LangChain and LlamaIndex: test_adapters.py SOURCE [NAME]..., with PYTHONPATH and WHINCHAT_LIBRARY
set; NAME chooses groups.

WHINCHAT_TEST_ADAPTERS names a Python that has langchain-core and llama-index-core; what is not there is said and not run.
What both stand on is tested without them.  The last line is 'N passed, N failed'.
"""
import asyncio
import base64
import os
import subprocess
import sys
import warnings

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests"))
from tally import check, equal, run_groups  # noqa: E402

SOURCE = os.path.abspath(sys.argv[1])
MODEL = os.path.join(SOURCE, "models", "gemma-3n-mini-it")
MINILM = os.path.join(SOURCE, "tests", "goldens", "minilm")
PICTURE = os.path.join(SOURCE, "examples", "guitarist.png")
ASK, ANSWER = "What musical instrument is the person playing?", "The person in the image is playing an electric guitar."
SELF = "I am a miniature model made for whinchat. I answer questions about simple drawings."
warnings.simplefilter("ignore")

python = os.environ.get("WHINCHAT_TEST_ADAPTERS")
if python and not os.environ.get("WHINCHAT_TEST_LIVE"):
    sys.exit(subprocess.run([python] + sys.argv, env=dict(os.environ, WHINCHAT_TEST_LIVE="1")).returncode)

import whinchat  # noqa: E402
from whinchat.talker import Talker, message  # noqa: E402


def near(name, got, want):
    check(name, isinstance(got, list) and len(got) == len(want) and all(type(g) is float and abs(g - w) < 1e-6
                                                                        for g, w in zip(got, want)), (got, want))


def missing(name, error):
    print("not run: %s (%s); WHINCHAT_TEST_ADAPTERS may name a Python that has it" % (name, error))


def group_talker():
    talker = Talker(model, {"max_new_tokens": 40, "temperature": None})
    ask = lambda *given, **words: "".join(talker.stream(*given, **words))  # noqa: E731
    equal("a chat", ask([message("user", "What model are you?")]), SELF)
    equal("temperature 0 is greedy", ask([message("user", "What model are you?")], temperature=0), SELF)
    equal("stop strings are cut off", ask([message("user", "What model are you?")], [" model"]), "I am a miniature")
    equal("a text", ask("hello", max_new_tokens=2), " electric guitar")
    encoded = base64.b64encode(open(PICTURE, "rb").read()).decode()
    for name, part in (("base64", {"type": "image", "base64": encoded, "mime_type": "image/png"}),
                       ("data", {"type": "image", "source_type": "base64", "data": encoded}),
                       ("image_url", {"type": "image_url", "image_url": {"url": "data:image/png;base64," + encoded}})):
        equal("a picture: %s" % name, ask([message("user", [part, ASK])]), ANSWER)


def group_langchain():
    try:
        from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
        from whinchat.langchain import ChatWhinchat, WhinchatEmbeddings
    except ImportError as e:
        return missing("LangChain", e)
    chat = ChatWhinchat(model=model, max_new_tokens=40)
    equal("LangChain: invoke", chat.invoke("What model are you?").content, SELF)
    equal("LangChain: stream", "".join(c.content for c in chat.stream("What model are you?")), SELF)
    equal("LangChain: ainvoke", asyncio.run(chat.ainvoke("What model are you?")).content, SELF)
    equal("LangChain: batch", [m.content for m in chat.batch(["What model are you?"] * 2)], [SELF] * 2)
    equal("LangChain: stop", chat.invoke("What model are you?", stop=[" model"]).content, "I am a miniature")
    equal("LangChain: words of a call", chat.invoke("What model are you?", max_new_tokens=3).content, "I am a")
    equal("LangChain: bind", chat.bind(max_new_tokens=2).invoke("What model are you?").content, "I am")
    pipe = whinchat.pipeline("text-generation", model, max_new_tokens=40)
    turns = [("system", "Be brief."), ("user", "hello"), ("assistant", "I am"), ("user", "Who made you?")]
    equal("LangChain: turns", chat.invoke([SystemMessage("Be brief."), HumanMessage("hello"), AIMessage("I am"),
                                           HumanMessage("Who made you?")]).content,
          pipe([{"role": r, "content": c} for r, c in turns], return_full_text=False)[0]["generated_text"])
    encoded = base64.b64encode(open(PICTURE, "rb").read()).decode()
    for part in ({"type": "image", "base64": encoded, "mime_type": "image/png"},
                 {"type": "image_url", "image_url": {"url": "data:image/png;base64," + encoded}}):
        equal("LangChain: a picture, %s" % part["type"], chat.invoke([HumanMessage([part, {"type": "text", "text": ASK}])]).content,
              ANSWER)
    try:
        check("LangChain: a tool's message", not chat.invoke([HumanMessage("a"), ToolMessage("b", tool_call_id="1")]))
    except whinchat.UnsupportedError as e:
        check("LangChain: a tool's message", "found tool" in str(e), e)
    chunks = (chat | (lambda m: m.content.upper())).invoke("What model are you?")
    equal("LangChain: a chain", chunks, SELF.upper())
    embeddings = WhinchatEmbeddings(MINILM)
    near("LangChain: embed_query", embeddings.embed_query("a cat"), vectors.encode_query("a cat"))
    near("LangChain: embed_documents", embeddings.embed_documents(["a", "the city"])[1], vectors.encode_document("the city"))
    near("LangChain: encode_kwargs", WhinchatEmbeddings(vectors, {"normalize_embeddings": True}).embed_query("a"),
         vectors.encode("a", normalize_embeddings=True))
    from langchain_core.vectorstores import InMemoryVectorStore
    store = InMemoryVectorStore.from_texts(["the cat is in the tree.", "fast search"], embeddings)
    equal("LangChain: a vector store", store.similarity_search("the cat", 1)[0].page_content, "the cat is in the tree.")


def group_llama_index():
    try:
        from llama_index.core.base.llms.types import ChatMessage, ImageBlock, TextBlock
        from whinchat.llama_index import WhinchatEmbedding, WhinchatLLM
    except ImportError as e:
        return missing("LlamaIndex", e)
    llm = WhinchatLLM(model=model, max_new_tokens=40)
    equal("LlamaIndex: complete", llm.complete("What model are you?").text, SELF)
    equal("LlamaIndex: a formatted text", llm.complete("hello", formatted=True, max_new_tokens=2).text, " electric guitar")
    grown = list(llm.stream_complete("What model are you?"))
    equal("LlamaIndex: stream_complete", ("".join(g.delta for g in grown), grown[-1].text), (SELF, SELF))
    asked = [ChatMessage(role="user", content="What model are you?")]
    answer = llm.chat(asked).message
    equal("LlamaIndex: chat", (answer.role.value, answer.content), ("assistant", SELF))
    equal("LlamaIndex: stream_chat", [r.message.content for r in llm.stream_chat(asked)][-1], SELF)
    equal("LlamaIndex: achat", asyncio.run(llm.achat(asked)).message.content, SELF)
    equal("LlamaIndex: stop", llm.complete("What model are you?", stop=[" model"]).text, "I am a miniature")
    shown = ChatMessage(role="user", blocks=[ImageBlock(path=PICTURE), TextBlock(text=ASK)])
    equal("LlamaIndex: a picture", llm.chat([shown]).message.content, ANSWER)
    equal("LlamaIndex: metadata", (llm.metadata.context_window, llm.metadata.num_output, llm.metadata.is_chat_model), (2048, 40, True))
    embedding = WhinchatEmbedding(MINILM)
    near("LlamaIndex: query", embedding.get_query_embedding("a cat"), vectors.encode_query("a cat"))
    near("LlamaIndex: text", embedding.get_text_embedding("a cat"), vectors.encode_document("a cat"))
    near("LlamaIndex: batch", embedding.get_text_embedding_batch(["a", "the city"])[1], vectors.encode_document("the city"))
    near("LlamaIndex: async", asyncio.run(embedding.aget_query_embedding("a cat")), vectors.encode_query("a cat"))
    from llama_index.core import Document, VectorStoreIndex
    index = VectorStoreIndex.from_documents([Document(text="the cat is in the tree."), Document(text="fast search")],
                                            embed_model=embedding)
    found = index.as_retriever(similarity_top_k=1, embed_model=embedding).retrieve("the cat")
    equal("LlamaIndex: a retriever", found[0].node.get_content(), "the cat is in the tree.")


def group_sizes():
    for name in ("langchain", "llama_index"):
        lines = len(open(os.path.join(SOURCE, "python", "whinchat", name + ".py"), encoding="utf-8").readlines())
        check("%s.py has under 100 lines" % name, lines < 100, lines)


model = whinchat.Model(MODEL)
vectors = whinchat.SentenceTransformer(MINILM)
sys.exit(run_groups(globals(), sys.argv[2:]))
