"""Default settings by what the training rows look like: each choice with its reason in one line.

A kind's choices are one function in its file and one line in `CHOOSERS`.
"""

from mmkeras.experiment.defaults.choose import CHOOSERS, default_settings

__all__ = ["CHOOSERS", "default_settings"]
