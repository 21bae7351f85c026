import base64

import pytest

from farm.errors import Refused
from farm.forges.signature import sign
from farm.reporters.answers import LONGEST, patience
from farm.reporters.signature import key_of


def test_the_vector_of_the_specification_s_libraries():
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signature = sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_nobase64!",
        "whsec_" + base64.b64encode(b"short").decode(),
        "whsec_" + base64.b64encode(b"k" * 65).decode(),
    ],
)
def test_a_secret_that_is_none_is_refused_with_the_way_to_make_one(secret):
    with pytest.raises(Refused, match="head -c 32 /dev/urandom"):
        key_of(secret)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after": ["7"]}, 7.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"Retry-After": "Fri, 01 Jan 2999 00:00:00 GMT"}, LONGEST),
        ({"Retry-After": "999999999"}, LONGEST),
    ],
)
def test_how_long_the_other_side_wants_to_be_left_alone(headers, seconds):
    assert patience(headers) == seconds
