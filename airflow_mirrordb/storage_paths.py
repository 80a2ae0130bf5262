"""Paths of files on disks and storages; light, for operators and hook."""

from __future__ import annotations

#: Characters that are lost from a path on its way (WHATWG URL, "basic URL parser", as urllib does it).
_LOST = "\t\r\n"


def fault_of(path: object) -> str:
    """Return why a path is none of one file, wherever a task runs; "" if it is."""
    if not isinstance(path, str) or not _names_file(path):
        return f"names no file: {_reason(path)}, as '/data/users.csv' or 's3://conn_id@bucket/key'"
    scheme, has_scheme, _ = path.partition("://")
    if any(character in path for character in _LOST):
        return "has a tab or a line break, which would be lost from the name"
    if has_scheme and "::" in path:
        return "has '::', which fsspec takes for the end of a name; give the file another one"
    if path[-1] in "?#":
        return f"ends with {path[-1]!r}, which would be lost from the name"
    return "begins with a blank" if scheme[:1].isspace() else ""


def key_of(path: str) -> str:
    """Return what the path within a storage ends with, from a slash on."""
    _, has_scheme, place = path.partition("://")
    return f"/{place.partition('/')[2]}" if has_scheme else path


def _reason(path: object) -> str:
    """Return why a path names no file."""
    if not isinstance(path, str):
        return "it is no text"
    scheme, has_scheme, _ = path.partition(":/")
    if path.endswith("/") and (path.startswith("/") or "://" in path):
        return "it is that of a folder; give the whole path of a file"
    if has_scheme and "://" not in path:
        return f"a storage has two slashes, '{scheme}://'; give the whole path"
    if has_scheme:
        return "it is that of a bucket alone; give the whole path"
    if path.startswith("~"):
        return "'~' is not looked up, since each worker has another home; give the whole path"
    return "give the whole path, since each worker runs in another folder"


def _names_file(path: str) -> bool:
    _, has_scheme, place = path.partition("://")
    # else it is a bucket alone, or relative to where a worker or the triggerer happens to run
    return not path.endswith("/") and ("/" in place if has_scheme else path.startswith("/"))
