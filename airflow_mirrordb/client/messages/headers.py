"""What a header may be called and hold, and which ones a caller may not set."""

from __future__ import annotations

import re

#: Header names as RFC 9110, section 5.6.2 defines tokens.
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: What RFC 9110, section 5.5 keeps out of header values: line breaks would start a header of their own.
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
#: Headers that the client writes itself, or that would change what HTTP message is sent.
RESERVED_HEADERS = frozenset(
    {
        "authorization",
        "connection",
        "content-length",
        "cookie",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
#: Headers by which some backends take a request for another one than the registry allowed.
OVERRIDES = frozenset(
    {
        "x-http-method",
        "x-http-method-override",
        "x-method-override",
        "x-original-url",
        "x-rewrite-url",
    }
)
#: By which a read says what its sender has, as :func:`header_key` returns them; 304 answers no other one
#: (RFC 9110, section 15.4.5).
CONDITIONS_OF_READS = ("if-none-match", "if-modified-since")
#: Which hold entity tags (RFC 9110, section 13.1), as :func:`header_key` returns them.
CONDITIONS_BY_TAG = ("if-match", "if-none-match")


def header_key(name: str) -> str:
    """Return what a header's name is compared by: CGI and its heirs read ``X_API_Key`` as ``X-API-Key``."""
    return name.lower().replace("_", "-")
