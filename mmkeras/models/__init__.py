"""Models of encoders, a fusion and a head: build, compile, take apart."""

from mmkeras.models.build import build_model
from mmkeras.models.compile import compile_model
from mmkeras.models.image_text import image_text_classifier
from mmkeras.models.parts import attention_model, auxiliary_model, embedding_model

__all__ = [
    "attention_model",
    "auxiliary_model",
    "build_model",
    "compile_model",
    "embedding_model",
    "image_text_classifier",
]
