"""Which requests the registry allows, and that nothing else gets through."""

from __future__ import annotations

import string
import unicodedata
from urllib.parse import unquote

import pytest
from hypothesis import assume, example, given, strategies as st

from airflow_mirrordb.client import ConfigError, EndpointNotAllowedError, EndpointRegistry
from airflow_mirrordb.client.endpoints.paths import decode_endpoint
from airflow_mirrordb.client.endpoints.patterns import METHODS, parse_pattern

PREDEFINED = EndpointRegistry()
SAFE_CHARACTERS = frozenset(string.ascii_letters + string.digits + "-._~!$&'()*,=:@%/")
UUID = "0b1e6f2a-1c0e-4d51-9a55-2f6c0a9d7e11"


def allowed_methods(registry: EndpointRegistry, endpoint: str) -> set[str]:
    allowed: set[str] = set()
    for method in METHODS:
        try:
            registry.path_for(method, endpoint)
        except EndpointNotAllowedError:
            continue
        allowed.add(method)
    return allowed


def refusal(registry: EndpointRegistry, method: str, endpoint: str) -> EndpointNotAllowedError:
    with pytest.raises(EndpointNotAllowedError) as caught:
        registry.path_for(method, endpoint)
    return caught.value


COLLECTION = {"GET", "POST"}
ITEM = {"GET", "PUT", "PATCH", "DELETE"}


@pytest.mark.parametrize(
    ("pattern", "endpoint", "methods"),
    [
        ("api/users", "api/users", COLLECTION),
        ("api/users", "api/users/7", ITEM),
        ("api/users", "api/users/a@b.c", ITEM),
        ("api/users", "api/users/a%20b", ITEM),
        ("api/users", "api/users/7/orders", COLLECTION),
        ("api/users", "api/users/7/orders/3", set()),
        ("api/users", "api/posts", set()),
        ("api/users", "api", set()),
        ("api/users", "api/Users", set()),
        ("api/v1/users", "api/v1/users", COLLECTION),
        ("users", "users", COLLECTION),
        ("api/users/{id}", "api/users/7", ITEM),
        ("api/users/{id}", "api/users", set()),
        ("api/users/{id}", "api/users/7/orders", set()),
        ("api/users/{id:int}", "api/users/007", ITEM),
        ("api/users/{id:int}", "api/users/-7", set()),
        ("api/users/{id:int}", "api/users/7a", set()),
        ("api/users/{id:int}", "api/users/٣", set()),  # a digit, but not ASCII's
        ("api/users/{id:uuid}", f"api/users/{UUID}", ITEM),
        ("api/users/{id:uuid}", f"api/users/{UUID.upper()}", ITEM),
        ("api/users/{id:uuid}", f"api/users/{UUID.replace('-', '')}", set()),
        ("api/users/{id:uuid}", f"api/users/{{{UUID}}}", set()),
        ("api/users/{id:str}", "api/users/7", ITEM),
        ("files/{path:path}", "files/a", ITEM),
        ("files/{path:path}", "files/a/b/c", ITEM),
        ("files/{path:path}", "files", set()),
        ("api/{tenant}/users", "api/acme/users/7", ITEM),
        ("api/{tenant}/users", "api/acme/posts/7", set()),
        ("DELETE api/cache", "api/cache", {"DELETE"}),
        ("delete   api/cache", "api/cache", {"DELETE"}),
        ("DELETE api/cache", "api/cache/7", set()),
        ("GET api/audit/{id}", "api/audit/7", {"GET"}),
        ("PUT files/{path:path}", "files/a/b", {"PUT"}),
        ("api/caf%C3%A9", "api/café", COLLECTION),
        ("api/café", "api/caf%c3%a9", COLLECTION),
    ],
)
def test_a_pattern_allows_exactly_its_methods(pattern: str, endpoint: str, methods: set[str]) -> None:
    """The table of DESIGN section 4: what a declared pattern allows on an endpoint."""
    assert allowed_methods(EndpointRegistry(declared=(pattern,)), endpoint) == methods


