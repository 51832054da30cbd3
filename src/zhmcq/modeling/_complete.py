"""Whether a base model's file holds every weight that the model needs, in its shape."""

from __future__ import annotations

import json
import logging
import re
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from zhmcq._phrases import counted
from zhmcq.errors import ModelError
from zhmcq.modeling._weight_files import weight_files

__all__ = ["name_some", "refuse_incomplete", "refuse_packed"]

logger = logging.getLogger(__name__)

# Numbers that are weights only together with scales, by the names of the safetensors format.
NEED_SCALES = {"I8", "U8", "F8_E4M3", "F8_E5M2", "F4"}
NAMED = 5  # names that an error gives; the others are counted


def refuse_incomplete(model: Any, info: Mapping[str, Any], source: str) -> None:
    """Refuse a model that has weights which its files lack, or hold in another shape.

    transformers fills such weights with random numbers and goes on. What a family does not store on
    purpose (tied weights, rotary frequencies) is not among ``missing_keys``. Tensors that the
    model does not use are no fault: a file may hold the vision part of a text model. If they are
    further layers of a list that the model has, the log gets a warning.

    Args:
        model: The model as it was loaded.
        info: What ``from_pretrained(output_loading_info=True)`` returned beside it, with
            ``ignore_mismatched_sizes=True``.
        source: Where the model comes from, for the message.

    Raises:
        ModelError: If weights are missing; it has the first names and how many there are.
    """
    faults = []
    if missing := sorted(info["missing_keys"]):
        faults.append(f"{name_some(missing)} not in its files")
    if mismatched := sorted(info["mismatched_keys"]):
        shapes = [
            f"{name} (in the file {tuple(shape)}, in the model {tuple(expected)})"
            for name, shape, expected in mismatched
        ]
        faults.append(f"{name_some(shapes)} of another shape")
    if broken := _broken_quantised(model):
        faults.append(f"{name_some(broken)} without all numbers of its quantisation")
    if faults:
        raise ModelError(
            f"{source!r} lacks weights, which would be random: {'; '.join(faults)}. Copy or "
            "download the model again; if it is complete, its config.json is another model's"
        )
    if unused := _further_layers(model, info["unexpected_keys"]):
        logger.warning(
            "%r has %s, for which its configuration has no layer: is config.json of this model?",
            source,
            name_some(unused),
        )


def refuse_packed(model: Any, folder: Path, source: str) -> None:
    """Refuse weights that are packed into 8 bits or fewer, where nothing says how to unpack them.

    transformers converts the bare numbers to the dtype of the model and goes on.

    Args:
        model: The model as it was loaded, at full precision.
        folder: The folder that it was loaded from.
        source: Where the model comes from, for the message.

    Raises:
        ModelError: If there are such weights; it has the first names and how many there are.
    """
    weights = {name for name, _ in model.named_parameters()}
    packed = [
        name
        for path in weight_files(folder)
        for name, dtype in _stored_dtypes(path).items()
        if name in weights and dtype in NEED_SCALES
    ]
    if packed:
        raise ModelError(
            f"{source!r} stores {name_some(packed)} in 8 bits or fewer, and its config.json has no "
            "quantization_config that says how to unpack them: give the model as it was published"
        )


def _stored_dtypes(path: Path) -> dict[str, str]:
    """The dtypes of the tensors in a safetensors file that was loaded already."""
    with path.open("rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
    return {name: entry["dtype"] for name, entry in header.items() if name != "__metadata__"}


def _further_layers(model: Any, unexpected: Iterable[str]) -> list[str]:
    """The names in lists of layers that the model has, beyond their ends."""
    lengths = {
        name: len(module)
        for name, module in model.named_modules()
        if type(module).__name__ == "ModuleList"
    }
    further = []
    for name in sorted(unexpected):
        match = re.match(r"(.+?)\.(\d+)\.", name)
        if match is not None and int(match[2]) >= lengths.get(match[1], int(match[2]) + 1):
            further.append(name)
    return further


def name_some(names: Iterable[str]) -> str:
    """The first names, with the number of all of them where there are more."""
    listed = list(names)
    shown = ", ".join(listed[:NAMED])
    return f"{counted(len(listed), 'tensor')} ({shown}{', …' if len(listed) > NAMED else ''})"


def _broken_quantised(model: Any) -> list[str]:
    """Names of bitsandbytes layers whose packed weights or scales do not fit their shapes.

    transformers compares neither: the packed weight has another shape than the layer's, and
    scales that are quantised themselves are optional in the format.
    """
    return [
        f"{name}.weight"
        for name, module in model.named_modules()
        if (weight := getattr(module, "weight", None)) is not None
        and weight.device.type != "meta"
        and not _is_whole(module, weight)
    ]


def _is_whole(module: Any, weight: Any) -> bool:
    if (state := getattr(weight, "quant_state", None)) is not None:  # 4 bits
        count = module.in_features * module.out_features
        scales = -(-count // state.blocksize)
        return bool(
            weight.numel() * weight.element_size() * 2 == count
            and tuple(state.shape) == (module.out_features, module.in_features)
            and state.absmax.numel() == scales
            and (state.nested or state.absmax.is_floating_point())
            and (
                not state.nested
                or state.state2.absmax.numel() == -(-scales // state.state2.blocksize)
            )
        )
    if (scales_of_rows := getattr(weight, "SCB", None)) is not None:  # 8 bits
        shape = (module.out_features, module.in_features)
        return tuple(weight.shape) == shape and scales_of_rows.numel() == module.out_features
    return not type(module).__module__.startswith("bitsandbytes.")
