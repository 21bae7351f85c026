"""From a push to all that comes of it in a whole farm: who is told when, what is kept, what nobody gets to read."""

import json
import time
import uuid
from typing import Any

import httpx
import pytest

from farm.home import read_state
from tests import forges
from tests.e2e.whole.conftest import House
from tests.forges import SIGNING, ZERO
from tests.integration.test_forge_statuses import TOKEN

pytestmark = [pytest.mark.redis, pytest.mark.registry, pytest.mark.engine, pytest.mark.timeout(400)]

VALUE = "a-value-that-nobody-reads"
WHOLE = """
build: {secrets: [PACKAGES_TOKEN]}
test:
  script:
    - test "$COLOUR" != red || echo the colour is red
    - echo "$PACKAGES_TOKEN" > seen && cat seen && printf 'report of a test' > out.txt
  secrets: [PACKAGES_TOKEN]
  artifacts: out.txt
release:
  after:
    deploy: {script: 'echo "deploys $FARM_RELEASE"'}
    tell: {url: "URL"}
"""


def test_a_story_is_delivered_with_latest_and_slack_has_one_message_of_a_branch(
    house: House, images: Any, poll: Any
) -> None:
    mint = house.hooked("mint")
    mint.commit("Begin", Dockerfile=f"FROM {images.busybox}\nCOPY hello /hello\n", hello="mint\n")
    mint.commit("Greet [delivers #1]", farm_yml="test: grep -q mint /hello\n")
    tried = mint.push(branch="try")
    assert house.shown(tried)["status"] == "passed"  # and its image is never `latest`

    mint.commit("Try it [delivers #2]", hello="bye\n")
    broken = mint.push()
    poll(lambda: f"|#{broken} failed>" in house.slack.heads[0], deadline=60)
    # The tracker hears of one thing after the other: when it knows this commit, it has heard how the branch ended.
    poll(lambda: house.tracker.commits[-1]["message"] == "Try it [#2]", deadline=60)
    assert not house.tracker.moved
    assert not house.tracker.latest("mint")

    mint.commit("Greet well", hello="mint!\n")
    mint.commit("Say why", note="it is green\n")
    mended = mint.push()
    poll(lambda: len(house.tracker.moved) == 2, deadline=60, what="both stories to be delivered")
    [latest] = [each["digest"] for each in json.loads(house.farm("releases", "mint", "--json"))]
    assert sorted(house.tracker.moved) == [(1, "delivered", latest), (2, "delivered", latest)]
    assert house.shown(mended)["notes"] == []

    poll(lambda: any("green again after" in each for each in house.slack.heads), deadline=60)
    [root] = house.slack.roots
    assert f"|#{mended} passed>" in house.slack.heads[0]
    assert root["channel"] == "C2"
    assert house.slack.edits


def test_a_story_is_delivered_when_latest_moves_and_not_with_its_tests(house: House, images: Any, poll: Any) -> None:
    dill = house.hooked("dill")
    dill.commit("Begin [finishes #4]", Dockerfile=f"FROM {images.busybox}\nCOPY hello /hello\n", hello="dill\n")
    dill.commit("Greet [delivers #5]", farm_yml="test: grep -q dill /hello\n")
    obstacle = house.latest_file("dill")
    obstacle.parent.mkdir(parents=True)
    obstacle.touch()  # the registry has to refuse `latest`
    dill.git("push", str(dill.bare), "HEAD:refs/heads/main")

    def held() -> Any:
        [row] = house.pipelines("dill")
        stages = house.asked(f"/pipelines/{row['number']}")["stages"]
        return next(stage["jobs"][0]["reason"] for stage in stages if stage["name"] == "release")

    reason = poll(held, deadline=120, what="the registry to refuse `latest`")
    assert "refused PUT dill/manifests/latest" in reason
    poll(lambda: house.untold("tracker-stories") == 0, deadline=60, what="the tracker to have heard it all")
    assert [house.tracker.stories[story]["current_state"] for story in (4, 5)] == ["finished", "started"]
    assert not house.tracker.latest("dill")

    obstacle.unlink()
    poll(lambda: house.tracker.stories[5]["current_state"] == "delivered", deadline=60, what="the delivery")
    [released] = json.loads(house.farm("releases", "dill", "--json"))
    assert [move for move in house.tracker.moved if move[0] in (4, 5)] == [
        (4, "finished", ""),
        (5, "delivered", released["digest"]),
    ]
    assert house.asked(f"/pipelines/{dill.ended()}")["status"] == "passed"