@pytest.mark.parametrize(
    ("endpoint", "methods"),
    [
        ("api/users", COLLECTION),
        ("api/users/a-b_7", ITEM),
        ("api/users/7/orders", COLLECTION),
        ("api/users/7/orders/3", set()),
        ("api/users/a.b", set()),
        ("api/users/a@b", set()),
        ("api/us%65rs", COLLECTION),
        ("api/ünï", set()),
        ("api", set()),
        ("other/users", set()),
        ("api/v1/users", set()),
        ("api/V12/users/3", set()),
        ("api/v1", set()),
        ("api/vans/3", ITEM),
    ],
)
def test_without_patterns_any_plain_resource_is_allowed(endpoint: str, methods: set[str]) -> None:
    """The predefined patterns hold for plain segments under api/, and a version is no resource."""
    assert allowed_methods(PREDEFINED, endpoint) == methods


def test_declared_patterns_replace_the_predefined_ones_and_added_ones_join_them() -> None:
    """An `endpoints` extra replaces what is predefined; a pattern of the run time adds to either."""
    declared = EndpointRegistry(declared=("api/users",))
    assert declared.patterns == ("api/users",)
    assert allowed_methods(declared, "api/posts") == set()
    added = declared.with_pattern("api/posts")
    assert added.patterns == ("api/users", "api/posts")
    assert allowed_methods(added, "api/posts") == COLLECTION
    assert declared.patterns == ("api/users",)  # the request that holds it keeps it
    assert PREDEFINED.with_pattern("x").patterns == (
        "api/{resource}",
        "api/{resource}/{id}",
        "api/{resource}/{id}/{sub}",
        "x",
    )
    assert allowed_methods(EndpointRegistry(declared=()), "api/users") == set()


@pytest.mark.parametrize(
    ("endpoint", "reason"),
    [
        ("", "it is empty; the base URL itself is '/'"),
        ("api/users/", "it ends with a slash, as before an empty id: write 'api/users' "),
        ("api//users", "an empty name between two slashes"),
        ("api/users//", "an empty name between two slashes"),
        ("/api/users", "without a leading slash"),
        ("//evil.example/api", "without a leading slash"),
        ("https://evil.example/api/users", "not a URL"),
        ("mailto:a@b", "not a URL"),
        ("user:pass@host/api", "not a URL"),
        ("api/users?x=1", "argument 'query'"),
        ("api/users#top", "'?' and '#'"),
        ("api/users\\7", "backslashes"),
        ("api/users%5C7", "percent-encoding"),
        ("api/users/%2f", "an empty name beside a slash in percent-encoding"),
        ("api/users%252f7", "percent-encoding"),
        ("api/users/100%", "'%25'"),
        ("api/users/%zz", "'%25'"),
        ("api/users/%ff", "UTF-8"),
        ("api/users/\ud800", "UTF-8"),
        ("api/users/a\r\nHost: evil", "control characters"),
        ("api/users/a%0d%0aHost", "control characters"),
        ("api/users/a%00", "control characters"),
        ("api/users/a%250d%250aHost", "control characters"),
        ("api/users/%25EF%25BC%258E%25EF%25BC%258E", "normalisation"),
        ("api/users/%" + "25" * 9 + "41", "more than 8 times over"),
        ("api/users/a\x7f", "control characters"),
        ("api/users/a\u2028b", "line breaks"),
        ("api/users/%E2%80%A8", "line breaks"),
        ("api/users/\uff0f", "normalisation (NFKC) turns a character of it into '/'"),  # fullwidth /
        ("api/users/\u2100", "into '/'"),  # a/c in one character
        ("api/users/\uff3cx", "into '\\\\'"),
        ("api/users/\uff052e", "into '%'"),
        ("api/users/a\ufe56b", "into '?'"),
        ("api/users/a\uff03b", "into '#'"),
        ("api/users/a\u037eb", "(NFKC) turns a character of it into ';'"),  # Greek question mark
        ("api/users/\u2025", "into '..'"),
        ("api/users/ 7", "white space"),
        ("api/users/7%20", "white space"),
        ("a" * 2049, "longer than 2,048"),
    ],
)
def test_a_malformed_endpoint_is_refused_with_its_reason(endpoint: str, reason: str) -> None:
    """Each malformed endpoint is refused even where every path is registered, and the error says why."""
    registry = EndpointRegistry(declared=("{all:path}", "POST {all:path}"))
    for method in METHODS:
        error = refusal(registry, method, endpoint)
        assert reason in error.reason
        assert error.reason in error.message
        assert error.pattern is None
        assert error.method == method


