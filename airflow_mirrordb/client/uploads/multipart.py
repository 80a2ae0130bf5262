"""The frame of a multipart body (RFC 7578; RFC 2046, section 5.1). Pure.

The names of fields and files are written as browsers do (HTML Standard, "Multipart form data"): in UTF-8,
with three characters escaped. The writer of aiohttp escapes all but letters, which backends would store so.
"""

from __future__ import annotations

import mimetypes

OCTETS = "application/octet-stream"
_COMPRESSED = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}


def field_head(boundary: str, name: str) -> bytes:
    """Return what comes before the text of a field."""
    return f'--{boundary}\r\nContent-Disposition: form-data; name="{_escaped(name)}"\r\n\r\n'.encode()


def file_head(boundary: str, name: str, file_name: str, content_type: str) -> bytes:
    """Return what comes before the bytes of a file."""
    disposition = f'form-data; name="{_escaped(name)}"; filename="{_escaped(file_name)}"'
    head = f"--{boundary}\r\nContent-Disposition: {disposition}\r\nContent-Type: {content_type}\r\n\r\n"
    return head.encode()


def end(boundary: str) -> bytes:
    """Return what comes behind the last part."""
    return f"--{boundary}--\r\n".encode()


def content_type_of(file_name: str) -> str:
    """Return the media type of a file by its name (RFC 7578, section 4.4); may read a list of them."""
    guessed, encoding = mimetypes.guess_type(f"/{file_name}")
    if encoding is not None:
        return _COMPRESSED.get(encoding, OCTETS)
    return guessed or OCTETS


def _escaped(name: str) -> str:
    return name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
