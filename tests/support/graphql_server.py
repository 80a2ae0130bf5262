"""A GraphQL server with pages as Relay's specification has them, run by the library graphql-core.

https://graphql.github.io/graphql-over-http/draft/ says how it answers, and
https://relay.dev/graphql/connections.htm how its pages go on.
"""

from __future__ import annotations

import base64
from typing import Any

from aiohttp import web
from graphql import GraphQLError, build_schema, graphql_sync

SCHEMA = build_schema(
    """
    type Query { orders(first: Int!, after: String): OrderConnection!, order(id: ID!): Order, broken: Order }
    type Mutation { cancel(id: ID!): Order }
    type OrderConnection { edges: [OrderEdge!]!, pageInfo: PageInfo!, totalCount: Int! }
    type OrderEdge { node: Order!, cursor: String! }
    type PageInfo { hasNextPage: Boolean!, endCursor: String }
    type Order { id: ID!, total: Int! }
    """
)


class _Root:
    """What the schema's fields resolve to."""

    def __init__(self, records: list[dict[str, Any]]) -> None:
        self._records = records

    def orders(self, _info: Any, first: int, after: str | None = None) -> dict[str, Any]:
        begin = 0 if after is None else int(base64.b64decode(after)) + 1
        found = self._records[begin : begin + first]
        edges = [
            {"node": record, "cursor": base64.b64encode(str(number).encode()).decode()}
            for number, record in enumerate(found, start=begin)
        ]
        return {
            "edges": edges,
            "pageInfo": {
                "hasNextPage": begin + first < len(self._records),
                "endCursor": edges[-1]["cursor"] if edges else None,
            },
            "totalCount": len(self._records),
        }

    def order(self, _info: Any, id: str) -> dict[str, Any] | None:  # noqa: A002  # GraphQL's own name
        return next((record for record in self._records if record["id"] == id), None)

    def broken(self, _info: Any) -> None:
        raise GraphQLError("The warehouse does not answer", extensions={"code": "UNAVAILABLE"})


def graphql_app(records: list[dict[str, Any]], path: str = "/graphql") -> tuple[web.Application, list[Any]]:
    """Return an application, and the list that it writes the body of each request to."""
    asked: list[Any] = []

    async def answer(request: web.Request) -> web.Response:
        body = await request.json()
        asked.append(body)
        result = graphql_sync(
            SCHEMA, body["query"], root_value=_Root(records), variable_values=body.get("variables")
        )
        return web.json_response(result.formatted)  # 200, be there errors or not

    app = web.Application()
    app.router.add_post(path, answer)
    return app, asked
