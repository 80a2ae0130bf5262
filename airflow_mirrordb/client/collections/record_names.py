"""What a request says, as a short text: the same in each try of a task, and in a list of any order. Pure."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections import Counter

from airflow_mirrordb.client.bodies.encoding import fingerprint
from airflow_mirrordb.client.messages.request import MirrorDBRequest

#: Length of a name in bytes: of a million records two have the same once in ten thousand million bulks.
NAME_BYTES = 9
#: Characters of a name; nine bytes need no padding.
NAME_LENGTH = 12


def content_of(request: MirrorDBRequest) -> str:
    """Return what tells requests apart that ask for something else: method, endpoint, query and body.

    :return: a SHA-256 of what is sent, as 64 hexadecimal digits
    :raises InvalidRequestError: if JSON cannot hold the query or the data; names it
    """
    said = {
        "method": request.method,
        "endpoint": request.endpoint,
        "query": request.query or None,
        "data": request.data,
    }
    files = {"files": request.files, "input_path": request.input_path}
    more = {"form": request.form, "content_type": request.content_type, "digest": request.digest}
    more |= {} if request.digest else files
    said |= {name: value for name, value in more.items() if value is not None}
    return fingerprint(said, place="")


class RecordNames:
    """Names the requests of a bulk by their content, so that in another order they have the same names.

    Of equal ones each has a name of its own, which tells how many came before it.
    """

    def __init__(self) -> None:
        self._seen = Counter[str]()

    def of(self, request: MirrorDBRequest) -> str:
        """Return the name of the next request, :data:`NAME_LENGTH` letters, digits, ``-`` and ``_``.

        :raises InvalidRequestError: as :func:`content_of`
        """
        content = content_of(request)
        digest = hashlib.sha256(f"{content} {self._seen[content]}".encode()).digest()
        self._seen[content] += 1
        return urlsafe_b64encode(digest[:NAME_BYTES]).decode()
