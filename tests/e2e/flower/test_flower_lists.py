"""The list of pipelines: one broken record, tags by their short name, a search that does not grow with the history."""

import httpx
import pytest

from farm.pipeline import Status
from farm.record import Disk, Machine

pytestmark = [pytest.mark.redis]


def test_one_record_that_cannot_be_read_does_not_hide_the_others(farm, served):
    good = farm.push("Good", repository="broken")
    for number, field, value in (
        (farm.push("Status", repository="broken"), "status", "nonsense"),
        (farm.push("Released", repository="broken"), "released", "["),
    ):
        farm.client.hset(f"farm:pipeline:{number}", field, value)
    lost = farm.push("Lost", repository="broken")
    farm.client.hdel(f"farm:pipeline:{lost}", "repository", "ref")
    page = httpx.get(f"{served.url}/pipelines?repository=broken")
    assert page.status_code == 200
    assert f'id="p{good}"' in page.text
    assert page.text.count("cannot be read") == 3
    assert "cannot be read" in httpx.get(f"{served.url}/pipelines/{lost}").text


def test_a_tag_is_found_by_its_short_name_with_and_without_a_repository(farm, served):
    tagged = farm.push("Tagged", repository="tags", ref="refs/tags/v1.2")
    same = farm.push("A branch of that name", repository="tags", ref="refs/heads/v1.2")
    farm.push("Other", repository="tags")
    for query in ("branch=v1.2", "branch=v1.2&repository=tags"):
        page = httpx.get(f"{served.url}/pipelines?{query}").text
        assert page.index(f'id="p{same}"') < page.index(f'id="p{tagged}"')
        assert page.count("farm-item") == 2
    assert httpx.get(f"{served.url}/pipelines?branch=refs/tags/v1.2").text.count("farm-item") == 1


def test_the_search_for_a_rare_status_pauses(another_farm, another_served):
    farm = another_farm
    rare = farm.push("Rare", steps=())
    farm.record.close(rare, Status.SKIPPED, "skipped by option")
    with farm.client.pipeline() as pipe:
        for number in range(rare + 1, rare + 3001):  # bare, but enough for a search
            pipe.hset(f"farm:pipeline:{number}", "status", "passed")
            pipe.zadd("farm:pipelines", {str(number): number})
        pipe.execute()
    page = httpx.get(f"{another_served.url}/pipelines?status=skipped").text
    assert "Searched down to #2;" in page
    assert f'id="p{rare}"' in httpx.get(f"{another_served.url}/pipelines?status=skipped&before=2").text


def test_machines_say_what_they_have_left(another_farm, another_served):
    disks = (Disk("/var/lib/docker", 5 << 30, 20 << 30), Disk("/var/lib/farm", 900 << 20, 9 << 30))
    another_farm.worker("w1@c1", machine=Machine(0.52, 4, 3 << 30, 8 << 30, disks))
    another_farm.worker("w2@c1")
    text = " ".join(httpx.get(f"{another_served.url}/machines").text.split())
    told = (
        "load 0.5 on 4 cores · 3.0 GiB of 8.0 GiB memory free · 5.0 GiB of 20.0 GiB free at /var/lib/docker · 900 MiB"
    )
    assert text.count(told) == 1
