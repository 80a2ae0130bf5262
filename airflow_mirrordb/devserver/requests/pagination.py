"""Pages of a list: ``?limit=&offset=`` in, a link to the next page out (RFC 8288)."""

import re
from dataclasses import dataclass

from yarl import URL

from airflow_mirrordb.devserver.answer import RefusedError

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A window on a list.

    :param limit: records at most, 1 to 1000
    :param offset: records skipped
    """

    limit: int
    offset: int

    @classmethod
    def from_url(cls, url: URL) -> "Page":
        """Read the page from the URL's query.

        :raises RefusedError: 422
        """
        limit, offset = _number(url, "limit", DEFAULT_LIMIT), _number(url, "offset", 0)
        if not 1 <= limit <= MAX_LIMIT:
            raise RefusedError(422, f"limit must be 1 to {MAX_LIMIT}")
        return cls(limit=limit, offset=offset)

    def headers(self, url: URL, total: int) -> dict[str, str]:
        """Return the headers that lead through the list.

        :param url: of this page; the link keeps its path and its other query parameters
        :param total: records on all pages together
        """
        headers = {"X-Total-Count": str(total)}
        following = self.offset + self.limit
        if following < total:
            target = url.update_query(limit=self.limit, offset=following).raw_path_qs
            headers["Link"] = f'<{target}>; rel="next"'
        return headers


def _number(url: URL, name: str, default: int) -> int:
    text = url.query.get(name)
    if text is None:
        return default
    if not re.fullmatch("[0-9]{1,18}", text):  # SQLite's integers have 18 digits and a bit
        raise RefusedError(422, f"{name} must be a whole number, 0 or more")
    return int(text)
