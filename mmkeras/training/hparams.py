"""Settings as TensorBoard's HParams can compare them, whatever runs stand beside each other.

TensorBoard shows a run only while each of its settings is among the values that all runs together
have. It counts them wrongly where one setting has values of two types (it then takes all of them
for texts, and a number is not among texts), and where a text holds what JSON writes in another way
(quotes, backslashes, letters beyond ASCII). Such runs would not be shown at all.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

_OPTIONS = "options"


def hparams(settings: Mapping[str, Any]) -> dict[str, bool | float | str]:
    """Flat settings, each always of one type.

    A setting that is `None` is left out, which TensorBoard shows as an empty cell. Options of
    parts, whose types nobody declares (`query` is a place in one fusion and a word in another), are
    always texts, as are lists.

    Args:
        settings: By dotted name, as `mmkeras.nested.flatten` returns them.

    Example:

    >>> hparams({"model.dropout": 0.5, "model.hidden": None, "model.fusion_options.dim": 64})
    {'model.dropout': 0.5, 'model.fusion_options.dim': '64'}
    """
    typed: dict[str, bool | float | str] = {}
    for name, value in settings.items():
        of_part = any(word.endswith(_OPTIONS) for word in name.split(".")[:-1])
        if value is None or (isinstance(value, float) and not math.isfinite(value)):
            continue
        if isinstance(value, bool | int | float) and not of_part:
            typed[name] = value
        else:
            typed[name] = _plain(value)
    return typed


def session_start(settings: Mapping[str, Any]) -> bytes:
    """TensorBoard's summary that a run with these settings has begun, for its event file.

    TensorBoard names the run by its folder below the log directory. With a name from here, as
    `hparams_pb` gives it, runs of one name in several folders (`concat/seed0`, `gmu/seed0`) would
    be taken for one.
    """
    from tensorboard.plugins.hparams import api, plugin_data_pb2

    summary = api.hparams_pb(hparams(settings))
    plugin = summary.value[0].metadata.plugin_data
    content = plugin_data_pb2.HParamsPluginData.FromString(plugin.content)
    content.session_start_info.ClearField("group_name")
    plugin.content = content.SerializeToString()
    return summary.SerializeToString()


def _plain(value: Any) -> str:
    """A text that JSON writes as it is."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = text.replace('"', "'").replace("\\", "/")
    return "".join(c if " " <= c <= "~" else quote(c, errors="replace") for c in text)
