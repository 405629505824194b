"""Examples as HTML: one card per row, with its pictures, sounds, words and cells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np

from mmkeras.reports.embed import data_uri, pixels_png, wav
from mmkeras.reports.escaping import html_prose
from mmkeras.reports.parts import Card, Cards

# The deepest shade; dark text on it keeps a contrast of more than 7 : 1.
_DEEPEST = 0.5
_FOR, _AGAINST = "9, 105, 218", "219, 88, 0"
# A picture narrower than this is enlarged with its pixels left sharp.
_SMALL = 128


def cards_html(cards: Cards) -> str:
    """A grid of examples with its caption and, where words are shaded, the legend.

    Args:
        cards: The examples.
    """
    texts = [text for card in cards.cards for _, text in card.texts]
    words = [word for text in texts if not isinstance(text, str) for word in text]
    sizes = [abs(effect) for _, effect in words if math.isfinite(effect)]
    deepest = max(sizes, default=0.0)
    legend = _legend(deepest) if words else ""
    grid = "".join(_card(card, deepest) for card in cards.cards)
    return (
        f'<figure class="cards" id="cards-{escape(cards.name)}">'
        f'<figcaption dir="auto">{html_prose(cards.caption)}</figcaption>{legend}'
        f'<div class="grid">{grid}</div></figure>'
    )


def _card(card: Card, deepest: float) -> str:
    mark, kind = {
        True: ('<b class="mark">✓ right</b> ', "right"),
        False: ('<b class="mark">✗ wrong</b> ', "wrong"),
        None: ("", "open"),
    }[card.right]
    lines = [f'<h4>{mark}<span dir="auto">{escape(card.title)}</span></h4>']
    if card.pictures:
        shots = "".join(_shot(label, pixels, card.title) for label, pixels in card.pictures)
        lines.append(f'<div class="shots">{shots}</div>')
    for label, samples, rate in card.sounds:
        sound = data_uri("audio/wav", wav(samples, rate))
        name = escape(f"{label or 'sound'} of {card.title}")
        caption = f'<span dir="auto">{escape(label)}</span>' if label else ""
        lines.append(
            f'{caption}<audio controls preload="metadata" aria-label="{name}" src="{sound}">'
        )
        lines.append("</audio>")
    for label, text in card.texts:
        shown = escape(text) if isinstance(text, str) else _shaded(text, deepest)
        name = f"<b>{escape(label)}:</b> " if label else ""
        lines.append(f'<p class="text" dir="auto">{name}{shown}</p>')
    if card.table:
        cells = "".join(
            f'<div><dt dir="auto">{escape(str(name))}</dt><dd dir="auto">{escape(str(value))}</dd>'
            "</div>"
            for name, value in card.table.items()
        )
        lines.append(f"<dl>{cells}</dl>")
    lines += [f'<p class="note" dir="auto">{escape(note)}</p>' for note in card.notes]
    return f'<article class="card {kind}">{"".join(lines)}</article>'


def _shot(label: str, pixels: np.ndarray, title: str) -> str:
    height, width = pixels.shape[:2]
    kind = ' class="small"' if width < _SMALL else ""
    caption = f'<span dir="auto">{escape(label)}</span>' if label else ""
    alt = escape(f"{label or 'picture'}: {title}")
    return (
        f'<div><img{kind} src="{data_uri("image/png", pixels_png(pixels))}" width="{width}" '
        f'height="{height}" alt="{alt}">{caption}</div>'
    )


def _shaded(words: Sequence[tuple[str, float]], deepest: float) -> str:
    return " ".join(_word(word, effect, deepest) for word, effect in words)


def _word(word: str, effect: float, deepest: float) -> str:
    if not math.isfinite(effect) or effect == 0:
        return f"<span>{escape(word)}</span>"
    side, color = ("for", _FOR) if effect > 0 else ("against", _AGAINST)
    share = abs(effect) / deepest
    return (
        f'<span class="{side}" style="{_shade(color, share)}" '
        f'title="speaks {side} the answer: {effect:+.3g}">{escape(word)}</span>'
    )


def _shade(color: str, share: float) -> str:
    ground, border = f"rgba({color}, {_DEEPEST * share:.2f})", f"rgba({color}, {share:.2f})"
    return f"background: {ground}; border-color: {border}"


def _legend(deepest: float) -> str:
    """What the shades say, in the shades themselves."""
    return (
        f'<p class="legend">Words: <span class="for" style="{_shade(_FOR, 1)}">blue</span> speaks '
        f'for the answer, <span class="against" style="{_shade(_AGAINST, 1)}">orange</span> '
        f"against it; the deeper, the more (deepest: {deepest:.3g}).</p>"
    )
