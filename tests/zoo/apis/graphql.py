"""A GraphQL server with Relay's pages: one endpoint for all, which is the base URL; errors in a 200."""

from __future__ import annotations

from tests.zoo.tables import KEY, Answer, Api, Call, Documented, Exchange, Pages, fails

RECORDS = [{"id": f"gid://shop/Order/{number}"} for number in range(1, 8)]
QUERY = (
    "query($after: String) { orders(first: 3, after: $after)"
    " { edges { node { id } } pageInfo { hasNextPage endCursor } } }"
)
MUTATION = "mutation($id: ID!) { orderCancel(id: $id) { order { id } } }"
CANCELLED = {"data": {"orderCancel": {"order": {"id": "gid://shop/Order/1"}}}}
DOCUMENTED = Documented(
    name="GraphQL (Relay pages)",
    documentation=(
        "https://relay.dev/graphql/connections.htm",
        "https://graphql.org/learn/pagination/",
        "https://graphql.org/learn/serving-over-http/",
        "https://spec.graphql.org/October2021/#sec-Errors",
    ),
    base="/graphql",
    credentials={"Authorization": f"Bearer {KEY}"},
    refused=Answer(401, {"errors": [{"message": "Unauthorized"}]}),
    collections=[
        Pages(
            method="POST",
            path="",
            records=RECORDS,
            kind="token",
            place="body",
            param="variables.after",
            token="Y3Vyc29y{}=",
            size=3,
            sent={"query": QUERY},
            always_next=True,
            each={"node": "$record"},
            body={
                "data": {
                    "orders": {
                        "edges": "$records",
                        "pageInfo": {"hasNextPage": "$more", "endCursor": "$next"},
                    }
                }
            },
        )
    ],
    exchanges=[
        Exchange(
            "POST",
            "",
            sent={"query": MUTATION, "variables": {"id": "gid://shop/Order/1"}},
            answer=Answer(200, CANCELLED),
        ),
        Exchange(
            "POST",
            "",
            sent={"query": MUTATION, "variables": {"id": "gid://shop/Order/99"}},
            answer=Answer(
                200,
                {
                    "errors": [
                        {
                            "message": "Order does not exist",
                            "locations": [{"line": 1, "column": 28}],
                            "path": ["orderCancel"],
                        }
                    ],
                    "data": {"orderCancel": None},
                },
            ),
        ),
    ],
)


PAGES = {
    "style": "body",
    "next": "data.orders.pageInfo.endCursor",
    "more": "data.orders.pageInfo.hasNextPage",
    "param": "variables.after",
    "param_in": "body",
    "records": "data.orders.edges[].node",
}
API = Api(
    documented=DOCUMENTED,
    host="https://backend.example.com/graphql",
    connection={"password": KEY, "extra": {"endpoints": ["QUERY /", "POST /"], "error_path": "errors"}},
    paginate=[PAGES],
    calls=[
        Call("read all", "read", "/", {"paginate": PAGES, "data": {"query": QUERY}}, RECORDS, requests=3),
        Call(
            "a mutation",
            "create",
            "/",
            {"data": {"query": MUTATION, "variables": {"id": "gid://shop/Order/1"}}},
            CANCELLED,
        ),
        Call(
            "an error in words",
            "create",
            "/",
            {"data": {"query": MUTATION, "variables": {"id": "gid://shop/Order/99"}}},
            fails=fails("ResponseError", "Order does not exist"),
        ),
    ],
)
