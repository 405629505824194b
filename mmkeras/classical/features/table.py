"""The features of each kind of modality, by the kind's name."""

from mmkeras.classical.features.audio import AudioFeatures
from mmkeras.classical.features.extractor import Extractor
from mmkeras.classical.features.image import ImageFeatures
from mmkeras.classical.features.sequence import SequenceFeatures
from mmkeras.classical.features.text import TextFeatures
from mmkeras.classical.features.video import VideoFeatures

# A kind that is not named here has its model inputs for features (`PreparedFeatures`).
FEATURES: dict[str, type[Extractor]] = {
    "image": ImageFeatures,
    "text": TextFeatures,
    "audio": AudioFeatures,
    "video": VideoFeatures,
    "sequence": SequenceFeatures,
}
