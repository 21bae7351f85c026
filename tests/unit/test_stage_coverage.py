"""Cobertura XML: its root counts, and nothing is opened or unfolded."""

import pytest

from workers.coverage import Coverage, read

HEAD = b'<?xml version="1.0" ?>\n<!DOCTYPE coverage SYSTEM "http://cobertura.example/coverage-04.dtd">\n'
GOOD = HEAD + b'<coverage lines-covered="3" lines-valid="4" line-rate="0.75"><packages/></coverage>'


def test_files_are_summed_up() -> None:
    more = b'<coverage lines-covered="0" lines-valid="4"/>'
    assert read([GOOD, more]) == Coverage(3, 8)
    assert read([GOOD, more]).document() == {"percent": 37.5, "covered": 3, "valid": 8}
    assert read([b'<coverage lines-covered="0" lines-valid="0"/>']).percent == 100.0


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        (b"", "no element"),
        (b"nothing", "syntax error"),
        (b"<testsuites/>", "'testsuites', not 'coverage'"),
        (b"<coverage/>", "no lines-covered"),
        (b'<coverage lines-covered="many" lines-valid="4"/>', "no lines-covered"),
        (b'<coverage lines-covered="5" lines-valid="4"/>', "5 of 4"),
        (b'<!DOCTYPE coverage [<!ENTITY a "b">]><coverage lines-covered="&a;" lines-valid="4"/>', "declares entities"),
        (b'<?xml version="1.0" encoding="none-such"?><coverage/>', "none-such"),
        (b'<!DOCTYPE c [<!ENTITY a SYSTEM "file:///etc/passwd">]><coverage/>', "declares entities"),
    ],
)
def test_what_is_none_is_told(file: bytes, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        read([file])
