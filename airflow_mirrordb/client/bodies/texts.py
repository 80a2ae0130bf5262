"""From a body to text, in the charset that it is in. Pure; no I/O."""

from __future__ import annotations

import codecs
import re

#: Only what stands for text, and is decoded in linear time: codecs of Python's own could take hours.
_CHARSETS = re.compile(
    r"utf-(?:8|16|32)(?:-[a-z]{2})?|ascii|iso8859-\d+|cp(?:125\d|437|850|932|949|950)|koi8-[ru]"
    r"|shift_jis|euc_(?:jp|kr)|gb(?:2312|k|18030)|big5"
)
_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([A-Za-z0-9._:-]{1,40})", re.IGNORECASE)
_NO_TEXT = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")  # less tabs, line breaks, form feeds and escapes


def text_from(body: bytes, content_type: str) -> str | None:
    """Return the text that a body holds; None if it is none, as an image or an archive.

    It is read in the charset that its content type names, or in UTF-8; what cannot be decoded becomes
    U+FFFD. A body with control characters that no text has is not text.
    """
    text = body.decode(_charset(content_type), errors="replace")
    return None if _NO_TEXT.search(text) else text


def in_utf8(body: bytes, content_type: str, errors: str = "strict") -> bytes:
    """Return a body in UTF-8, where its content type names another charset, in which it is.

    JSON has to be in UTF-8 (RFC 8259, section 8.1), but some servers send it in another charset, and say so.
    What is in UTF-16 or UTF-32 stays so: its first bytes tell which.

    :param errors: ``replace`` for a body that was cut, maybe within a character
    """
    if body.isascii() or (charset := _charset(content_type)).startswith("utf"):
        return body
    try:
        return body.decode(charset, errors).encode()
    except UnicodeDecodeError:
        return body


def _charset(content_type: str) -> str:
    declared = _CHARSET.search(content_type)
    try:
        name = codecs.lookup(declared[1]).name if declared else ""
    except LookupError:
        name = ""
    return name if _CHARSETS.fullmatch(name) and name != "utf-8" else "utf-8-sig"
