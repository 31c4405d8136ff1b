"""whinchat - small language models on the machine in front of you, called as transformers is.

    from whinchat import pipeline
    pipe = pipeline("image-text-to-text", model="gemma-3n-mini-it")
    chat = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Who is this?"}]}]
    print(pipe(text=chat, images=["photo.jpg"], return_full_text=False)[0]["generated_text"])
"""
from ._native import version as _version
from .any_to_any import AnyToAnyPipeline
from .base import Pipeline
from .cross_encoder import CrossEncoder
from .errors import (BadFileError, CancelledError, ClosedError, ForkError, InputError, ModelNotFoundError,
                     OutOfMemoryError, TemplateError, UnknownArgumentError, UnsupportedError, WhinchatError)
from .feature_extraction import FeatureExtractionPipeline
from .fill_mask import FillMaskPipeline
from .image_text_to_text import ImageTextToTextPipeline
from .model import Model
from .options import Answer, Check, Prompt, Sampling
from .pipelines import pipeline
from .sentence_transformer import SentenceTransformer
from .streamers import TextIteratorStreamer, TextStreamer
from .text_classification import TextClassificationPipeline
from .text_generation import TextGenerationPipeline
from .token_classification import TokenClassificationPipeline
from .tokenizer import ChatTemplate, Tokenizer

__version__ = _version()
__all__ = ["Answer", "AnyToAnyPipeline", "BadFileError", "CancelledError", "ChatTemplate", "Check", "ClosedError", "CrossEncoder",
           "FeatureExtractionPipeline", "FillMaskPipeline", "ForkError", "ImageTextToTextPipeline", "InputError",
           "Model", "ModelNotFoundError", "OutOfMemoryError", "Pipeline", "Prompt", "Sampling", "SentenceTransformer",
           "TemplateError", "TextClassificationPipeline", "TextGenerationPipeline", "TextIteratorStreamer",
           "TextStreamer", "TokenClassificationPipeline", "Tokenizer", "UnknownArgumentError", "UnsupportedError",
           "WhinchatError", "pipeline"]
