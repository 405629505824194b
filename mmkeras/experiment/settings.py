"""All settings of one run: how cells become inputs, encoders, fusion, head and training.

A kind's settings are the defaults of all its modalities; a modality's own replace them. Options of
an encoder or a fusion are its constructor's own arguments. A setting that would have no effect is
refused, so that what is recorded is what acted.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from mmkeras.data.kinds import KINDS
from mmkeras.decoders import DECODERS, check_decoder_options
from mmkeras.encoders import (
    DEFAULT_ENCODERS,
    ENCODERS,
    check_encoder_options,
    needed_settings,
)
from mmkeras.fusion import FUSIONS, check_fusion_options, fusion_class, fusion_options
from mmkeras.fusion.parts.pooling import POOLINGS
from mmkeras.reading import check_fields, construct
from mmkeras.schema import InputSpec, Modality, Schema
from mmkeras.tasks import Task, task_class
from mmkeras.training.settings import TrainingSettings

# On the command line, a table's names are an option's choices.
if TYPE_CHECKING:
    DecoderName = str
    FusionName = str
    Pooling = str
else:
    DecoderName = Literal[tuple(DECODERS)]
    FusionName = Literal[tuple(FUSIONS)]
    Pooling = Literal[POOLINGS]

# What experiments begin with, where that is not the constructor's own default.
_CONVOLUTIONS = {"filters": (32, 64, 128), "convs_per_block": 2, "batch_norm": True}
_FRAMES = {"filters": (32, 64, 128), "batch_norm": True}
DEFAULT_OPTIONS: dict[tuple[str, str], dict[str, Any]] = {
    ("image", "cnn"): _CONVOLUTIONS,
    ("audio", "cnn"): _CONVOLUTIONS,
    ("video", "frames"): {**_FRAMES, "convs_per_block": 2},
    ("video", "conv3d"): _FRAMES,
    ("audio", "mlp"): {"units": (64,)},
    ("sequence", "mlp"): {"units": (64,)},
    ("text", "bag_of_words"): {"dropout": 0.3},
    ("text", "lstm"): {"dropout": 0.3},
    ("text", "self_attention"): {"dropout": 0.3},
}
_HIDDEN, _DROPOUT = (128,), 0.5
_SET_ELSEWHERE = dict.fromkeys(
    ("num_outputs", "activation", "return_sequences"), "follows from the target"
)


@dataclass(frozen=True)
class ModelSettings:
    """Fusion and head.

    Args:
        fusion: How the modalities meet.
        pooling: How a modality's tokens become one vector, in fusions of vectors.
        fusion_options: More arguments of the fusion's constructor.
        fusion_dropout: Dropout of the fused vector (of each modality's, in late fusion).
        modality_dropout: Share of modalities hidden in training, so that the model can do without.
        hidden: Widths of the head's layers, by default 128. Late fusion has no head.
        dropout: Dropout in the head, by default 0.5.
        decoder: What gives an answer that is more than classes or numbers, by default the first
            of the target's.
        decoder_options: Arguments of its constructor.

    Raises:
        ValueError: For unknown names, and for a setting that this fusion has no use for.

    Example:

    >>> late = ModelSettings("late", pooling="flatten", fusion_dropout=0.4)
    >>> late.hidden is None, late.with_fusion("concat").hidden
    (True, (128,))
    """

    fusion: FusionName = "concat"
    pooling: Pooling | None = None
    fusion_options: Annotated[Mapping[str, Any], tyro.conf.Suppress] = field(default_factory=dict)
    fusion_dropout: float = 0.0
    modality_dropout: float = 0.0
    hidden: tuple[int, ...] | None = None
    dropout: float | None = None
    decoder: DecoderName | None = None
    decoder_options: Annotated[Mapping[str, Any], tyro.conf.Suppress] = field(default_factory=dict)

    def __post_init__(self):
        check_fields(self)
        for name in ("fusion_dropout", "modality_dropout", "dropout"):
            if not 0 <= (getattr(self, name) or 0) < 1:
                raise ValueError(f"`{name}` is in [0, 1). Received: {getattr(self, name)}.")
        if min(self.hidden or (1,)) < 1:
            raise ValueError(f"`hidden` are widths of at least 1. Received: {self.hidden}.")
        if self.decoder is not None:
            _check_decoder(self.decoder, self.decoder_options)
        options = dict(self.fusion_options)
        pooling = options.pop("pooling", self.pooling)
        given = options if pooling is None else {**options, "pooling": pooling}
        check_fusion_options(self.fusion, given)
        taken = {name: why for name, why in _SET_ELSEWHERE.items() if name in options}
        if not self.has_head and "dropout" in options:
            taken["dropout"] = "is set as `fusion_dropout`"
        for name, why in taken.items():
            raise ValueError(f"`{name}` of the fusion {self.fusion!r} {why}. Leave it out.")
        if pooling is None and "pooling" in fusion_options(self.fusion):
            pooling = "mean"
        set_field = object.__setattr__
        set_field(self, "fusion_options", options)
        set_field(self, "pooling", pooling)
        if self.has_head:
            hidden = _HIDDEN if self.hidden is None else tuple(self.hidden)
            set_field(self, "hidden", hidden)
            set_field(self, "dropout", _DROPOUT if self.dropout is None else self.dropout)
            return
        for name in ("hidden", "dropout"):
            if getattr(self, name) is not None:
                raise ValueError(
                    f"The fusion {self.fusion!r} gives the answer itself, so there is no head to "
                    f"set `{name}` of. Received: {getattr(self, name)}. Leave it out, or choose a "
                    "fusion of features."
                )

    @property
    def has_head(self) -> bool:
        """Whether dense layers follow the fusion."""
        return not fusion_class(self.fusion).gives_logits

    def decoder_of(self, task: Task) -> str | None:
        """The decoder of a target's answer; `None` where a dense layer gives it.

        Raises:
            ValueError: A decoder is set for an answer that needs none, or another one's.
        """
        if not task.decoders:
            if self.decoder is not None or self.decoder_options:
                raise ValueError(
                    f"A dense layer gives the answer of {task.words}; a decoder would have no "
                    f"effect. Received: decoder={self.decoder!r} with {dict(self.decoder_options)}."
                )
            return None
        name = self.decoder or task.default_decoder
        _check_decoder(name, self.decoder_options)
        return name

    def options_of_decoder(self, task: Task) -> dict[str, Any]:
        """The arguments of the decoder's constructor that are set here."""
        name = self.decoder_of(task)
        if name is None or not DECODERS[name].is_head:
            return dict(self.decoder_options)
        return {"hidden": self.hidden, "dropout": self.dropout, **self.decoder_options}

    def with_fusion(self, name: str) -> ModelSettings:
        """The same with another fusion; what that has no use for is left out."""
        if name == self.fusion:
            return self
        known = fusion_options(name)
        head = not fusion_class(name).gives_logits
        return dataclasses.replace(
            self,
            fusion=name,
            pooling=self.pooling if "pooling" in known else None,
            fusion_options={k: v for k, v in self.fusion_options.items() if k in known},
            hidden=self.hidden if head else None,
            dropout=self.dropout if head else None,
        )

    def with_sizes(self, dim: int | None, dropout: float) -> ModelSettings:
        """The same with another width and dropout, where the fusion has use for them.

        Args:
            dim: Of the fused vector, in fusions that have one; `None` for the fusion's own.
            dropout: Of the fused vector and in the head.
        """
        options = {name: value for name, value in self.fusion_options.items() if name != "dim"}
        if dim is not None and "dim" in fusion_options(self.fusion):
            options["dim"] = dim
        return dataclasses.replace(
            self,
            fusion_options=options,
            fusion_dropout=dropout,
            dropout=dropout if self.has_head else None,
        )

    def alone(self) -> ModelSettings:
        """What acts in a model of one modality: nothing is fused, its tokens are pooled."""
        model = self.with_fusion("concat") if self.has_head else self
        return dataclasses.replace(model, modality_dropout=0.0)

    @property
    def read_along(self) -> set[str]:
        """The modality whose tokens the decoder reads above all, where one is given."""
        return {self.decoder_options["modality"]} if "modality" in self.decoder_options else set()

    def constructor_options(self) -> dict[str, Any]:
        """The arguments of the fusion's constructor."""
        options = dict(self.fusion_options)
        if self.pooling is not None:
            options["pooling"] = self.pooling
        if not self.has_head:
            # What others get behind the fusion, a fusion of decisions gets inside.
            options["dropout"] = self.fusion_dropout
        return options


@dataclass(frozen=True)
class Encoder:
    """What reads a modality.

    Args:
        name: A name of `ENCODERS` of the modality's kind; by default what suits the inputs.
        options: Arguments of its constructor.
    """

    name: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        check_fields(self)


# On the command line, settings of kinds are given with `--set`.
_OfKinds: Any = dataclasses.make_dataclass(
    "_OfKinds",
    [
        (name, Annotated[kind.settings, tyro.conf.Suppress], field(default_factory=kind.settings))
        for name, kind in KINDS.items()
    ],
    frozen=True,
    kw_only=True,
)


@dataclass(frozen=True)
class Settings(_OfKinds):
    """All settings of one run.

    Args:
        model: Fusion and head.
        training: Epochs, batches, optimizer.
        image, text, audio, video, sequence, tabular: How cells become inputs, for each kind of
            `mmkeras.data.kinds`: `ImageSettings` and so on. Texts for encoders that read sequences
            become token sequences, whatever `representation` says.
        target: What differs from the defaults of the target's settings, e.g. `pieces="words"`.
        encoders: By kind, what reads its modalities.
        modalities: By modality name, what differs from its kind: settings of the kind, `encoder`
            and `encoder_options`.
        given: Kinds that must be in the schema, since settings were given for them.
        reasons: Why, a line each, where settings were chosen by the training rows
            (`mmkeras.experiment.defaults`).
        seed: Decides weights, dropout, order and augmentation.
        on_error: What to do with rows that have an unreadable file.
        cache: Where decoded media stay; auto takes memory up to 2 GiB, then files.

    Example:

    >>> settings = Settings(
    ...     encoders={"image": Encoder("cnn", {"filters": (16, 32)})},
    ...     modalities={"xray": {"size": (96, 96), "encoder": "patches"}},
    ... )
    >>> from mmkeras.schema import Image
    >>> settings.of(Image("photo")).size, settings.of(Image("xray")).size
    ((64, 64), (96, 96))
    >>> settings.encoder_of(Image("xray"))
    Encoder(name='patches', options={})
    """

    # On the command line these two have no prefix: `--fusion`, `--epochs`.
    model: Annotated[ModelSettings, tyro.conf.arg(name="")] = field(default_factory=ModelSettings)
    training: Annotated[TrainingSettings, tyro.conf.arg(name="")] = field(
        default_factory=TrainingSettings
    )
    target: Annotated[Mapping[str, Any], tyro.conf.Suppress] = field(default_factory=dict)
    encoders: Annotated[Mapping[str, Encoder], tyro.conf.Suppress] = field(default_factory=dict)
    modalities: Annotated[Mapping[str, Mapping[str, Any]], tyro.conf.Suppress] = field(
        default_factory=dict
    )
    given: Annotated[tuple[str, ...], tyro.conf.Suppress] = ()
    reasons: Annotated[tuple[str, ...], tyro.conf.Suppress] = ()
    seed: int = 0
    on_error: Literal["raise", "skip"] = "raise"
    cache: Literal["auto", "memory", "file", "none"] = "auto"

    def __post_init__(self):
        check_fields(self)
        for kind, encoder in self.encoders.items():
            if kind not in ENCODERS:
                raise ValueError(
                    f"`encoders` are given by kind, one of {sorted(ENCODERS)}. Received: {kind!r}. "
                    "A single modality's encoder is set in `modalities`."
                )
            if encoder.name is not None:
                check_encoder_options(kind, encoder.name, encoder.options)

    def of(self, modality: Modality) -> Any:
        """A modality's preprocessing settings, e.g. `ImageSettings`."""
        kind = getattr(self, modality.kind)
        own = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in self._own(modality).items()
            if name not in ("encoder", "encoder_options")
        }
        known = [f.name for f in dataclasses.fields(kind)]
        unknown = sorted(set(own) - set(known))
        if unknown:
            raise ValueError(
                f"The {modality.kind} modality {modality.name!r} has no setting {unknown}. It has "
                f"{known}, encoder and encoder_options."
            )
        settings = dataclasses.replace(kind, **own)
        encoder = self.encoder_of(modality)
        if encoder.name is None:
            return settings
        needs = needed_settings(modality.kind, encoder.name, encoder.options)
        return dataclasses.replace(settings, **needs)

    def encoder_of(self, modality: Modality, spec: InputSpec | None = None) -> Encoder:
        """What reads a modality, with the options that act.

        Args:
            modality: Which.
            spec: What its inputs look like. Without, the name stays `None` where the default
                depends on that.
        """
        encoder = self.encoders.get(modality.kind, Encoder())
        own = self._own(modality)
        if own.get("encoder", encoder.name) != encoder.name:
            # Another encoder has options of its own.
            encoder = Encoder(own["encoder"])
        name = encoder.name or _default_name(modality.kind, spec)
        given = {**encoder.options, **own.get("encoder_options", {})}
        if name is None:
            if given:
                raise ValueError(
                    f"Options of an encoder need its name. Received for {modality.name!r}: "
                    f"{given}. The encoders are {sorted(ENCODERS[modality.kind])}."
                )
            return Encoder()
        check_encoder_options(modality.kind, name, given)
        return Encoder(name, {**DEFAULT_OPTIONS.get((modality.kind, name), {}), **given})

    def _own(self, modality: Modality) -> Mapping[str, Any]:
        return self.modalities.get(modality.name, {})

    def preprocessing(self, schema: Schema) -> dict[str, Any]:
        """Each modality's preprocessing settings.

        Raises:
            ValueError: Settings of a modality or a kind that the schema does not have.
        """
        kinds = {modality.kind for modality in schema.modalities}
        named = {*self.modalities, *self.model.read_along}
        named |= {*self.training.freeze, *self.training.part_rates} - {"fusion", "decoder"}
        unknown = sorted((named - set(schema.names)) | (set(self.given) - kinds))
        if unknown:
            raise ValueError(
                f"There are settings for {unknown}, which would have no effect: the modalities are "
                f"{[f'{m.name} ({m.kind})' for m in schema.modalities]}."
            )
        return {modality.name: self.of(modality) for modality in schema.modalities}

    def select(self, schema: Schema) -> Settings:
        """The same for a model of some modalities: what acts there."""
        model = self.model.alone() if len(schema.names) == 1 else self.model
        if not model.read_along <= set(schema.names):
            options = {k: v for k, v in model.decoder_options.items() if k != "modality"}
            model = dataclasses.replace(model, decoder_options=options)
        own = {name: values for name, values in self.modalities.items() if name in schema.names}
        training = self.training.of_parts(schema.names)
        return dataclasses.replace(self, model=model, training=training, modalities=own, given=())

    def with_encoder(self, kind: str, name: str | None) -> Settings:
        """The same with another encoder of a kind, as it comes; the same one keeps its options."""
        if name == self.encoders.get(kind, Encoder()).name:
            return self
        return dataclasses.replace(self, encoders={**self.encoders, kind: Encoder(name)})

    def to_dict(self, schema: Schema | None = None) -> dict[str, Any]:
        """The settings as JSON can hold them; of a schema's kinds only, with all that acts."""
        values = dataclasses.asdict(self)
        del values["given"]
        # Not said unless they are set.
        for part, name in (
            (values, "target"),
            (values, "reasons"),
            (values["model"], "decoder"),
            (values["model"], "decoder_options"),
        ):
            if not part[name]:
                del part[name]
        if schema is None:
            return values
        kinds = {modality.kind: modality for modality in schema.modalities}
        values = {k: v for k, v in values.items() if k not in KINDS or k in kinds}
        decoders = () if schema.target is None else task_class(schema.target).decoders
        if decoders and not DECODERS[self.model.decoder or decoders[0]].is_head:
            # The decoder has its own.
            values["model"] |= {"hidden": None, "dropout": None}
        values["encoders"] = {
            kind: dataclasses.asdict(self._encoder_of_kind(kind))
            for kind in kinds
            if self._encoder_of_kind(kind).name is not None
        }
        return values

    def _encoder_of_kind(self, kind: str) -> Encoder:
        encoder = self.encoders.get(kind, Encoder())
        name = encoder.name or _default_name(kind)
        return Encoder(name, {**DEFAULT_OPTIONS.get((kind, name or ""), {}), **encoder.options})

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Settings:
        """Settings as `to_dict` wrote them, or a part of them: what is not given is the default.

        Raises:
            ValueError: A name that does not exist, or a value that is not possible.
        """
        known = {f.name for f in dataclasses.fields(cls)}
        if unknown := sorted(set(data) - known):
            raise ValueError(f"Settings have no {unknown}. They have {sorted(known)}.")
        return construct(cls, data)


def _check_decoder(name: str, options: Mapping[str, Any]) -> None:
    """Refuses options of a decoder that neither its constructor nor the builder has."""
    of_builder = ("modality",) if DECODERS[name].of_modality else ()
    check_decoder_options(name, [option for option in options if option not in of_builder])


def _default_name(kind: str, spec: InputSpec | None = None) -> str | None:
    default = DEFAULT_ENCODERS[kind]
    if isinstance(default, str):
        return default
    return None if spec is None else default(spec)