DOT_DOTS = [
    "..",
    ".",
    "%2e%2e",
    "%2E%2E",
    ".%2e",
    "%2e.",
    "%2e",
    "%252e%252e",
    ".%252E",
    "%25252e%25252e",
    "%25%32%65%25%32%65",
    "%%32%65%%32%65",
    "%252e%25%32%65",
    "\uff0e\uff0e",
    "%EF%BC%8E%EF%BC%8E",
    "\u2024\u2024",  # one dot leader
    "\u2025",  # two dot leader
    "..\\",
    "..%5c",
    "%2e%2e%5c",
    "..%2f",
    "..%252f",
    "..%c0%af",  # overlong UTF-8
    "%c0%ae%c0%ae",
    "..%00",
    "..%20",
    " ..",
    "..\t",
]


@pytest.mark.parametrize("dots", DOT_DOTS)
@pytest.mark.parametrize("around", ["api/users/{}/admin", "{}/admin", "api/users/{}", "api/users/{}x{}"])
def test_no_spelling_of_dot_dot_climbs(dots: str, around: str) -> None:
    """However '..' is spelled, nothing is sent that climbs out of a registered path."""
    registry = EndpointRegistry(declared=("{all:path}",))
    endpoint = around.format(dots, dots)
    try:
        path = registry.path_for("GET", endpoint)
    except EndpointNotAllowedError:
        return
    assert endpoint == f"api/users/{dots}x{dots}"  # '..x..' is a name like any other
    assert unquote(path) == unquote(endpoint)
    assert set(unicodedata.normalize("NFKC", unquote(dots))) == {"."}


@pytest.mark.parametrize("endpoint", [None, 7, b"api/users", ["api/users"]])
def test_an_endpoint_that_is_no_string_is_refused(endpoint: object) -> None:
    """A wrong type is refused like a wrong path, not with an AttributeError."""
    error = refusal(PREDEFINED, "GET", endpoint)  # type: ignore[arg-type]
    assert f"must be a string, not {type(endpoint).__name__}" in error.reason


@pytest.mark.parametrize(
    ("method", "endpoint", "pattern"),
    [
        ("GET", "files", "files"),
        ("POST", "v2/users", "v2/users"),
        ("GET", "v2/users/7", "v2/users"),
        ("DELETE", "v2/users/7", "v2/users"),
        ("DELETE", "v2/cache", "DELETE v2/cache"),
        ("PUT", "api/users", "PUT api/users"),
        ("DELETE", "api/users", "DELETE api/users"),
        ("POST", "api/users/7", "POST api/users/7"),
        ("GET", "x/a b", "x/a%20b"),
        ("GET", "api/users/%7Bid%7D/x/y", "api/users/%7Bid%7D/x/y"),
        ("GET", "a%3Ab/x", "a:b/x"),
        ("GET", "https%3Aa/x", "https%3Aa/x"),
    ],
)
def test_a_refusal_names_the_pattern_that_would_allow_it(method: str, endpoint: str, pattern: str) -> None:
    """The error says what to register, in the words that register_endpoint takes."""
    error = refusal(PREDEFINED, method, endpoint)
    assert error.pattern == pattern
    assert repr(pattern) in error.message


def test_a_method_that_is_not_registered_is_refused_with_those_that_are() -> None:
    """Where the path is known the reason names the methods it has."""
    assert refusal(PREDEFINED, "PUT", "api/users").reason == "PUT is not registered for it, only GET, POST"


