"""The page of known backends, made from the tables: ``python -m tests.zoo.backends_page`` writes it."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import airflow_mirrordb
from tests.zoo import apis
from tests.zoo.tables import KEY, Api, Documented, Job

PAGE: Final = Path(airflow_mirrordb.__file__).parent / "client" / "BACKENDS.md"
APIS: Final[list[Api]] = sorted(
    (
        importlib.import_module(f"{apis.__name__}.{module.name}").API
        for module in pkgutil.iter_modules(apis.__path__)
    ),
    key=lambda api: api.documented.name.lower(),
)
HEAD: Final = """# Known backends

What the connection of each needs, and how its collections are read. The tests hold it, extras alone: a \
server answers as the linked documentation says, and each row reads a collection whole, writes, meets an \
error and outlives a limit. None of these services was called. Another resource of the same backend needs \
its own pattern in `endpoints`. Arguments are JSON here; `…` is your key.

| backend | Host | Login and Password | extras | `paginate` | beside that |
|---|---|---|---|---|---|
"""


def page() -> str:
    """Return the text of the page."""
    return HEAD + "".join(f"| {' | '.join(_cells(api))} |\n" for api in APIS)


def _cells(api: Api) -> Iterator[str]:
    documented = api.documented
    yield f"[{documented.name}]({documented.documentation[0]})"
    yield f"`{api.host}`"
    yield _credentials(api.connection)
    yield _extras(api)
    yield "<br>".join(f"`{_code(_largest(one, documented))[1:-1]}`" for one in api.paginate)
    waited = [_waited_for(api.job)] if api.job else []
    yield "<br>".join([*api.notes, *waited, *(f"does not work: {text}" for text in api.does_not_work)])


def _largest(paginate: Mapping[str, Any], documented: Documented) -> Mapping[str, Any]:
    """Return how a collection is read, with the largest page that may be asked for."""
    sizes = [pages.max_size for pages in documented.collections if pages.param == paginate.get("param")]
    known = [size for size in sizes if size is not None]
    return {**paginate, "size": min(known, default=100)} if "size" in paginate else paginate


def _waited_for(job: Job) -> str:
    arguments = {"field": job.field, "equals": job.ready, "failed": list(job.failed)}
    return f"a sensor on `{job.endpoint}`: `{_code(arguments)[1:-1]}`"


def _credentials(connection: Mapping[str, Any]) -> str:
    given = [(name, connection[name]) for name in ("login", "password") if name in connection]
    return ", ".join(f"`{value.replace(KEY, '…')}`" for _, value in given) or "none"


def _extras(api: Api) -> str:
    split = urlsplit(api.host)
    text = _code(api.connection["extra"]).replace(KEY, "…")
    for name, real in {"$origin": f"{split.scheme}://{split.netloc}", **api.real}.items():
        text = text.replace(name, real)
    return f"`{text[1:-1]}`"


def _code(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page())