def test_a_webhook_ends_with_a_released_image_and_a_delivered_story(house: House, images: Any, poll: Any) -> None:
    thyme = house.clone("thyme")
    house.farm("register", "thyme", f"{house.origin.url}/acme/thyme.git")
    thyme.commit("Begin", Dockerfile=f"FROM {images.busybox}\nCOPY hello /hello\n", hello="thyme\n")
    thyme.commit("Fix VAT [delivers #3]", farm_yml="test: grep -q thyme /hello\n")
    commit = thyme.commit("Say why", note="a cent was lost\n")
    thyme.git("push", "-q", str(thyme.bare), "HEAD:refs/heads/main")
    state = read_state(house.home)
    assert state
    headers, body = forges.gitlab_signed("Push Hook", forges.gitlab_push(ZERO, commit), time.time())
    url = f"http://127.0.0.1:{state.api_port}/webhooks/gitlab"
    assert httpx.post(url, content=body, headers=headers, timeout=30).status_code == 202

    moved = poll(lambda: [each for each in house.tracker.moved if each[0] == 3], deadline=120, what="the story")
    [released] = json.loads(house.farm("releases", "thyme", "--json"))
    assert (released["tag"], released["ref"]) == ("latest", "refs/heads/main")
    assert moved == [(3, "delivered", released["digest"])]
    fake: Any = house.gitlab.judge
    stages = ("farm/build", "farm/test", "farm/release")
    poll(lambda: [fake.states(name)[-1] for name in stages] == ["success"] * 3, deadline=60)
    assert not any(TOKEN in words for words in house.origin.commands)
    logs = "".join(path.read_text(errors="replace") for path in (house.home / "logs").iterdir())
    assert TOKEN not in logs
    assert SIGNING not in logs


def test_secrets_variables_artifacts_and_hooks_of_a_release(house: House, images: Any, tmp_path: Any) -> None:
    sage = house.hooked("sage")
    house.farm("secret", "set", "sage", "PACKAGES_TOKEN", given=f"{VALUE}\n")
    line = f": {uuid.uuid4()} && cat /run/secrets/PACKAGES_TOKEN"  # no cache has it: what is not run says nothing
    dockerfile = f"FROM {images.busybox}\nRUN --mount=type=secret,id=PACKAGES_TOKEN {line}\n"
    address = f"{house.called.url}/hooks/sage"
    sage.commit("Begin", Dockerfile=dockerfile, farm_yml=WHOLE.replace("URL", address))
    number = sage.push("-o", "farm.var=COLOUR=red")
    log = house.farm("logs", str(number))
    assert VALUE not in log
    assert log.count("***") == 2  # of the build and of the job
    assert "the colour is red" in log
    house.farm("artifacts", str(number), "--download", str(tmp_path))
    assert (tmp_path / "test" / "out.txt").read_text() == "report of a test"

    house.farm("retry", str(number))
    house.farm("watch", str(number))
    [release] = json.loads(house.farm("releases", "sage", "--json"))
    again = house.farm("logs", str(number), "release/deploy")
    assert again.count(f"deploys {number}-{release['digest']}") == 1
    assert [call.path for call in house.called.requests] == ["/hooks/sage"]
    assert json.loads(house.called.requests[0].body)["image"].endswith(release["digest"])

    [triggered] = json.loads(house.farm("trigger", "sage", "-v", "COLOUR=red", "--json"))["pipelines"]
    house.farm("watch", str(triggered["number"]))
    assert "the colour is red" in house.farm("logs", str(triggered["number"]), "test")
