"""Arrays of Zarr written by hand: plain chunks, so that tests of other things need no library."""

import itertools
import json
from pathlib import Path

import numpy as np


def write(folder, pixels, chunk, *, version=2, separator="/", leave_out=(), fill=0, encode=None, **more):
    """Write an array as uncompressed chunks (or those that `encode` makes of them); gives its metadata file."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for number in itertools.product(*(range(-(-n // c)) for n, c in zip(pixels.shape, chunk, strict=True))):
        full = np.full(chunk, fill, pixels.dtype)
        part = pixels[tuple(slice(n * c, (n + 1) * c) for n, c in zip(number, chunk, strict=True))]
        full[tuple(slice(n) for n in part.shape)] = part
        name = separator.join(map(str, number))
        path = folder / name if version == 2 else folder / f"c{separator}{name}"
        if number not in leave_out:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(full.tobytes() if encode is None else encode(full))
    if version == 2:
        told = {"zarr_format": 2, "shape": pixels.shape, "chunks": chunk, "dtype": pixels.dtype.str, "order": "C"}
        told |= {"compressor": None, "filters": None, "fill_value": fill, "dimension_separator": separator}
    else:
        endian = {"endian": "big" if pixels.dtype.str[0] == ">" else "little"}
        told = {"zarr_format": 3, "node_type": "array", "shape": pixels.shape, "data_type": pixels.dtype.name}
        told |= {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk}}, "fill_value": fill}
        told |= {"chunk_key_encoding": {"name": "default", "configuration": {"separator": separator}}}
        told |= {"codecs": [{"name": "bytes", "configuration": endian}]}
    path = folder / (".zarray" if version == 2 else "zarr.json")
    path.write_text(json.dumps(told | more))
    return str(path)


def multiscale(scales, translations=None, *, unit="angstrom", axes="zyx", names=None, **more):
    """The metadata of an image of OME-Zarr: `scales` of its levels along all axes."""
    kinds = {"t": {"type": "time"}, "c": {"type": "channel"}}
    spelled = [{"name": a, **kinds.get(a, {"type": "space", **({"unit": unit} if unit else {})})} for a in axes]
    levels = []
    for number, scale in enumerate(scales):
        steps = [{"type": "scale", "scale": list(scale)}]
        if translations and translations[number] is not None:
            steps.append({"type": "translation", "translation": list(translations[number])})
        levels.append({"path": names[number] if names else str(number), "coordinateTransformations": steps})
    return {"multiscales": [{"version": "0.4", "axes": spelled, "datasets": levels, **more}]}
