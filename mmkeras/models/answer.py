"""From a trained model to the model that answers: generated text, pictures, steps, boxes."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from mmkeras.decoders import Decoder
from mmkeras.models.parts import decoder_inputs, decoder_layer, known_inputs


def answer_model(model: keras.Model, **options: Any) -> keras.Model:
    """A model from the same inputs to the answer, as the target's arrays hold it.

    A decoder of text is trained to give the next piece of the true text; here it goes on from its
    own pieces, from which no true text is needed. A model whose output is the answer, as a
    classifier's is, is returned as it is.

    Args:
        model: A model of `build_model`, built or loaded.
        options: What replaces arguments of the decoder's constructor, e.g. `beams=4`.

    Returns:
        A model to predict with (not to save; save `model`), which shares the layers.

    Example:

    ```python
    run = mmkeras.Run("runs/speech-an4/20260102-030405-ctc")
    ids = answer_model(run.model, beams=8).predict(pipeline.evaluate())
    run.preprocessing.task.decode(ids)
    ```
    """
    decoder = decoder_layer(model)
    if decoder is None or (decoder.gives_answer and not options):
        return model
    vector, tokens, arguments = decoder_inputs(model)
    answer = _Answer(decoder, options)(vector, tokens, **arguments)
    answering = keras.Model(known_inputs(model), answer, name="answer")
    # The loop over pieces is compiled once; XLA would compile it again for every length of input.
    jit = False if keras.config.backend() == "tensorflow" else "auto"
    answering.compile(jit_compile=jit)
    return answering


class _Answer(layers.Layer):
    # The decoder is in a model already, with another output: it is called from inside this layer.
    def __init__(self, decoder: Decoder, options: dict[str, Any], **kwargs):
        super().__init__(**kwargs)
        self.decoder, self.options = decoder, options

    def build(self, *shapes, **more):
        pass  # The decoder is built: it comes from a model.

    def call(self, vector, tokens, masks=None, present=None):
        return self.decoder.answer(vector, tokens, masks=masks, present=present, **self.options)

    def compute_output_spec(self, vector, tokens, masks=None, present=None):
        shape = (vector.shape[0], *self.decoder.answer_shape)
        return keras.KerasTensor(shape, self.decoder.answer_dtype)
