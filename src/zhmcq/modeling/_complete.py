"""Whether a base model's file holds every weight that the model needs, in its shape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from zhmcq.errors import ModelError

__all__ = ["name_some", "refuse_incomplete"]

NAMED = 5  # names that an error gives; the others are counted


def refuse_incomplete(model: Any, info: Mapping[str, Any], source: str) -> None:
    """Refuse a model that has weights which its files lack, or hold in another shape.

    transformers fills such weights with random numbers and goes on. What a family leaves out on
    purpose (tied weights, rotary frequencies) is not among ``missing_keys``. Tensors that the
    model has no use for are no fault: a file may hold the vision tower of a text model.

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
        faults.append(f"{name_some(broken)} without a part of the numbers that quantise it")
    if faults:
        raise ModelError(
            f"{source!r} lacks weights, which would be random: {'; '.join(faults)}. Copy or "
            "download the model again; if it is complete, its config.json is another model's"
        )


def name_some(names: Iterable[str]) -> str:
    """The first names, with the number of all of them where there are more."""
    listed = list(names)
    shown = ", ".join(listed[:NAMED])
    count = f"{len(listed)} tensors" if len(listed) > 1 else "1 tensor"
    return f"{count} ({shown}{', …' if len(listed) > NAMED else ''})"


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
