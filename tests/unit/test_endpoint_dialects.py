"""Endpoints as real APIs have them: encoded slashes, custom methods, keys in brackets, names of any kind."""

from __future__ import annotations

import string
import sys
import unicodedata
from urllib.parse import unquote

import pytest
from hypothesis import given, strategies as st

from airflow_mirrordb.client import ConfigError, EndpointNotAllowedError, EndpointRegistry, MirrorDBConfig
from airflow_mirrordb.client.endpoints.paths import decode_endpoint
from airflow_mirrordb.client.endpoints.patterns import METHODS, Method, parse_pattern
from airflow_mirrordb.client.messages.request import MirrorDBRequest, prepare
from tests.unit.test_endpoints import COLLECTION, ITEM, allowed_methods, refusal

EVERYTHING = EndpointRegistry(declared=("{all:path}", "POST {all:path}"))


def sent(endpoint: str, *patterns: str, method: Method = "GET", base_url: str, **settings: object) -> str:
    """The URL that a request goes to."""
    config = MirrorDBConfig.model_validate({"base_url": base_url, "endpoints": patterns, **settings})
    request = MirrorDBRequest(method=method, endpoint=endpoint)
    wire = prepare(request, config, EndpointRegistry(declared=config.endpoints))
    return f"{wire.origin}{wire.target}"


# -- a segment that holds an encoded slash -------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "endpoint"),
    [
        ("projects/{id:quoted}", "projects/diaspora%2Fdiaspora"),
        ("projects/{id:quoted}", "projects/a%2Fb%2Fc"),
        ("projects/{id:quoted}", "projects/7"),
        ("projects/{id:quoted}/issues", "projects/diaspora%2Fdiaspora/issues"),
        (
            "GET projects/{id:quoted}/repository/files/{path:quoted}",
            "projects/a%2Fb/repository/files/src%2Fa b.py",
        ),
        ("GET projects/a%2Fb/issues", "projects/a%2Fb/issues"),
        ("GET Categories({id:quoted})", "Categories('Smartphone%2FTablet')"),
    ],
)
def test_a_quoted_segment_is_sent_as_it_is(pattern: str, endpoint: str) -> None:
    """GitLab's paths of projects and files, and OData's keys; never decoded, never encoded twice.

    https://docs.gitlab.com/api/rest/#namespaced-paths, and OData 4.01, part 2 (URL conventions), section 2.
    """
    url = sent(endpoint, pattern, base_url="https://gitlab.example.com/api/v4")
    assert url == "https://gitlab.example.com/api/v4/" + endpoint.replace(" ", "%20")


def test_hexadecimal_digits_are_written_in_one_way() -> None:
    """%2f is %2F (RFC 3986, section 6.2.2.1)."""
    assert sent("a/b%2fc", "a/{x:quoted}", base_url="https://h") == "https://h/a/b%2Fc"


@pytest.mark.parametrize(
    "name",
    [
        *("%2F", "%2Fa", "a%2F", "a%2F%2Fb", "%2Fetc%2Fpasswd"),
        *("a%2F..%2Fb", "..%2Fa", "a%2F..", "a%2F.", "%2E%2E%2Fa", "a%2F%2e%2e", "a%2F%2E", "..", "%2E%2E"),
        *("a%252Fb", "a%25252Fb", "a%252F..%252Fb", "a%252E%252E", "%25%32%46", "a%2F%252e%252e"),
        *("a%5Cb", "a%2F..%5Cb", "a%255Cb", "a\\b"),
        *("a%00b", "a%2Fb%0D%0A", "a%250d%250ab", "a%2F%E2%80%A8"),
        *("a%2F ..", "a%2F..%20", "a%20%2Fb", "a %2Fb"),
        *("a%2F\uff0e\uff0e", "a\uff0f..", "a%2F%EF%BC%8E%EF%BC%8E", "a%2F\u2025"),
        *("a%2", "a%2Fb%", "a%c0%afb", "a%2F%c0%ae", "a?b", "a#b"),
    ],
)
@pytest.mark.parametrize("around", ["{}", "{}/issues", "Orders('{}')", "{}:archive"])
def test_a_quoted_segment_hides_nothing(name: str, around: str) -> None:
    """Whoever decodes its slashes, once or more often, comes to names and to no way out of them."""
    registry = EndpointRegistry(
        declared=("GET p/{x:quoted}", "GET p/{x:quoted}/issues", "GET p/Orders('{x:quoted}')")
    )
    endpoint = f"p/{around.format(name)}"
    try:
        path = registry.path_for("GET", endpoint)
    except EndpointNotAllowedError:
        return
    assert around in ("Orders('{}')", "{}:archive")  # where a dot beside a mark is part of a name
    for reading in (unquote(path), unquote(unquote(path))):
        assert not {"", ".", ".."} & set(reading.split("/"))
        assert not set(reading) & set("\\\x00\r\n\u2028")


