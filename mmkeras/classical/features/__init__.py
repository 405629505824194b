"""Features of each kind of modality for classical models, one file each."""

from mmkeras.classical.features.audio import AudioFeatures
from mmkeras.classical.features.encoder import EncoderFeatures
from mmkeras.classical.features.extractor import Extractor, PreparedFeatures
from mmkeras.classical.features.image import ImageFeatures
from mmkeras.classical.features.modality_features import ModalityFeatures
from mmkeras.classical.features.sequence import SequenceFeatures
from mmkeras.classical.features.table import FEATURES
from mmkeras.classical.features.text import TextFeatures
from mmkeras.classical.features.video import VideoFeatures

__all__ = [
    "FEATURES",
    "AudioFeatures",
    "EncoderFeatures",
    "Extractor",
    "ImageFeatures",
    "ModalityFeatures",
    "PreparedFeatures",
    "SequenceFeatures",
    "TextFeatures",
    "VideoFeatures",
]
