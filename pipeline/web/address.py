"""Tell the address at which the page is served, to this machine and to a phone."""

import io
import socket
import sys
from dataclasses import dataclass

from pipeline.web.origins import OriginPolicy

ANY_ADDRESS = {
    "0.0.0.0": "192.0.2.1",
    "::": "2001:db8::1",
}  # host for all -> an address for documentation only


@dataclass(frozen=True)
class Address:
    """Where the page is served; the attributes are settings of Webcam_page.py."""

    host: str
    port: int
    certificate: str = ""
    key: str = ""
    root_path: str = ""
    allowed_hosts: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """The address to open on this machine."""
        return self._to_url("localhost" if self.host in ANY_ADDRESS else self.host)

    @property
    def network_url(self) -> str:
        """The address to open on other machines of the network; "" if none can."""
        return "" if self.origins.is_local else self._to_url(find_network_address(self.host))

    @property
    def origins(self) -> OriginPolicy:
        """The names of this server."""
        return OriginPolicy(self.host, self.allowed_hosts)

    def describe(self) -> str:
        """Return the lines to print: the addresses to open, and who can open them."""
        lines = [f"open {self.url}"]
        if self.network_url:
            lines += [
                f"on a phone or another machine: {self.network_url}",
                "Everyone who can reach this machine can open the page.",
            ]
        if self.network_url and not self.certificate:
            lines.append(
                "Browsers give their camera to this machine only, without https: see docs/web_page.md."
            )
        return "\n".join(f"  {line}" for line in lines)

    def _to_url(self, name: str) -> str:
        return f"http{'s' if self.certificate else ''}://{f'[{name}]' if ':' in name else name}:{self.port}/"


def find_network_address(host: str) -> str:
    """Return this machine's address in its network, of the kind of `host`; its name if it is in none."""
    if host not in ANY_ADDRESS:
        return host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as client:
            client.connect((ANY_ADDRESS[host], 9))  # chooses the sender's address; UDP sends nothing yet
            return str(client.getsockname()[0])
    except OSError:
        return socket.gethostname()


def draw_qr_code(text: str) -> str:
    """Return a QR code in block characters, for a terminal with a dark background."""
    import segno  # not needed if the page is for this machine only

    code = io.StringIO()
    segno.make(text, micro=False).terminal(code, border=2, compact=True)  # phones read no Micro QR codes
    return code.getvalue()


def print_address(address: Address) -> None:
    """Print the addresses and, in a terminal that can show it, a QR code of the one for phones."""
    print(address.describe(), flush=True)
    if address.network_url and sys.stdout.isatty() and can_print("█▀▄"):
        print(draw_qr_code(address.network_url), flush=True)


def can_print(text: str) -> bool:
    """Return whether the encoding of the screen output has these characters."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
