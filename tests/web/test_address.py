"""Test the addresses that Webcam_page.py prints."""

import io
import ipaddress
import re

import cv2
import numpy as np
import pytest

from pipeline.web import address as address_module
from pipeline.web.address import Address, draw_qr_code, print_address


@pytest.fixture
def network_address(monkeypatch) -> str:
    """The address of a machine in a network, whether or not this machine is in one."""
    monkeypatch.setattr(address_module, "find_network_address", lambda host: "192.168.1.20")
    return "192.168.1.20"


def test_page_for_this_machine_has_no_address_in_the_network():
    address = Address("127.0.0.1", 7860)
    assert address.url == "http://127.0.0.1:7860/" and address.network_url == ""
    assert len(address.describe().splitlines()) == 1


def test_page_for_the_network_is_told_with_its_address_there(network_address):
    address = Address("0.0.0.0", 8080, certificate="page.crt", key="page.key")
    assert address.network_url == f"https://{network_address}:8080/"
    assert address.url in address.describe() and address.network_url in address.describe()


def test_missing_https_is_told_where_it_disables_the_camera(network_address):
    assert "docs/web_page.md" in Address("0.0.0.0", 8080).describe()
    assert "docs/web_page.md" not in Address("0.0.0.0", 8080, "page.crt", "page.key").describe()


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_network_address_is_one_that_other_machines_can_open(host):
    name = address_module.find_network_address(host)
    try:
        assert not ipaddress.ip_address(name).is_unspecified
    except ValueError:
        assert re.fullmatch(r"[\w.-]+", name)  # the name of a machine without a network


def test_host_that_was_set_is_the_address():
    assert Address("10.1.2.3", 80).network_url == "http://10.1.2.3:80/"
    assert Address("fd00::7", 80).network_url == "http://[fd00::7]:80/"


def test_qr_code_holds_the_address():
    url = "https://192.168.100.200:7860/"
    halves = {"█": (255, 255), "▀": (255, 0), "▄": (0, 255), " ": (0, 0)}
    lines = draw_qr_code(url).splitlines()
    rows = [[halves[character][half] for character in line] for line in lines for half in (0, 1)]
    image = np.kron(np.array(rows, np.uint8), np.ones((8, 8), np.uint8))
    image = cv2.copyMakeBorder(image, 32, 32, 32, 32, cv2.BORDER_CONSTANT, value=255)
    assert cv2.QRCodeDetector().detectAndDecode(image)[0] == url


@pytest.mark.parametrize(
    ("is_terminal", "encoding", "has_code"),
    [(True, "utf-8", True), (False, "utf-8", False), (True, "cp1252", False)],
)
def test_qr_code_is_drawn_in_terminals_that_can_show_it(
    network_address, monkeypatch, is_terminal, encoding, has_code
):
    output = io.TextIOWrapper(io.BytesIO(), encoding)
    monkeypatch.setattr(output, "isatty", lambda: is_terminal, raising=False)
    monkeypatch.setattr("sys.stdout", output)
    print_address(Address("0.0.0.0", 8080))
    output.seek(0)
    assert ("█" in output.read()) is has_code
