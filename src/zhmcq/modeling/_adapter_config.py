"""An adapter's ``adapter_config.json``, read as data: what it asks of peft, or why it is refused.

peft itself ignores fields that it does not know, makes any of its kinds of adapters, and matches
patterns of any cost. A field is taken here only if the adapter then computes in every layout of
rows what it computes in peft; every other one has to be absent, or to have a value that switches
it off.
"""

from __future__ import annotations

import dataclasses
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from zhmcq._files import leads_out
from zhmcq._refused_fields import REFUSED_LORA
from zhmcq.errors import ManifestError

__all__ = ["ADAPTER_CONFIG", "AdapterConfig"]

ADAPTER_CONFIG = "adapter_config.json"
MAX_BYTES = 4_000_000  # peft lists every adapted layer; the largest models have some thousands
MAX_PATTERN = 2_000  # characters
PATTERN_SECONDS = 5.0  # for all patterns and layers; those that people write take milliseconds
# Names in a list. peft compares each of them with each layer, several times over.
MANY = 1_000
LARGEST = 2**31 - 1  # of a rank, an index or an alpha

# Fields that change nothing of what a trained adapter computes: where it came from, how it began,
# which classes of Python would load it (never looked at), and defaults of what is switched off.
IGNORED = {
    "auto_mapping",
    "base_model_name_or_path",
    "corda_config",
    "eva_config",
    "inference_mode",
    "loftq_config",
    "lora_ga_config",
    "megatron_core",
    "peft_version",
    "qalora_group_size",
    "revision",
    "runtime_config",
}
# Ways of initialising that leave the base model as it is. The others take the adapter's first
# weights out of it, so that the saved adapter fits another model.
HARMLESS = (True, False, "gaussian", "eva", "orthogonal")

# What pydantic adds to the name of a field that may have several types.
PYDANTIC_TYPE = re.compile(r"int|float|str|.*\[.*\].*", re.DOTALL)

# peft puts the names in other fields into patterns of its own: nothing may repeat in them.
_PLAIN = re.compile(r"[\w.-]{1,300}", re.ASCII)


def _plain(name: str) -> str:
    if not _PLAIN.fullmatch(name):
        raise ValueError("expected the name of a layer, or its end after a dot")
    return name


def _indices(values: list[int]) -> list[int]:
    if len(set(values)) < len(values):
        raise ValueError("expected ids of tokens without repetition")
    return values


Name = Annotated[str, AfterValidator(_plain)]
Count = Annotated[int, Field(gt=0, le=LARGEST)]
Alpha = Annotated[int | float, Field(ge=-LARGEST, le=LARGEST)]
Index = Annotated[int, Field(ge=0, le=LARGEST)]
Indices = Annotated[list[Index], AfterValidator(_indices)]
Names = Annotated[list[Name], Field(max_length=MANY)]


