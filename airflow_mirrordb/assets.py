"""Assets of a backend: ``mirrordb://conn_id/api/users/7`` is what a connection and an endpoint lead to.

``mirrordb://conn_id/`` is the base URL itself, which is an endpoint of some backends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote, urlsplit

from airflow.providers.common.compat.sdk import Asset

from airflow_mirrordb.client.endpoints.paths import BASE_URL, decode_endpoint, quote_path

if TYPE_CHECKING:
    from airflow.providers.common.compat.openlineage.facet import Dataset as OpenLineageDataset


def create_asset(*, conn_id: str, endpoint: str, extra: dict[str, Any] | None = None) -> Asset:
    """Return the asset of an endpoint, in whichever way it is written.

    :raises ValueError: if it is no endpoint
    """
    try:
        path = quote_path(decode_endpoint(endpoint))
    except ValueError as error:
        raise ValueError(f"endpoint: {endpoint!r}: {error}") from None
    return Asset(uri=f"mirrordb://{quote(conn_id, safe='')}/{path}", extra=extra or {})


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Airflow asks this of each ``mirrordb`` URI.

    :raises ValueError: if it does not name a connection, or more than that and an endpoint
    """
    if not uri.netloc or "@" in uri.netloc or uri.query:
        raise ValueError(
            "an asset of MirrorDB is a connection and an endpoint, as mirrordb://mirrordb_default/api/users,"
            f" not {uri._replace(netloc=uri.netloc.rpartition('@')[2]).geturl()}"
        )
    return uri


def convert_asset_to_openlineage(asset: Asset, lineage_context: object) -> OpenLineageDataset:
    """Return what OpenLineage calls the same: a namespace for the connection, in it the endpoint."""
    from airflow.providers.common.compat.openlineage.facet import Dataset as OpenLineageDataset

    uri = urlsplit(asset.uri)
    return OpenLineageDataset(namespace=f"{uri.scheme}://{uri.netloc}", name=uri.path.lstrip("/") or BASE_URL)