@pytest.mark.parametrize(
    "pattern", ["api/users", "api/{id}", "{all:path}", "api/users/{id:int}", "api/{id:uuid}"]
)
def test_no_other_placeholder_takes_an_encoded_slash(pattern: str) -> None:
    """An id from elsewhere must not turn one segment into two for a backend that decodes first."""
    registry = EndpointRegistry(declared=(pattern,))
    for endpoint in ("api/a%2Fb", "api/users/7%2Forders", "api/users/7/orders%2f8", "api%2Fusers"):
        assert allowed_methods(registry, endpoint) == set()
        error = refusal(registry, "GET", endpoint)
        assert "a slash in percent-encoding" in error.reason
        assert "{name:quoted}" in error.reason
        assert error.pattern is not None
        assert allowed_methods(registry.with_pattern(error.pattern), endpoint) == {"GET"}
        assert ":quoted}" in error.pattern


def test_a_quoted_segment_is_one_segment() -> None:
    """It takes no slash that separates segments."""
    registry = EndpointRegistry(declared=("projects/{id:quoted}",))
    assert allowed_methods(registry, "projects/a%2Fb") == ITEM
    assert allowed_methods(registry, "projects/a/b") == set()
    assert allowed_methods(registry, "projects") == set()


# -- the base URL itself -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base_url", "slash", "url"),
    [
        ("https://example.com/graphql", False, "https://example.com/graphql"),
        ("https://example.com/graphql/", False, "https://example.com/graphql"),
        ("https://example.com/graphql", True, "https://example.com/graphql/"),
        ("https://example.com", False, "https://example.com/"),
        ("https://example.com", True, "https://example.com/"),
    ],
)
def test_the_base_url_is_an_endpoint(base_url: str, slash: bool, url: str) -> None:
    """A GraphQL server has one URL for all it does (GraphQL over HTTP, section 3, "URL")."""
    assert sent("/", "POST /", method="POST", base_url=base_url, trailing_slash=slash) == url


@pytest.mark.parametrize("pattern", ["POST /", "post  /"])
def test_only_the_method_of_its_pattern_reaches_the_base_url(pattern: str) -> None:
    """And no other pattern does: an endpoint that lost its names must not become the whole backend."""
    assert allowed_methods(EndpointRegistry(declared=(pattern,)), "/") == {"POST"}
    assert allowed_methods(EndpointRegistry(declared=(pattern,)), "users") == set()
    for other in ("{all:path}", "users", "{id}", "DELETE {all:path}", "{id:quoted}", "x{id}"):
        assert allowed_methods(EndpointRegistry(declared=(other,)), "/") == set()
    assert refusal(EVERYTHING, "DELETE", "/").pattern == "DELETE /"


@pytest.mark.parametrize("endpoint", ["", "//", "///", " ", "/ ", "%2F", "/api", "api//", "/?", "/.", "./"])
def test_what_an_empty_id_leaves_behind_is_not_the_base_url(endpoint: str) -> None:
    """``api/users/{id}`` without its id, or without everything, is refused as ever."""
    registry = EndpointRegistry(declared=(*(f"{method} /" for method in METHODS), "{all:path}"))
    assert allowed_methods(registry, endpoint) == set()
    for method in METHODS:
        assert refusal(EndpointRegistry(declared=("api/users",)), method, "api/users/")


def test_an_empty_endpoint_is_told_how_the_base_url_is_written() -> None:
    """Who means it finds out."""
    assert "the base URL itself is '/'" in refusal(EVERYTHING, "GET", "").reason


def test_the_base_url_needs_a_method() -> None:
    """As a resource it would be the whole backend."""
    with pytest.raises(ConfigError, match="as 'POST /'"):
        parse_pattern("/")


