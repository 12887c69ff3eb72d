"""`gcs/address.py`: what is an address, and that its password is never shown."""

from __future__ import annotations

import pytest
from cellray.gcs.address import GcsAddress, parse_address
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://host", GcsAddress(host="host")),
        ("redis://host:7000/3", GcsAddress(host="host", port=7000, database=3)),
        ("redis://:pa%40ss@host/", GcsAddress(host="host", password="pa@ss")),
        ("redis://user:p@[::1]:1", GcsAddress(host="::1", port=1, username="user", password="p")),
        (
            "rediss://host?ssl_ca_certs=/ca.pem&db=1",
            GcsAddress(host="host", tls=True, tls_ca_file="/ca.pem", database=1),
        ),
        ("rediss://host?ssl_cert_reqs=none", GcsAddress(host="host", tls=True, tls_verify=False)),
        ("unix:///run/redis.sock", GcsAddress(path="/run/redis.sock")),
        ("unix://:p@/run/a%20b.sock?db=2", GcsAddress(path="/run/a b.sock", password="p", database=2)),
    ],
)
def test_urls(url: str, expected: GcsAddress) -> None:
    assert parse_address(url) == expected
    assert parse_address(expected.to_url()) == expected


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("host:6379", "no scheme was given"),
        ("http://host", "http was given"),
        ("redis://", "names no host"),
        ("redis://:secret@host:port", "must be numbers"),
        ("redis://:se/cret@host", "must be numbers"),
        ("redis://:secret@host/db", "must be numbers"),
        ("redis://:secret@host/-1", "negative"),
        ("redis://:secret@host?timeout=3", "unknown setting timeout"),
        ("unix://:secret@relative/path", "absolute path"),
        ("unix://", "absolute path"),
    ],
)
def test_what_is_no_address_is_named_without_its_password(url: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        parse_address(url)
    assert "secret" not in str(caught.value)
    assert "cret@" not in str(caught.value)


@given(st.text(min_size=1), st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
def test_any_password_and_path_survive_the_url_and_are_never_printed(password: str, tail: str) -> None:
    try:
        password.encode()
    except UnicodeEncodeError:
        return
    address = GcsAddress(path="/" + tail, password="<<" + password + ">>")
    assert parse_address(address.to_url()) == address
    assert address.password not in str(address) or address.password in tail
    assert repr(address) == f"GcsAddress({address})"