@pytest.mark.parametrize("pattern", ["GET users", "get users", "POST users"])
def test_a_pattern_with_a_method_is_told_to_be_no_resource(pattern: str) -> None:
    """Who wrote one for a resource sees why its items are not allowed, in capitals or not."""
    reason = refusal(EndpointRegistry(declared=("orders", pattern)), "GET", "users/7").reason
    assert reason == f"no registered pattern matches it: {pattern!r} is that path alone, no item of it"
    other = refusal(EndpointRegistry(declared=(pattern,)), "GET", "orders/7").reason
    assert other == "no registered pattern matches it"


@pytest.mark.parametrize("method", METHODS)
def test_a_method_in_an_endpoint_is_told_and_not_to_be_registered(method: str) -> None:
    """Patterns may begin with one, and endpoints do not: registered, it would be a path of no backend."""
    refused = refusal(PREDEFINED, "GET", f"{method} api/users")
    assert refused.pattern is None
    assert refused.reason == "it begins with a method, which is none of its names: write 'api/users'"
    assert EndpointRegistry(declared=("{all:path}",)).path_for("GET", "GET started") == "GET%20started"


@pytest.mark.parametrize("endpoint", ["api/users/7,api/users/8", "api/users/7, api/users/8"])
def test_several_endpoints_in_one_text_are_told_to_be_a_list(endpoint: str) -> None:
    """Where each of them is allowed; a comma is a character of names as well (RFC 3986, section 3.3)."""
    refused = refusal(PREDEFINED, "DELETE", endpoint)
    assert refused.pattern is None
    assert refused.reason == "for several endpoints give a list, as ['api/users/7', 'api/users/8']"
    assert refusal(PREDEFINED, "DELETE", "api/users/7,8").pattern == "api/users"


def test_an_unknown_method_gets_no_suggestion() -> None:
    """No pattern can allow HEAD, so none is suggested."""
    assert refusal(PREDEFINED, "HEAD", "api/users").pattern is None


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("", "it is empty"),
        ("   ", "it is empty"),
        ("api/users/", "it ends with a slash, as before an empty id: write 'api/users' "),
        ("api/users/{id}/", "write 'api/users/{id}' "),
        ("api//users", "an empty name between two slashes"),
        ("/api/users", "leading slash"),
        ("api/../users", "'.' and '..'"),
        ("api/%2e%2e/users", "in percent-encoding"),
        ("https://h/api", "not a URL"),
        ("HEAD api/users", "'HEAD' is not one of the methods"),
        ("api users", "'api' is not one of the methods"),
        ("api/{id", "neither a literal nor a segment with one placeholder"),
        ("api/id}", "neither a literal nor a segment with one placeholder"),
        ("api/x{a}y{b}", "neither a literal nor a segment with one placeholder"),
        ("api/{id}}", "neither a literal nor a segment with one placeholder"),
        ("api/{a}{b}", "neither a literal nor a segment with one placeholder"),
        ("api/{}", "neither a literal nor a segment with one placeholder"),
        ("api/{7}", "neither a literal nor a segment with one placeholder"),
        ("api/{id:float}", "the kind 'float'"),
        ("api/{id:[a-z]+}", "neither a literal nor a segment with one placeholder"),
        ("files/{path:path}/x", "only stand at the end"),
        ("api/users?x", "'?'"),
        ("api/users\n", None),
        ("api/us\ners", "control characters"),
        (None, "must be a string"),
        (7, "must be a string"),
    ],
)
def test_a_malformed_pattern_is_a_config_error(pattern: str, reason: str | None) -> None:
    """A pattern that means nothing is refused when it is registered, with its text and the reason."""
    if reason is None:  # white space around it is taken off
        assert EndpointRegistry(declared=(pattern,)).patterns == (pattern,)
        return
    with pytest.raises(ConfigError) as caught:
        PREDEFINED.with_pattern(pattern)
    assert reason in caught.value.message
    assert repr(pattern) in caught.value.message
    assert caught.value.field == "endpoints"


