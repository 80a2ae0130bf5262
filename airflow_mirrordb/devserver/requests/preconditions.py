"""Entity tags and the conditions clients set on them (RFC 9110, sections 8.8.3 and 13.1)."""

from aiohttp import web

from airflow_mirrordb.devserver.answer import RefusedError
from airflow_mirrordb.devserver.store import Record


def entity_tag(record: Record) -> str:
    """Return the strong tag of this version; a record created again under an old id gets new tags."""
    return f'"{record.sequence}-{record.version}"'


def is_unchanged(request: web.Request, record: Record) -> bool:
    """True if the client of a GET holds this version: ``If-None-Match`` names it."""
    return _names(_listed_tags(request, "If-None-Match", weak=True), record)


def check_preconditions(request: web.Request, record: Record) -> None:
    """Pass if the conditions on a write hold.

    :raises RefusedError: 412
    """
    if "If-Match" in request.headers and not _names(_listed_tags(request, "If-Match", weak=False), record):
        raise RefusedError(412, "the record was changed since: If-Match does not name its ETag")
    if _names(_listed_tags(request, "If-None-Match", weak=True), record):
        raise RefusedError(412, "the record exists in a version that If-None-Match names")


def _names(tags: set[str], record: Record) -> bool:
    return tags == {"*"} or entity_tag(record) in tags


def _listed_tags(request: web.Request, header: str, *, weak: bool) -> set[str]:
    """Return the tags as written; our own have no comma, so a tag cut at one matches nothing.

    :param weak: compare weakly (RFC 9110, section 8.8.3.2): a tag marked as weak counts too
    """
    lines = request.headers.getall(header, [])
    tags = {tag.strip() for line in lines for tag in line.split(",")}
    return {tag.removeprefix("W/") for tag in tags} if weak else tags
