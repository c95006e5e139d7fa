"""Host headers, made comparable."""

import pytest

from shared_apps.domains.hosts import HostInvalid, normalise_host

SAME = {
    "acme.example.com": "acme.example.com",
    "ACME.Example.COM": "acme.example.com",
    "acme.example.com.": "acme.example.com",
    "acme.example.com:8000": "acme.example.com",
    "acme.example.com.:8000": "acme.example.com",
    "acme.example.com:": "acme.example.com",
    "  acme.example.com ": "acme.example.com",
    "my_shop.example.com": "my_shop.example.com",
    "_dmarc.example.com": "_dmarc.example.com",
    "bücher.example": "xn--bcher-kva.example",
    "BÜCHER.example:443": "xn--bcher-kva.example",
    "xn--bcher-kva.example": "xn--bcher-kva.example",
    "faß.example": "xn--fa-hia.example",
    "例え。テスト": "xn--r8jz45g.xn--zckzah",
    "localhost": "localhost",
    "127.0.0.1:80": "127.0.0.1",
    "[::1]": "[::1]",
    "[::1]:8000": "[::1]",
    "[2001:DB8::1]": "[2001:db8::1]",
    "a" * 63 + ".example": "a" * 63 + ".example",
}
INVALID = [
    "", ".", ":80", "a..b", ".a", "-a.example", "a-.example", "a b", "a/b", "a\\b", "a@b", "a,b",
    "a?b", "a#b", "a%2eb", "a\0b", "a\nb", "a" * 64 + ".example", "a." * 127 + "ab", "[::1", "[::1]x",
    "[::1]:x", "a:123456", "a:x", "a:80:80", "a:\uff18\uff10", "é" * 70, "☃☃.", "xn--é.example",
    "a..", "<script>",
]  # fmt: skip


@pytest.mark.parametrize("raw", SAME)
def test_host_is_made_comparable(raw: str) -> None:
    assert normalise_host(raw) == SAME[raw]
    assert normalise_host(SAME[raw]) == SAME[raw]


@pytest.mark.parametrize("raw", INVALID)
def test_host_that_is_no_hostname_is_refused(raw: str) -> None:
    with pytest.raises(HostInvalid):
        normalise_host(raw)
