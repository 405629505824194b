"""Why a model gave one row the output that it gave: maps, attributions and effects of words.

None of them is a proof. Each answers a question of its own: Grad-CAM, which regions of a map
speak for an output; integrated gradients, how the way from a baseline to the input adds up;
effects of words, what the model says when a word is missing; attention, what was mixed. Where they
disagree, believe the effects: they are of inputs that the model could really be given.
"""
