"""What the parts of a package refer to, and of what type they are, with changes to both."""

from __future__ import annotations

from collections.abc import Collection

from zhmcq.errors import ReadError
from zhmcq.reading._formats.workbook_parts import folded_name, relations
from zhmcq.reports._workbook._package import Package, rels_of
from zhmcq.reports._workbook._xml import DECLARATION, SmallPart, attribute_text

__all__ = ["CONTENT_TYPES", "ContentTypes", "Relationships"]

CONTENT_TYPES = "[content_types].xml"
_EMPTY = (
    f"{DECLARATION}<Relationships "
    'xmlns="http://schemas.openxmlformats.org/package/2006/relationships"/>'
)


class Relationships:
    """What a part refers to.

    Args:
        package: The workbook.
        part: The part; ``""`` is the package itself.

    Attributes:
        name: The name of the part that says it.
    """

    def __init__(self, package: Package, part: str) -> None:
        self.name = rels_of(part)
        self._known = relations(package.archive, part, package.name)
        self._part = SmallPart(package.read(self.name) or _EMPTY.encode(), package.where(self.name))
        self._ids = {e.attributes.get("Id", "") for e in self._part.root.children}
        self._added: list[str] = []
        self._changed = False

    def new_id(self) -> str:
        """An id that nothing has."""
        number = next(n for n in range(1, len(self._ids) + 2) if f"rId{n}" not in self._ids)
        self._ids.add(f"rId{number}")
        return f"rId{number}"

    def add(self, new_id: str, kind: str, part: str) -> None:
        """Refer to a part.

        Args:
            new_id: What :meth:`new_id` gave.
            kind: The type of the reference, whole.
            part: The name of the part.
        """
        self._added.append(
            f'<{self._part.prefix}Relationship Id="{new_id}" Type="{kind}" '
            f'Target="/{attribute_text(part)}"/>'
        )

    def remove(self, parts: Collection[str]) -> None:
        """Refer to some parts no longer."""
        for element in self._part.root.children:
            relation = self._known.get(element.attributes.get("Id", ""))
            if relation is not None and relation.part in parts:
                self._part.remove(element)
                self._changed = True

    def changed(self) -> bytes | None:
        """The part that says it, with its changes; ``None`` if it stays as it was."""
        if self._added:
            self._part.append(self._part.root, "".join(self._added), {})
        return self._part.changed() if self._added or self._changed else None


class ContentTypes:
    """Of what types the parts of a package are.

    Args:
        package: The workbook.

    Raises:
        ReadError: If it doesn't say.
    """

    def __init__(self, package: Package) -> None:
        where = package.where(CONTENT_TYPES)
        data = package.read(CONTENT_TYPES)
        if not data:
            raise ReadError(f"{where}: it is missing")
        self._part = SmallPart(data, where)
        self._overrides = {
            folded_name(e.attributes.get("PartName", "")): e
            for e in self._part.root.children
            if e.local == "Override"
        }
        self._added: list[str] = []
        self._changed = False

    def add(self, part: str, kind: str) -> None:
        """Say of what type a new part is."""
        self._added.append(
            f'<{self._part.prefix}Override PartName="/{attribute_text(part)}" '
            f'ContentType="{kind}"/>'
        )

    def change(self, part: str, kind: str) -> None:
        """Say that a part is of another type than it was, if it was."""
        element = self._overrides.get(part)
        if element is None:
            self.add(part, kind)
        elif element.attributes.get("ContentType") != kind:
            self._part.set_attributes(element, {"ContentType": kind})
            self._changed = True

    def remove(self, parts: Collection[str], remaining: Collection[str]) -> None:
        """Say nothing more of parts that are no longer there.

        Args:
            parts: The parts.
            remaining: Those that are still there.
        """
        for part in parts & self._overrides.keys():
            self._part.remove(self._overrides[part])
            self._changed = True
        endings = {part.rpartition(".")[2] for part in parts}
        endings -= {p.rpartition(".")[2] for p in remaining if p not in self._overrides}
        for element in self._part.root.children:
            if element.local == "Default" and element.attributes.get(
                "Extension", ""
            ).lower() in endings - {"xml", "rels"}:
                self._part.remove(element)
                self._changed = True

    def changed(self) -> bytes | None:
        """The part that says it, with its changes; ``None`` if it stays as it was."""
        if self._added:
            self._part.append(self._part.root, "".join(self._added), {})
        return self._part.changed() if self._added or self._changed else None