def depths(segment: str) -> list[str]:
    """A segment, decoded as often as there is something to decode."""
    found = [segment]
    while (decoded := unquote(found[-1])) != found[-1]:
        found.append(decoded)
    return found


NASTY_PIECES = [
    *("api", "users", "7", "/", "/", ".", "..", "\uff0e", "%", "%2e", "%25", "%2f", "%5c", "\\", "2e"),
    *("é", "%C3%A9", ":", "?", "#", "@", ";", "+", "{id}", "~", "*", "%0a", " ", "\r\n", "\x00", "a" * 500),
]
NASTY = st.lists(st.sampled_from(NASTY_PIECES), max_size=12).map("".join)
REGISTRIES = [
    PREDEFINED,
    EndpointRegistry(declared=("{all:path}", "POST {all:path}")),
    EndpointRegistry(declared=("api/users/{id:int}", "api/{x}", "DELETE 7", "é/{n:uuid}")),
]


@given(st.text() | NASTY, st.sampled_from(METHODS), st.sampled_from(REGISTRIES))
@example("api/users/7", "GET", PREDEFINED)
@example("a%3Ab/%2541", "GET", REGISTRIES[1])
def test_whatever_is_allowed_is_safe(endpoint: str, method: str, registry: EndpointRegistry) -> None:
    """Any string is refused, or sent as a path of safe characters that still matches a rule."""
    try:
        path = registry.path_for(method, endpoint)
    except EndpointNotAllowedError:
        return
    assert set(path) <= SAFE_CHARACTERS
    decoded = unquote(path, errors="strict")
    assert any(method in rule.methods and rule.matches(decoded) for rule in registry._rules)
    for segment in path.split("/"):
        for stage in depths(segment):
            assert stage not in ("", ".", "..")
            assert "/" not in stage
            assert "\\" not in stage


@given(st.text(min_size=1) | NASTY | st.text("é€😀", min_size=100, max_size=2048), st.sampled_from(METHODS))
@example("a%3Ab", "GET")
@example("é" * 1000, "PUT")
@example("GET", "GET")
def test_the_suggested_pattern_allows_the_request(endpoint: str, method: str) -> None:
    """Who follows the advice of a refusal gets the request through."""
    try:
        PREDEFINED.path_for(method, endpoint)
    except EndpointNotAllowedError as error:
        assume(error.pattern is not None)
        PREDEFINED.with_pattern(str(error.pattern)).path_for(method, endpoint)


LITERALS = st.text("abcXYZ019-_.~é @!,", min_size=1, max_size=8).filter(
    lambda text: text == text.strip() and text not in (".", "..")
)
VALUES = {
    "str": LITERALS,
    "int": st.integers(min_value=0).map(str),
    "uuid": st.uuids().map(str),
    "path": st.lists(LITERALS, min_size=1, max_size=3).map("/".join),
}


@given(st.data())
def test_an_endpoint_made_from_a_pattern_has_exactly_its_methods(data: st.DataObject) -> None:
    """Literals and placeholders of every kind, with and without a method in front."""
    pattern_parts, endpoint_parts = [], []
    for number in range(data.draw(st.integers(1, 4), label="segments")):
        kind = data.draw(st.sampled_from(["literal", "str", "int", "uuid"]), label="kind")
        value = data.draw(VALUES.get(kind, LITERALS))
        pattern_parts.append(value.replace(" ", "%20") if kind == "literal" else f"{{p{number}:{kind}}}")
        endpoint_parts.append(value)
    if data.draw(st.booleans(), label="path at the end"):
        pattern_parts.append("{rest:path}")
        endpoint_parts.append(data.draw(VALUES["path"]))
    method = data.draw(st.sampled_from([None, *METHODS]), label="method")
    pattern = f"{method or ''} {'/'.join(pattern_parts)}".strip()
    by_kind = ITEM if "{" in pattern_parts[-1] else COLLECTION
    registry = EndpointRegistry(declared=(pattern,))
    assert allowed_methods(registry, "/".join(endpoint_parts)) == ({method} if method else by_kind)


