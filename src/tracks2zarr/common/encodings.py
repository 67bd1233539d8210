"""Tells what a file is that should be text in UTF-8 and is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

#: Where a crash has left a file's size and not its content, there are zeros; fewer are a typo.
HOLE = bytes(16)
UTF8_MARK = b"\xef\xbb\xbf"
#: The marks at the start of other encodings; those of UTF-32 begin as those of UTF-16 do.
_MARKS: Mapping[bytes, str] = {
    b"\xff\xfe\x00\x00": "UTF-32 (little-endian)",
    b"\x00\x00\xfe\xff": "UTF-32 (big-endian)",
    b"\xff\xfe": "UTF-16 (little-endian)",
    b"\xfe\xff": "UTF-16 (big-endian)",
}
#: How files begin that are no text.
_NO_TEXT: Mapping[bytes, str] = {
    b"PK\x03\x04": "an Excel workbook (.xlsx), or another ZIP archive",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an Excel workbook (.xls)",
    b"BZh": "a file compressed with bzip2",
    b"\xfd7zXZ\x00": "a file compressed with xz",
    b"{\\rtf": "a document in rich text (RTF)",
    b"<": "a page in HTML or XML",
}
#: Between the ASCII letters at the start of a text, UTF-16 has zeros.
_LETTERS = 8
_SEPARATORS: Mapping[str, str] = {";": "semicolons", "\t": "tabs", "|": "bars"}
_LATIN1 = "Latin-1 (ISO 8859-1) or Windows-1252"

SAVE_AS_UTF8 = (
    "Save it as CSV in UTF-8: in Excel, as 'CSV UTF-8 (Comma delimited)'; in an editor, with"
    " the encoding UTF-8."
)


def no_text(start: bytes) -> str | None:
    """Return what a file is that is no text, by how it begins; None where it may be text."""
    text = start.removeprefix(UTF8_MARK)
    return next((name for magic, name in _NO_TEXT.items() if text.startswith(magic)), None)


def wide_encoding(start: bytes) -> str | None:
    """Return UTF-16 or UTF-32 by how a file begins; None for other encodings.

    >>> wide_encoding("filename".encode("utf-16-be")), wide_encoding(b"filename")
    ('UTF-16 (big-endian)', None)
    """
    for mark, name in _MARKS.items():
        if start.startswith(mark):
            return name
    even, odd = start[: 2 * _LETTERS : 2], start[1 : 2 * _LETTERS : 2]
    if len(odd) == _LETTERS:
        if not any(odd) and all(even):
            return "UTF-16 (little-endian)"
        if not any(even) and all(odd):
            return "UTF-16 (big-endian)"
    return None


def place_of_no_utf8(data: bytes, *, is_all: bool = True) -> int | None:
    """Return where the first byte is that is not UTF-8; None where all are.

    Parameters
    ----------
    data
        The first bytes of a text.
    is_all
        Whether nothing follows; else a character may be cut off.
    """
    try:
        data.decode()
    except UnicodeDecodeError as error:
        is_cut = error.reason == "unexpected end of data" and not is_all
        return None if is_cut else error.start
    return None


def byte_found(row: bytes, place: int) -> str:
    """Return what a byte that is not UTF-8 is, and in which encoding it would be a letter.

    >>> byte_found("frame_ä".encode("latin-1"), 6)
    "byte 0xe4 at position 7 of the row, which is 'ä' in Latin-1 (ISO 8859-1) or Windows-1252"
    """
    byte = row[place : place + 1]
    codec, name = likely_encoding(byte)
    letter = byte.decode(codec, errors="replace")
    found = f"byte 0x{byte[0]:02x} at position {place + 1} of the row"
    return f"{found}, which is '{letter}' in {name}" if letter.isprintable() else found


def likely_encoding(byte: bytes) -> tuple[str, str]:
    r"""Return the codec and the name of the likely encoding of a byte that is not ASCII.

    >>> likely_encoding(b"\x8a")[1], likely_encoding(b"\x93")[1]
    ('Mac Roman', 'Windows-1252')
    """
    if byte[0] >= 0xA0:  # Latin-1 has no letters below
        return "cp1252", _LATIN1
    # there, Windows has quotes, dashes and rare letters, Mac Roman the letters with accents
    in_windows = byte.decode("cp1252", errors="replace")
    if in_windows.isprintable() and in_windows != "\ufffd" and not in_windows.isalpha():
        return "cp1252", "Windows-1252"
    return "mac_roman", "Mac Roman"


def other_separator(header: Sequence[str]) -> tuple[str, str] | None:
    """Return what separates a header in place of commas, and its name; None where commas do.

    Parameters
    ----------
    header
        The first row, split at commas.
    """
    if len(header) != 1:
        return None
    return next((pair for pair in _SEPARATORS.items() if pair[0] in header[0]), None)


def row_at(content: bytes, place: int) -> tuple[int, int]:
    """Return the number of the line that a byte is in, and the bytes before it in this line."""
    before = content[:place].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return before.count(b"\n") + 1, len(before) - before.rfind(b"\n") - 1
