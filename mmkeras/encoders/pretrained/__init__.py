"""Networks that were trained elsewhere, as encoders: the layer, and where networks come from."""

from mmkeras.encoders.pretrained.encoder import PretrainedEncoder
from mmkeras.encoders.pretrained.sources import read_network

__all__ = ["PretrainedEncoder", "read_network"]
