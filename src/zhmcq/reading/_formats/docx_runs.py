"""The runs and formulas of a Word document: their formats, raised text, mathematics in a line."""

from __future__ import annotations

from typing import Any

__all__ = ["at_height", "formula_text", "height_of", "styles_of"]

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_RAISED = str.maketrans("0123456789+-()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿ")
_LOWERED = str.maketrans("0123456789+-()", "₀₁₂₃₄₅₆₇₈₉₊₋₍₎")
_PLAIN_COLOURS = ("", "auto", "000000")
_OFF = ("0", "false", "none", "off")


def styles_of(properties: Any) -> frozenset[str]:
    """How the text of a run differs from plain text."""
    if properties is None:
        return frozenset()
    styles = set()
    for name, style in (("b", "bold"), ("u", "underlined"), ("highlight", "highlighted")):
        element = properties.find(f"{_W}{name}")
        if element is not None and str(element.get(f"{_W}val", "on")).lower() not in _OFF:
            styles.add(style)
    colour = properties.find(f"{_W}color")
    value = "" if colour is None else str(colour.get(f"{_W}val", "")).lower()
    if value not in _PLAIN_COLOURS:
        styles.add(f"coloured {value[:8]}")
    shade = properties.find(f"{_W}shd")
    fill = "" if shade is None else str(shade.get(f"{_W}fill", "")).lower()
    if fill not in ("", "auto", "ffffff"):
        styles.add("shaded")
    return frozenset(styles)


def height_of(properties: Any) -> str:
    """``"superscript"``, ``"subscript"`` or ``""``."""
    element = None if properties is None else properties.find(f"{_W}vertAlign")
    return "" if element is None else str(element.get(f"{_W}val", ""))


def at_height(text: str, height: str) -> str:
    """Raised and lowered characters as such: 10² must not become 102."""
    if not text.strip() or height not in ("superscript", "subscript"):
        return text
    raised = height == "superscript"
    shifted = text.translate(_RAISED if raised else _LOWERED)
    if not any(old == new for old, new in zip(text, shifted, strict=True)):
        return shifted
    sign = "^" if raised else "_"
    return f"{sign}{text}" if len(text.strip()) == 1 else f"{sign}({text})"


def formula_text(element: Any) -> str:
    """A formula in one line; what has no such form is a picture."""
    parts = []
    for child in element.iterchildren():
        tag = child.tag.rpartition("}")[2] if isinstance(child.tag, str) else ""
        if tag == "r":
            parts.append("".join(t.text or "" for t in child.iter(f"{_M}t")))
        elif tag == "f":
            parts.append(f"({_part(child, 'num')})/({_part(child, 'den')})")
        elif tag == "sSup":
            parts.append(_part(child, "e") + at_height(_part(child, "sup"), "superscript"))
        elif tag == "sSub":
            parts.append(_part(child, "e") + at_height(_part(child, "sub"), "subscript"))
        elif tag == "rad":
            parts.append(f"{_part(child, 'deg')}√({_part(child, 'e')})")
        elif tag == "d":
            parts.append(f"({_part(child, 'e')})")
        elif tag in ("oMath", "e", "num", "den", "sup", "sub", "deg"):
            parts.append(formula_text(child))
        elif not tag.endswith("Pr"):
            parts.append("![formula](formula)")
    return "".join(parts)


def _part(element: Any, name: str) -> str:
    child = element.find(f"{_M}{name}")
    return "" if child is None else formula_text(child)
