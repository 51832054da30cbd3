"""Parsers: from a model's reply to an answer, or to an honest "none".

A parser is any object with one method, ``parse(text, question)``, which returns a
:class:`ParsedAnswer`. ``zh`` (the default) knows the ways in which Chinese and English replies
answer, ``strict`` reads explicit final answers only, ``json`` reads an answer field, ``cascade``
tries several in turn.
"""

from zhmcq.parsers._builtin import CascadeParser, JsonParser, StrictParser, ZhParser, explain
from zhmcq.parsers._protocol import Mention, ParsedAnswer, Parser, ParseStatus
from zhmcq.parsers._registry import get_parser, parser_names, register_parser

__all__ = [
    "CascadeParser",
    "JsonParser",
    "Mention",
    "ParseStatus",
    "ParsedAnswer",
    "Parser",
    "StrictParser",
    "ZhParser",
    "explain",
    "get_parser",
    "parser_names",
    "register_parser",
]
