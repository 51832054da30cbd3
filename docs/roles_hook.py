"""For mkdocs: show the cross-reference roles of docstrings as plain code."""

from __future__ import annotations

import re
from typing import Any

ROLE = re.compile(r":(?:class|func|meth|mod|attr):<code>~?([\w.]+)</code>")


def on_page_content(html: str, **_more: Any) -> str:
    """Turn ``:func:`zhmcq.compare``` into ``zhmcq.compare``."""
    return ROLE.sub(r"<code>\1</code>", html)
