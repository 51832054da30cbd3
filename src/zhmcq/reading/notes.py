"""What readers note of a cell or record: how serious each code is, and what it says."""

from __future__ import annotations

__all__ = ["NOTES"]

NOTES = {
    "time_serial": (
        "warning",
        (
            "shown as a plain number, but it has the decimals of a time of day: Excel may have "
            "made it of a score or ratio like 0:1; type it as text"
        ),
    ),
    "error_value": ("error", "holds a formula's error value"),
    "formula_without_value": (
        "error",
        (
            "holds a formula whose value was never stored; open the file in a spreadsheet program "
            "and save it"
        ),
    ),
    "display_unknown": (
        "warning",
        (
            "is a number or date whose display this format does not tell; check it, or save the "
            "file as .xlsx"
        ),
    ),
    "date_option": (
        "warning",
        ("is a date among options that are none: Excel may have made it of a fraction like 1/2"),
    ),
    "date_serial": (
        "warning",
        (
            "is a number like those by which Excel stores dates, as all options of this row are; "
            "if they were dates, format the cells as such"
        ),
    ),
    "damaged_options": (
        "error",
        "the options in the text can't be told apart: a label is missing or misprinted",
    ),
    "sub_questions": (
        "error",
        "holds several questions or blanks that can't be matched with the keys one by one",
    ),
    "extra_cells": (
        "error",
        "holds more cells than there are headers; a cell with a comma in it lacks its quotes",
    ),
    "image_options": (
        "error",
        "holds a picture, or a label without a text; a text model can't see pictures",
    ),
    "bad_json": ("error", "this line is not json"),
    "no_question": ("error", "no field of this record was recognised as a question"),
    "same_as_above": (
        "warning",
        ("says only that it is the same as above; the text of the row above was taken"),
    ),
    "same_as_nothing": (
        "error",
        ("says only that it is the same as above, but the row above has no text; repeat the text"),
    ),
}
