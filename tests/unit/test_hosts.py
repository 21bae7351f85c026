"""Which addresses are this machine's alone."""

import pytest

from farm.hosts import here, host_of


@pytest.mark.parametrize(
    ("address", "host", "own"),
    [
        ("127.0.0.1:5000", "127.0.0.1", True),
        ("127.8.0.1", "127.8.0.1", True),
        ("localhost:5000", "localhost", True),
        ("[::1]:5000", "::1", True),
        ("::1", "::1", True),
        ("127.example.org:5000", "127.example.org", False),
        ("10.0.0.5:5000", "10.0.0.5", False),
        ("[2001:db8::1]:5000", "2001:db8::1", False),
        ("registry.example", "registry.example", False),
    ],
)
def test_an_address_says_whose_it_is(address, host, own):
    assert host_of(address) == host
    assert here(host) is own