@given(st.text("ab{}:idpathquoted/%2F .", max_size=20))
def test_no_pattern_but_its_own_matches_the_base_url(pattern: str) -> None:
    """Whatever the pattern."""
    try:
        rules = parse_pattern(pattern)
    except ConfigError:
        return
    assert not any(rule.matches("") for rule in rules)


# -- custom methods, keys, and other segments of several parts -----------------------------------


@pytest.mark.parametrize(
    ("pattern", "endpoint", "method", "url"),
    [
        # https://google.aip.dev/136; Places API, "Text Search (New)"
        ("POST places:searchText", "places:searchText", "POST", "places:searchText"),
        ("POST v1/{name:path}:archive", "v1/publishers/1/books/2:archive", "POST", None),
        ("POST books/{id}:archive", "books/7:archive", "POST", None),
        # Elasticsearch, "Cross-cluster search"
        ("GET {index}/_search", "cluster_one:my-index-000001/_search", "GET", None),
        # OData 4.01, part 2 (URL conventions), section 4.3.1
        ("Orders({key})", "Orders(7)", "DELETE", None),
        ("Orders({key})", "Orders(OrderID=1,ItemNo=2)", "GET", None),
        ("Orders({key})", "Orders('a b')", "PATCH", "Orders('a%20b')"),
        ("People('{name}')", "People('O''Neil')", "GET", None),
        ("GET People({key})", "People(%27O%27%27Neil%27)", "GET", None),
        ("GET Orders({id:int})/Items", "Orders(7)/Items", "GET", None),
        ("POST Products/Default.MostExpensive()", "Products/Default.MostExpensive()", "POST", None),
        # Shopify's REST Admin API, "Product"
        ("products/{id}.json", "products/632910392.json", "PUT", None),
        ("GET files/v{major:int}", "files/v12", "GET", None),
    ],
)
def test_segments_of_several_parts(pattern: str, endpoint: str, method: Method, url: str | None) -> None:
    """A placeholder may have literals around it; what a path may hold is sent as it is written."""
    assert (
        sent(endpoint, pattern, method=method, base_url="https://h/v1") == f"https://h/v1/{url or endpoint}"
    )


@pytest.mark.parametrize(
    ("pattern", "endpoint"),
    [
        ("Orders({id})", "Orders()"),
        ("Orders({id:int})", "Orders(7a)"),
        ("Orders({id})", "Orders7"),
        ("Orders({id})", "Orders(7)/Items"),
        ("Orders({id})", "Orders(a%2Fb)"),
        ("Orders", "Orders(7)"),
        ("POST books/{id}:archive", "books/7:delete"),
        ("POST books/{id}:archive", "books/:archive"),
        ("POST books/{id}:archive", "books/7/8:archive"),
        ("POST books/{id}:archive", "books/7"),
        ("products/{id}.json", "products/.json"),
        ("products/{id}.json", "products/7xjson"),
        ("POST v1/{name:path}:archive", "v1/:archive"),
    ],
)
def test_segments_of_several_parts_match_nothing_else(pattern: str, endpoint: str) -> None:
    """Also not without their id."""
    assert allowed_methods(EndpointRegistry(declared=(pattern,)), endpoint) == set()


def test_a_key_in_brackets_is_an_item() -> None:
    """It has the methods that any item has, and the collection is registered by itself."""
    registry = EndpointRegistry(declared=("Orders", "Orders({id})"))
    assert allowed_methods(registry, "Orders") == COLLECTION
    assert allowed_methods(registry, "Orders(7)") == ITEM


@pytest.mark.parametrize(
    ("method", "endpoint", "pattern"),
    [
        ("GET", "Orders(7)", "Orders({id})"),
        ("DELETE", "v4/Orders('a')", "v4/Orders({id})"),
        ("POST", "places:searchText", "POST places:searchText"),
        ("GET", "projects/a%2Fb", "GET projects/{id:quoted}"),
        ("PUT", "projects/a%2Fb/x", "PUT projects/{id:quoted}/x"),
        ("GET", "Orders('a%2Fb')", "GET Orders({id:quoted})"),
        ("POST", "/", "POST /"),
    ],
)
def test_a_refusal_names_the_pattern_in_these_words(method: str, endpoint: str, pattern: str) -> None:
    """No more than the author is likely to mean."""
    error = refusal(EndpointRegistry(declared=()), method, endpoint)
    assert error.pattern == pattern
    assert method in allowed_methods(EndpointRegistry(declared=(pattern,)), endpoint)


