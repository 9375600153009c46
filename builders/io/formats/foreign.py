"""What a file is that is not what was expected, by its first bytes: for errors, in words."""

MRC = "an MRC file of images"
_TAR = slice(257, 262)
_MRC = slice(208, 212)
_BEGINNINGS = (
    (b"version https://git-lfs.github.com/spec/", "a pointer of Git LFS, not the file: `git lfs pull` brings that"),
    (b"\x1f\x8b", "compressed by gzip: unpack it first"),
    (b"BZh", "compressed by bzip2: unpack it first"),
    (b"\xfd7zXZ\x00", "compressed by xz: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd: unpack it first"),
    (b"\x04\x22\x4d\x18", "compressed by LZ4: unpack it first"),
    (b"PK\x03\x04", "a zip archive: unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it first"),
    (b"Rar!\x1a\x07", "a RAR archive: unpack it first"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"CDF\x01", "a NetCDF file"),
    (b"CDF\x02", "a NetCDF file"),
    (b"\x89PNG", "a picture (PNG)"),
    (b"\xff\xd8\xff", "a picture (JPEG)"),
    (b"GIF8", "a picture (GIF)"),
    (b"RIFF", "a RIFF file, as WebP and AVI are"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "a picture (JPEG 2000)"),
    (b"%PDF", "a PDF"),
    (b"%!PS", "a PostScript file"),
    (b"SQLite format 3\x00", "a database of SQLite"),
    (b"II*\x00", "a TIFF file"),
    (b"MM\x00*", "a TIFF file"),
    (b"II+\x00", "a BigTIFF file"),
    (b"MM\x00+", "a BigTIFF file"),
    (b"SIMPLE  =", "a FITS file"),
    (b"IMODV1.2", "a model of IMOD"),
    (b"\x95CSDAT", "a table of CryoSPARC"),
    (b"\x80\x02", "a pickle, which is never loaded"),
    (b"\x80\x03", "a pickle, which is never loaded"),
    (b"\x80\x04", "a pickle, which is never loaded"),
    (b"\x80\x05", "a pickle, which is never loaded"),
    (b"\xff\xfe", "text in UTF-16: save it in UTF-8"),
    (b"\xfe\xff", "text in UTF-16: save it in UTF-8"),
)
_TEXTS = (
    (b"<!doctype html", "an HTML page, as servers give it in place of a file"),
    (b"<html", "an HTML page, as servers give it in place of a file"),
    (b"<?xml", "an XML file"),
    (b"<", "an XML file or an HTML page"),
    (b"{", "a JSON file"),
)
_PRINTABLE = frozenset(range(32, 127)) | frozenset(b"\t\r\n\f")


def told(head: bytes) -> str | None:
    r"""What a file that begins so is; None where its first bytes are those of nothing known.

    Args:
        head: the first bytes, 512 or more unless there are fewer.

    Example:
        >>> told(b"PK\x03\x04..."), told(b"\n<!DOCTYPE html>"), told(bytes(range(99)))
        ('a zip archive: unpack it first', 'an HTML page, as servers give it in place of a file', None)
    """
    if not head.strip():
        return "a file of nothing but blanks" if head else "an empty file"
    if head[_MRC] == b"MAP ":
        return MRC
    for beginning, said in _BEGINNINGS:
        if head.startswith(beginning):
            return said
    if head[_TAR] == b"ustar":
        return "a tar archive: unpack it first"
    text = head.lstrip().lower()
    return next((said for beginning, said in _TEXTS if text.startswith(beginning)), None)


def is_text(head: bytes) -> bool:
    r"""Whether bytes are plain text, all of them.

    Example:
        >>> is_text(b"PixelSpacing = 1.06\r\n"), is_text(bytes(4))
        (True, False)
    """
    return bool(head) and _PRINTABLE.issuperset(head)
