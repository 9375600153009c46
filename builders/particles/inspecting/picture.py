"""What a table looks like: histograms, and boxes of the first micrographs, on one sheet."""

import io
import logging
from collections.abc import Sequence

from PIL import Image

from builders.archive.named.finding import Stage, find
from builders.errors import PercError
from builders.io.tables.particle_table import ParticleTable
from builders.particles.inspecting import charts
from builders.particles.pictures import boxes_sheet, first_micrographs
from builders.particles.rows import coded, files_of

logger = logging.getLogger(__name__)

_GAP = 12


def picture_of(table: ParticleTable, stages: Sequence[Stage]) -> bytes | None:
    """A table's picture, as a PNG; None where there is nothing to draw.

    Args:
        table: the table.
        stages: where its micrographs are looked for; what cannot be found or read is said, and not drawn.
    """
    sheets = []
    if panels := charts.histograms(table.rows):
        sheets.append(charts.draw(panels))
    try:
        if (boxes := _boxes(table, stages)) is not None:
            sheets.append(boxes)
    except PercError as err:
        logger.warning("no boxes of micrographs are drawn: %s", err)
    return _png(sheets) if sheets else None


def _boxes(table: ParticleTable, stages: Sequence[Stage]) -> Image.Image | None:
    """Boxes of the first micrographs, if the table has coordinates and some of its micrographs are there."""
    rows = table.rows
    if len(rows) in (rows["micrograph"].null_count, rows["coordinate_x"].null_count, rows["coordinate_y"].null_count):
        return None
    names, _ = coded(rows["micrograph"])
    found = find(names, stages, table.name)
    which, _ = files_of(rows["micrograph"], names, found)
    micrographs = first_micrographs(table, which, found.files)
    return boxes_sheet(micrographs) if micrographs else None


def _png(sheets: Sequence[Image.Image]) -> bytes:
    """Sheets below each other as a PNG: the same bytes for the same sheets."""
    width = max(sheet.width for sheet in sheets)
    whole = Image.new("RGB", (width, sum(sheet.height for sheet in sheets) + _GAP * (len(sheets) - 1)), "white")
    top = 0
    for sheet in sheets:
        whole.paste(sheet.convert("RGB"), (0, top))
        top += sheet.height + _GAP
    buffer = io.BytesIO()
    whole.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
