"""A badge tells one word, to everybody or to who may read."""

import pytest

from tests.integration.api.conftest import HOOK, Served

pytestmark = pytest.mark.redis
PATH = "/badge/thyme/main.svg"


def test_a_badge_is_for_everybody(served: Served) -> None:
    served.farm.record.cancel(served.farm.open(), "jo")
    answer = served.get(PATH, None)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")
    assert "thyme main: canceled" in answer.text
    assert served.get(PATH, None, headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    assert ": unknown" in served.get("/badge/nobody/<b>.svg", None).text


def test_a_private_badge_is_for_who_reads(served: Served) -> None:
    service = served.api.state.service
    service.settings = service.settings.model_copy(update={"badges": "private"})
    assert served.get(PATH, None).status_code == 401
    assert served.get(PATH, HOOK).status_code == 200
    assert served.get("/badge/sage/main.svg", HOOK).status_code == 403
    served.farm.ledger.register("thyme/seeds", "file:///srv/seeds.git", "main", {})
    assert served.get("/badge/thyme/seeds/main.svg", HOOK).status_code == 403, "another one, whose name begins the same"
    assert served.get("/badge/thyme/seeds/main.svg").status_code == 200
