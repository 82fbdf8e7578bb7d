"""Decide whether a request comes from the page itself: by its Host, its Origin and its Fetch Metadata.

Without these checks, any web site that a user visits could send requests to a page that is served on the user's
machine, and read the responses after DNS rebinding.
"""

import ipaddress
import re
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers

LOOPBACK_NAME = "localhost"
HOST_PATTERN = re.compile(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(:\d{1,5})?")
SAME_SITE = ("same-origin", "none")  # "none": the user typed the address or opened a bookmark


class OriginPolicy:
    """The names under which the page is served.

    Args:
        host: the address that the server listens at.
        allowed_hosts: further names, such as that of a proxy.
    """

    def __init__(self, host: str, allowed_hosts: Iterable[str] = ()):
        self.public_names = {name.lower() for name in allowed_hosts}
        self.names = {LOOPBACK_NAME, host.lower(), *self.public_names}
        self.is_local = _is_loopback(host)
        if not self.is_local:
            names = {socket.gethostname().lower(), socket.getfqdn().lower()}
            self.names |= names | {f"{name}.local" for name in names if "." not in name}

    def find_fault(self, headers: Headers, *, is_navigation: bool) -> str:
        """Return why a request is refused, or "".

        Args:
            is_navigation: whether the request is for the page itself, which a link of another site may open.
        """
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._allows_host(hosts[0]):
            return _explain_host(", ".join(hosts))
        forwarded = headers.getlist("x-forwarded-host")
        if not all(self._allows_host(host.strip()) for value in forwarded for host in value.split(",")):
            return _explain_host(", ".join(forwarded))
        origins = headers.getlist("origin")
        if not all(self._is_own_origin(origin, hosts[0]) for origin in origins) or len(origins) > 1:
            return "Requests of other web sites are refused."
        site = headers.get("sec-fetch-site", "none")
        is_link = (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")) == ("navigate", "document")
        if site not in SAME_SITE and not (is_navigation and is_link):
            return "Requests of other web sites are refused."
        return ""

    def _allows_host(self, host: str) -> bool:
        name = parse_host(host)
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return name in self.names
        # An address cannot be rebound. Behind a router or in a container, it need not be one of this machine's.
        return address.is_loopback or not (self.is_local or address.is_unspecified)

    def _is_own_origin(self, origin: str, host: str) -> bool:
        scheme, _, netloc = origin.lower().partition("://")
        if scheme not in ("http", "https"):  # "null" is the origin of a sandboxed frame
            return False
        return netloc == host.lower() or parse_host(netloc) in self.public_names


def parse_host(host: str) -> str:
    """Return the name or the address in a Host header, in lower case and without its port; "" if it is invalid."""
    if not HOST_PATTERN.fullmatch(host.lower()):
        return ""
    return urlsplit(f"//{host}").hostname or ""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == LOOPBACK_NAME


def _explain_host(host: str) -> str:
    name = parse_host(host)
    remedy = f" If it is, start it again with --allowed-hosts {name}" if name else ""
    return f"This page is not served under the address {host!r}.{remedy}"