class _Fields(BaseModel):
    """The fields of ``LoraConfig`` that are taken, by their types; peft has the defaults."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)

    r: Count = 8
    lora_alpha: Alpha = 8
    lora_dropout: int | float = Field(default=0.0, ge=0, lt=1)
    target_modules: list[str] | str | None = None
    exclude_modules: list[str] | str | None = None
    fan_in_fan_out: bool = False
    bias: Literal["none", "all", "lora_only"] = "none"
    use_rslora: bool = False
    use_dora: bool = False
    lora_bias: bool = False
    modules_to_save: Names | None = None
    layers_to_transform: Annotated[list[Index], Field(max_length=MANY)] | Index | None = None
    layers_pattern: Names | Name | None = None
    rank_pattern: dict[str, Count] | None = None
    alpha_pattern: dict[str, Alpha] | None = None
    trainable_token_indices: (
        Indices | Annotated[dict[Name, Indices], Field(max_length=MANY)] | None
    ) = None
    target_parameters: Names | None = None
    ensure_weight_tying: bool = False


class AdapterConfig:
    """What an adapter's configuration asks for.

    Args:
        folder: The adapter's folder.
        name: The adapter's name, for messages.

    Attributes:
        base: The name of its base model, as whoever made it had it; ``""`` if it names none.
            Nothing is ever loaded from there.
        fields: The fields of ``LoraConfig`` that it gives, without those that have no effect.

    Raises:
        ManifestError: If there is no such file, it cannot be read, or asks for something that is
            not computed here exactly.
    """

    def __init__(self, folder: Path, name: str) -> None:
        path = folder / ADAPTER_CONFIG
        self._name = name
        values = {key: value for key, value in _read(path).items() if value is not None}
        base = values.get("base_model_name_or_path")
        self.base = base if isinstance(base, str) else ""
        for reason in (_other_kind(values), _other_base(values), _unknown(values)):
            if reason:
                raise ManifestError(f"{path} cannot be used: {reason}")
        try:
            checked = _Fields.model_validate(values)
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            names = map(str, problem["loc"])
            field = ".".join(name for name in names if not PYDANTIC_TYPE.fullmatch(name))
            raise ManifestError(
                f"{path} cannot be used: {field:.80}: {problem['msg']}, found "
                f"{problem['input']!r:.80}"
            ) from error
        self.fields = checked.model_dump(exclude_unset=True)

    def lora_config(self, model: Any) -> Any:
        """The ``LoraConfig`` to load it with.

        Args:
            model: The base model. Patterns are matched against the names of its layers here, in
                bounded time, and peft gets the names.

        Raises:
            ManifestError: If a pattern cannot be read or takes too long, or peft refuses the
                fields together.
        """
        from peft import LoraConfig

        fields = dict(self.fields)
        layers = [name for name, _ in model.named_modules()]
        weights = [name for name, _ in model.named_parameters(remove_duplicate=False)]
        end = time.monotonic() + PATTERN_SECONDS
        for field in ("target_modules", "exclude_modules"):
            wanted = fields.get(field)
            if isinstance(wanted, str) and wanted != "all-linear":
                matches = self._matcher(field, wanted, end)
                fields[field] = [name for name in layers if matches(name)]
            elif isinstance(wanted, list) and len(wanted) > MANY:
                listed = frozenset(wanted)
                fields[field] = [name for name in layers if not listed.isdisjoint(_ends(name))]
        for field in ("rank_pattern", "alpha_pattern"):
            if fields.get(field):
                fields[field] = self._by_name(field, [*layers, *weights], end)
        try:
            # The first weights are all read from the file. Which base model it is was looked at;
            # peft would warn of one that lies elsewhere now.
            return LoraConfig(
                task_type="CAUSAL_LM", inference_mode=True, init_lora_weights=False, **fields
            )
        except (TypeError, ValueError) as error:
            raise ManifestError(
                f"{self._name}: peft refuses its {ADAPTER_CONFIG}: {error}"
            ) from error

    def _by_name(self, field: str, names: Sequence[str], end: float) -> dict[str, Any]:
        """One pattern for each value, of the names that have it: the first key that matches counts.

        peft matches each key against the end of a name.
        """
        keys = [
            (self._matcher(field, rf"(.*\.)?({key})", end), value)
            for key, value in self.fields[field].items()
        ]
        groups: dict[Any, list[str]] = {}
        for name in names:
            value = next((value for matches, value in keys if matches(name)), None)
            if value is not None:
                groups.setdefault(value, []).append(re.escape(name))
        return {f"^(?:{'|'.join(group)})": value for value, group in groups.items()}

    def _matcher(self, field: str, pattern: str, end: float) -> Callable[[str], bool]:
        """Whether a pattern matches a name as a whole.

        Raises:
            ManifestError: If it cannot be read, or the time is over; so does the function.
        """
        import regex  # type: ignore[import-untyped]

        too_long = f"matching the layers takes more than {PATTERN_SECONDS:g} seconds"

        def refusal(reason: str) -> ManifestError:
            return ManifestError(
                f"{self._name}: the pattern {pattern!r:.80} in {field} of {ADAPTER_CONFIG} cannot "
                f"be used: {reason}. Write the names of the layers in its place"
            )

        def matches(name: str) -> bool:
            left = end - time.monotonic()
            try:
                if left <= 0:
                    raise TimeoutError
                return compiled.fullmatch(name, timeout=left) is not None
            except TimeoutError as error:
                raise refusal(too_long) from error

        try:
            if time.monotonic() > end:  # many are read, in a while each
                raise ValueError(too_long)
            if len(pattern) > MAX_PATTERN:
                raise ValueError(f"it has more than {MAX_PATTERN:,} characters")
            re.compile(pattern)  # as peft would read it; the other library has recursion too
            compiled = regex.compile(pattern)
        except (re.error, regex.error, ValueError, OverflowError, RecursionError) as error:
            raise refusal(str(error)) from error
        return matches


def _ends(name: str) -> Iterator[str]:
    """A layer's name, and what follows each dot in it: peft takes a layer by any of these."""
    yield name
    while "." in name:
        name = name.partition(".")[2]
        yield name


def _read(path: Path) -> Mapping[str, Any]:
    """The file's object.

    Raises:
        ManifestError: If there is none.
    """
    try:
        if leads_out(path):
            raise ValueError("it is a link; copy the folder with its links followed (cp -L)")
        if not path.is_file():
            raise ValueError("there is no such file")
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"it has more than {MAX_BYTES:,} bytes")
        values = json.loads(path.read_bytes())
        if not isinstance(values, dict):
            raise ValueError(f"expected an object, found {type(values).__name__}")
    except (OSError, ValueError, RecursionError) as error:
        raise ManifestError(
            f"{path} cannot be read as the configuration of an adapter of peft: {error!s:.200}"
        ) from error
    return values


def _other_kind(values: Mapping[str, Any]) -> str | None:
    kind, task = values.get("peft_type"), values.get("task_type", "CAUSAL_LM")
    if kind != "LORA":
        return (
            f"expected an adapter of peft_type 'LORA', found {kind!r:.80}. Only LoRA and its "
            "variants (DoRA, rsLoRA) are computed here"
        )
    if task != "CAUSAL_LM":
        return f"expected task_type 'CAUSAL_LM', found {task!r:.80}: it answers with another head"
    return None


def _other_base(values: Mapping[str, Any]) -> str | None:
    """Why the adapter fits another model than its base model, by how it began."""
    first = values.get("init_lora_weights", True)
    if any(first is value or (isinstance(first, str) and first == value) for value in HARMLESS):
        return None
    return (
        f"init_lora_weights={first!r:.80} takes the adapter's first weights out of the base "
        "model's, so that it fits a changed base model. Save it converted, with peft's "
        "save_pretrained(…, path_initial_model_for_weight_conversion=…)"
    )


def _unknown(values: Mapping[str, Any]) -> str | None:
    """A field that is not taken and has an effect, with the reason."""
    taken = {*_Fields.model_fields, *IGNORED, "init_lora_weights", "peft_type", "task_type"}
    for field, value in values.items():
        if field in taken or value is False or value in ([], {}, "") or _is_default(field, value):
            continue
        reason = REFUSED_LORA.get(field, "it is not known here what the adapter computes with it")
        return f"{field:.80}={value!r:.80} is not accepted: {reason}"
    return None


def _is_default(field: str, value: Any) -> bool:
    """Whether a field has its default in the installed peft, a newer version of which has more."""
    from peft import LoraConfig

    fields = {known.name: known.default for known in dataclasses.fields(LoraConfig)}
    return field in fields and type(value) is type(fields[field]) and value == fields[field]
