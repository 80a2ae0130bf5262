"""The link from a task to its resource, a button in Airflow's UI.

Importing this module loads neither aiohttp nor the client, as importing the operators does not.
"""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperatorLink

from airflow_mirrordb.compat import keep_link, kept_link, link_when_deferred

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

KEY = "mirrordb_resource_url"


class MirrorDBResourceLink(BaseOperatorLink):
    """Leads to the URL that a task sends its request to, without the query; empty before it is known.

    For many requests it is the URL that all of theirs lie below, as that of their collection.

    There are no credentials in it: a base URL has none.
    """

    name = "Resource"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """Airflow 3 asks for it on the worker, when a task ends or is deferred; Airflow 2 in its UI."""
        url: str = getattr(operator, KEY, "") or kept_link(KEY, ti_key)
        return url


def link(task: Any, context: Context, url: str) -> None:
    """Let the task's link lead to a URL."""
    setattr(task, KEY, url)
    keep_link(KEY, url, context)


async def linked_when_deferred(ti: Any) -> str:
    """Return where the link of a deferred task leads, inside its trigger; empty if that is not known.

    :param ti: the task instance, as the triggerer gives it to a trigger
    """
    return await link_when_deferred(KEY, MirrorDBResourceLink.__name__, ti)


def shared_url(first: str, last: str) -> str:
    """Return the URL of the nearest resource that two lie below, or both are, without a query.

    Of many URLs that end in a slash, take the smallest and the largest: what these two begin with, all do.
    """
    names = zip(first.split("/"), last.split("/"), strict=False)
    return "/".join(name for name, _ in takewhile(lambda pair: pair[0] == pair[1], names))


class LinkedUrls:
    """The URLs of a task that sends whatever its author likes, for its link; of many only two are kept."""

    def __init__(self) -> None:
        self._first = self._last = ""

    def add(self, url: str) -> None:
        self._first = min(self._first or url, url)
        self._last = max(self._last, url)

    @property
    def shared(self) -> str:
        """The URL that all of them lie below, or are; empty if there are none."""
        return shared_url(self._first, self._last)


def keep_linked(task: Any) -> None:
    """Leave the link as it was before the task was deferred, of which this process knows nothing."""
    task.operator_extra_links = ()
