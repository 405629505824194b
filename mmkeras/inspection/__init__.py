"""Why a model gave one row the output that it gave: maps, attributions and effects of words.

None of them is a proof. Each answers a question of its own: Grad-CAM, which regions of a map
speak for an output; integrated gradients, how the way from a baseline to the input adds up;
effects of words, what the model says when a word is missing; attention, what was mixed. Where they
disagree, believe the effects: they are of inputs that the model could really be given.
"""

from mmkeras.inspection.attention import attention_to, image_attention
from mmkeras.inspection.examples import example_pictures, telling_rows
from mmkeras.inspection.grad_cam import grad_cam
from mmkeras.inspection.integrated_gradients import integrated_gradients, modality_attributions
from mmkeras.inspection.words import text_attention, word_effects

__all__ = [
    "attention_to",
    "example_pictures",
    "grad_cam",
    "image_attention",
    "integrated_gradients",
    "modality_attributions",
    "telling_rows",
    "text_attention",
    "word_effects",
]