def test_a_custom_method_of_an_item_needs_its_http_method() -> None:
    """Without one it would be an item, which may be deleted."""
    with pytest.raises(ConfigError, match=r"as 'POST books/\{id\}:archive'"):
        parse_pattern("books/{id}:archive")


@pytest.mark.parametrize(
    "endpoint",
    [
        *("https://evil.example/x", "HTTPS://evil.example", "http:evil.example", "ws:x", "file:/etc/passwd"),
        *("foo:/x", "mailto:a@b", "user:pass@host/api", "ftp:x", "https:"),
    ],
)
def test_what_reads_as_a_url_is_refused(endpoint: str) -> None:
    """A colon in the first segment is allowed but there (RFC 3986, section 4.2, speaks of references)."""
    error = refusal(EVERYTHING, "GET", endpoint)
    assert "not a URL of its own" in error.reason


def test_an_escaped_colon_stays_escaped() -> None:
    """An escape of a reserved character is not that character (RFC 3986, section 2.2)."""
    names = ("a%3Ab/c%40d", "a:b/c@d", "a'b/(c)", "a%27b/%28c%29", "x%3db/c%2Cd,e")
    paths = [EVERYTHING.path_for("GET", name) for name in names]
    assert paths == [*names[:4], "x%3Db/c%2Cd,e"]


# -- names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("endpoint", "path"),
    [
        ("files/Jose\u0301.csv", "files/Jose%CC%81.csv"),  # as macOS stores it
        ("files/Jos\u00e9.csv", "files/Jos%C3%A9.csv"),
        ("files/Jose%CC%81.csv", "files/Jose%CC%81.csv"),
        ("menu/\u00bd", "menu/%C2%BD"),
        ("marks/\u2122", "marks/%E2%84%A2"),
        ("notes/and so on\u2026", "notes/and%20so%20on%E2%80%A6"),
        ("kana/\uff76\uff9e", "kana/%EF%BD%B6%EF%BE%9E"),
        ("ids/\uff17", "ids/%EF%BC%97"),
        ("\ufb01les/x", "%EF%AC%81les/x"),
        ("hangul/\u1112\u1161\u11ab", "hangul/%E1%84%92%E1%85%A1%E1%86%AB"),
        ("files/100%25", "files/100%25"),
    ],
)
def test_names_are_sent_in_the_form_that_they_have(endpoint: str, path: str) -> None:
    """In any normal form of UAX 15; the backend knows which one it gave its names."""
    assert EVERYTHING.path_for("GET", endpoint) == path


def test_a_pattern_matches_the_form_that_it_is_written_in() -> None:
    """A backend may hold both names."""
    registry = EndpointRegistry(declared=("GET Jos\u00e9",))
    assert allowed_methods(registry, "Jos\u00e9") == {"GET"}
    assert allowed_methods(registry, "Jose\u0301") == set()


def test_each_character_is_looked_at_in_the_form_that_shows_most() -> None:
    """No character becomes structure in another form of UAX 15 that does not do so in NFKC."""
    structure = set("/\\%?#;.")
    for character in map(chr, range(128, sys.maxunicode + 1)):
        shown = structure & set(unicodedata.normalize("NFKC", character))
        for form in ("NFC", "NFD", "NFKD"):
            assert not structure & set(unicodedata.normalize(form, character)) - shown


SAFE = frozenset(string.ascii_letters + string.digits + "-._~!$&'()*,=:@%/")
PIECES = st.sampled_from(
    [*"aé/%.:@'(), ~", "%2F", "%2f", "%3A", "%25", "%2E", "e\u0301", "..", "\uff0f", "\u2025", "%5C", "é%2F"]
)


@given(st.lists(PIECES, max_size=10).map("".join))
def test_what_is_sent_means_what_was_asked_for(endpoint: str) -> None:
    """Sent is the endpoint's own meaning, and sending it again would not change it."""
    registry = EndpointRegistry(declared=("GET {a:quoted}", "GET {a:quoted}/{b:quoted}", "GET {all:path}"))
    try:
        path = registry.path_for("GET", endpoint)
    except EndpointNotAllowedError:
        return
    assert set(path) <= SAFE
    assert path.count("/") == endpoint.count("/")
    assert decode_endpoint(path) == decode_endpoint(endpoint)
    assert registry.path_for("GET", path) == path
