"""Test which requests are taken for those of the page itself."""

import socket

import pytest
from starlette.datastructures import Headers

from pipeline.web.origins import OriginPolicy, parse_host

LOCAL = OriginPolicy("127.0.0.1")
PUBLIC = OriginPolicy("0.0.0.0")
PROXIED = OriginPolicy("127.0.0.1", ["hub.example.org"])


def is_refused(policy: OriginPolicy, *, is_navigation: bool = False, **headers: str) -> bool:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return bool(policy.find_fault(Headers(named), is_navigation=is_navigation))


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost", "LOCALHOST:80", "[::1]:7860", "127.0.0.2"])
def test_this_machines_own_hosts_are_served(host):
    assert not is_refused(LOCAL, host=host)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:7860",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.example@localhost",
        "localhost:80:80",
        "192.168.1.5",
        "0.0.0.0:7860",
        "",
        "localhost/x",
        "[::1",
    ],
)
def test_foreign_hosts_are_refused(host):
    assert is_refused(LOCAL, host=host)


def test_missing_and_second_hosts_are_refused():
    assert is_refused(LOCAL)
    hosts = Headers(raw=[(b"host", b"localhost"), (b"host", b"evil.example")])
    assert LOCAL.find_fault(hosts, is_navigation=False)


def test_page_for_the_network_is_served_under_addresses_and_names_of_this_machine():
    for host in ("192.168.1.5:7860", "[fe80::1]:7860", socket.gethostname(), "localhost"):
        assert not is_refused(PUBLIC, host=host), host
    assert is_refused(PUBLIC, host="evil.example") and is_refused(PUBLIC, host="0.0.0.0")


def test_name_of_a_proxy_is_served_where_it_is_set():
    assert not is_refused(PROXIED, host="hub.example.org", origin="https://hub.example.org")
    assert not is_refused(PROXIED, host="127.0.0.1:7860", origin="https://hub.example.org")
    assert not is_refused(PROXIED, host="127.0.0.1:7860", x_forwarded_host="hub.example.org")
    assert is_refused(PROXIED, host="127.0.0.1:7860", x_forwarded_host="evil.example")
    assert is_refused(PROXIED, host="127.0.0.1:7860", x_forwarded_host="hub.example.org, evil.example")
    assert is_refused(LOCAL, host="hub.example.org")


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "https://evil.example",
        "http://localhost:8888",
        "http://localhost:7860.evil.example",
        "file://",
        "chrome-extension://localhost:7860",
        "",
    ],
)
def test_foreign_origins_are_refused(origin):
    assert is_refused(LOCAL, host="localhost:7860", origin=origin)


def test_the_pages_own_origin_is_accepted():
    assert not is_refused(LOCAL, host="localhost:7860", origin="http://localhost:7860")
    assert not is_refused(LOCAL, host="localhost", origin="https://LOCALHOST", sec_fetch_site="same-origin")


@pytest.mark.parametrize("site", ["cross-site", "same-site", "unknown"])
def test_requests_of_other_sites_are_refused_except_for_links_to_the_page(site):
    link = {"sec_fetch_site": site, "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}
    frame = link | {"sec_fetch_dest": "iframe"}
    assert is_refused(LOCAL, host="localhost", sec_fetch_site=site, is_navigation=True)
    assert is_refused(LOCAL, host="localhost", **link)
    assert is_refused(LOCAL, host="localhost", is_navigation=True, **frame)
    assert not is_refused(LOCAL, host="localhost", is_navigation=True, **link)


def test_host_is_parsed_without_its_port():
    assert parse_host("Example.org:80") == "example.org" and parse_host("[::1]:80") == "::1"
    assert parse_host("a b") == parse_host("a:b") == parse_host("[") == ""