@pytest.mark.parametrize("character", ["a", "/", "%", ".", "%25", "\x00", "\uff0e"])
def test_the_length_is_looked_at_before_anything_else(character: str) -> None:
    """A megabyte of whatever is refused for its length, so that nothing is decoded or matched."""
    endpoint = character * (2**20 // len(character))
    error = refusal(PREDEFINED, "GET", endpoint)
    assert error.reason == "it is longer than 2,048 characters"
    assert len(str(error)) < 1000


def test_the_longest_endpoint_passes() -> None:
    """2,048 characters are allowed."""
    assert decode_endpoint("a" * 2048) == "a" * 2048


@given(st.text() | NASTY)
def test_any_text_is_a_pattern_or_a_config_error(pattern: str) -> None:
    """No pattern makes the registry fail in another way, and one that is taken holds rules."""
    try:
        rules = parse_pattern(pattern)
    except ConfigError:
        return
    assert len(rules) in (1, 3)


@pytest.mark.parametrize(
    ("pattern", "ours"),
    [
        ("orders/:id", "orders/{id}"),
        ("GET orders/:id/items/:item_id", "orders/{id}/items/{item_id}"),
        ("orders/<id>", "orders/{id}"),
        ("orders/<int:id>", "orders/{id:int}"),
        ("orders/<string:id>", "orders/{id}"),
        ("files/<path:name>", "files/{name:path}"),
        ("orders/*", "orders/{name}"),
        ("files/**", "files/{name:path}"),
    ],
)
def test_a_placeholder_in_another_syntax_is_refused(pattern: str, ours: str) -> None:
    """Those of Express (``:id``), Flask (``<id>``) and of globs would be literals that nothing matches."""
    with pytest.raises(ConfigError, match="would be a literal") as caught:
        parse_pattern(pattern)
    assert caught.value.field == "endpoints"
    assert repr(ours) in caught.value.message
    parse_pattern(ours)


@pytest.mark.parametrize(
    "pattern", ["api/things:search", "api/things/{id}", "api/a*b", "api/%3Aid", "api/$batch"]
)
def test_what_only_looks_like_one_is_a_literal(pattern: str) -> None:
    """Custom methods as ``things:search`` (Google's AIP-136), and whatever is escaped."""
    parse_pattern(pattern)


def test_a_refusal_shows_what_is_registered() -> None:
    """The endpoint or the pattern has a slip of the pen: side by side it is seen."""
    assert (
        "registered: 'api/orders', 'GET api/audit/{id}'"
        in refusal(
            EndpointRegistry(declared=("api/orders", "GET api/audit/{id}")), "GET", "api/order/7"
        ).message
    )
    assert "registered: 'api/{resource}', " in refusal(PREDEFINED, "GET", "orders").message


def test_a_read_by_a_body_is_told_first_how_a_get_takes_its_parameters() -> None:
    """``HttpOperator`` takes the parameters of a GET as data; here the pattern would send a POST."""
    refused = refusal(EndpointRegistry(declared=("users",)), "QUERY", "users")
    assert refused.reason.startswith("data of a read is its body, and the parameters of a GET are 'query'")
    assert "as a POST; register 'QUERY users' to allow it" in refused.message


@pytest.mark.parametrize(
    ("of_connection", "where"),
    [(True, "in the extra 'endpoints'"), (False, "by register_endpoint(), or in the setting 'endpoints'")],
)
def test_a_refusal_says_where_patterns_are_registered(of_connection: bool, where: str) -> None:
    """A client alone has settings, no extras."""
    registry = EndpointRegistry(declared=("api/orders",), of_connection=of_connection)
    assert f"register 'users' to allow it, {where}; registered" in refusal(registry, "GET", "users").message


def test_a_refusal_shows_no_more_than_a_person_reads() -> None:
    """However many patterns there are, and however long."""
    many = EndpointRegistry(declared=tuple(f"api/{'x' * 1000}{number}" for number in range(1000)))
    message = refusal(many, "GET", "api/order").message
    assert "and 990 more" in message
    assert len(message) < 1000
