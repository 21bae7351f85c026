"""Settings come from four places; the state of a home is chosen once."""

import json
import os
import stat
from pathlib import Path

import pytest

from farm.errors import Refused
from farm.home import choose_state, default_home, free_ports, is_free, open_state, read_state, state_file
from farm.membership import membership_file, read_membership, write
from farm.settings import RepositorySettings, Settings, config_file


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("FARM_")]:
        monkeypatch.delenv(name)


def test_the_annotated_default_is_what_the_model_says(tmp_path: Path) -> None:
    loaded = Settings.load(tmp_path)
    bare = Settings(home=tmp_path)
    assert loaded == bare


def test_state_wins_over_the_file_and_a_variable_over_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "farm.yml").write_text("slots: 3\nregistry: registry.example:5000\nmemory: 64MiB\nlease: 4\n")
    state = choose_state(tmp_path)
    monkeypatch.setenv("FARM_LEASE", "2.5")
    monkeypatch.setenv("FARM_LABELS", "arm64,gpu")
    monkeypatch.setenv("FARM_SLACK_WEBHOOK", "https://hooks.example/x")
    settings = Settings.load(tmp_path)
    assert (settings.slots, settings.memory, settings.lease) == (3, 64 << 20, 2.5)
    assert settings.registry == f"127.0.0.1:{state.registry_port}"
    assert settings.labels == ("arm64", "gpu")
    assert settings.slack is not None
    assert settings.slack.when == "change"
    assert settings.farm_id == state.farm_id


def test_secrets_do_not_show_up_when_settings_are_printed(tmp_path: Path) -> None:
    state = choose_state(tmp_path)
    shown = repr(Settings.load(tmp_path)) + repr(state)
    assert state.token not in shown
    assert state.redis_password not in shown
    assert state.cookie_secret not in shown


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("slotz: 3\n", "1:1: .*did you mean"),
        ("slots: many\n", "1:8: a whole number"),
        ("slots: [\n", "2:1: a value is missing"),
        ("- a\n", "a mapping is expected"),
        ("slack: {when: often}\n", "1:15: .*always, change"),
    ],
)
def test_a_mistake_names_the_file_and_the_key(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "farm.yml").write_text(text)
    with pytest.raises(Refused, match=words) as caught:
        Settings.load(tmp_path)
    assert str(tmp_path / "farm.yml") in str(caught.value)


def test_a_mistake_in_a_variable_names_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARM_SLOTS", "none")
    with pytest.raises(Refused, match="FARM_SLOTS"):
        Settings.load(tmp_path)


@pytest.mark.parametrize(
    ("variable", "text", "words"),
    [
        ("FARM_LABELS", "a,b,c,d,e", "at most 4"),
        ("FARM_LABELS", "gpu,arm+big", '"arm.big" is no label of a worker; lower-case letters'),
        ("FARM_LABELS", "GPU", "no label"),  # which no job could ask for
        ("FARM_WORKER_NAME", "a,b@c1", '"a,b@c1" is no name of a worker; letters'),
        ("FARM_WORKER_NAME", "w%h@c1", "no name"),
        ("FARM_WORKER_NAME", "a/b@c1", "no name"),
        ("FARM_WORKER_NAME", "", "no name"),
    ],
)
def test_a_worker_is_called_what_queues_and_jobs_can_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, text: str, words: str
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(Refused, match=f"environment variable {variable}: .*{words}"):
        Settings.load(tmp_path)


def test_spaces_behind_the_commas_of_a_variable_are_no_part_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FARM_LABELS", "arm64, gpu,")
    assert Settings.load(tmp_path).labels == ("arm64", "gpu")


def test_a_mistake_names_the_file_that_a_machine_joined_with(tmp_path: Path) -> None:
    needed = {"FARM_ID": "0123456789ab", "FARM_REDIS_URL": "redis://r:6379/0", "FARM_REGISTRY": "r:5000"}
    write(membership_file(tmp_path), {**needed, "FARM_LABELS": "a,b,c,d,e"}, "about")
    with pytest.raises(Refused, match=f"^{membership_file(tmp_path)}: labels: "):
        Settings.load(tmp_path)


def test_the_state_is_private_and_chosen_once(tmp_path: Path) -> None:
    home = tmp_path / "home"
    first = choose_state(home)
    assert choose_state(home) == first
    assert read_state(home) == first
    assert stat.S_IMODE((home / "state.json").stat().st_mode) == 0o600
    assert len(set(first.ports.values())) == 4
    assert [path.name for path in home.iterdir()] == ["state.json"]


def test_a_damaged_state_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text(json.dumps({"farm_id": "x"}))
    with pytest.raises(Refused, match="damaged"):
        choose_state(tmp_path)
    assert json.loads(path.read_text()) == {"farm_id": "x"}


def test_free_ports_are_free_and_different() -> None:
    ports = free_ports(5)
    assert len(set(ports)) == 5
    assert all(is_free(port) for port in ports)


def test_home_follows_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARM_HOME", str(tmp_path / "x"))
    assert default_home() == tmp_path / "x"


def test_default_refs_that_may_release() -> None:
    default = RepositorySettings()
    assert default.protects("refs/heads/main", "main")
    assert default.protects("refs/tags/v1.2", "main")
    assert not default.protects("refs/heads/topic", "main")
    assert not default.protects("refs/tags/nightly", "main")
    only = RepositorySettings(protected=("refs/heads/release/*",))
    assert only.protects("refs/heads/release/1", "main")
    assert not only.protects("refs/heads/main", "main")


def test_configuration_files_are_found() -> None:
    assert config_file("farm.yml").exists()


def test_an_address_is_chosen_once_and_a_state_of_before_is_completed(tmp_path: Path) -> None:
    state = choose_state(tmp_path)
    old = json.loads(state_file(tmp_path).read_text())
    for key in ("listen", "worker_password", "web_password"):
        old.pop(key)
    state_file(tmp_path).write_text(json.dumps(old))
    local = open_state(tmp_path, choose_state(tmp_path), "")
    assert (local.listen, local.redis_password) == ("", state.redis_password)
    assert local.worker_password
    assert Settings.load(tmp_path).registry == f"127.0.0.1:{state.registry_port}"
    opened = open_state(tmp_path, local, "10.0.0.5")
    assert read_state(tmp_path) == opened
    settings = Settings.load(tmp_path)
    assert (settings.registry, settings.registry_plain) == (f"10.0.0.5:{state.registry_port}", True)
    assert open_state(tmp_path, opened, "") == opened
    with pytest.raises(Refused, match="name of every image"):
        open_state(tmp_path, opened, "10.0.0.6")
    assert stat.S_IMODE(state_file(tmp_path).stat().st_mode) == 0o600


def test_what_a_machine_joined_wins_over_its_file_and_a_variable_over_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "farm.yml").write_text("slots: 3\nregistry: registry.example:5000\n")
    needed = {"FARM_ID": "0123456789ab", "FARM_REDIS_URL": "redis://worker:x@r:6379/0", "FARM_REGISTRY": "r:5000"}
    write(membership_file(tmp_path), {**needed, "FARM_LABELS": "gpu"}, "about")
    monkeypatch.setenv("FARM_LABELS", "arm64")
    settings = Settings.load(tmp_path)
    assert (settings.slots, settings.registry, settings.labels) == (3, "r:5000", ("arm64",))
    assert stat.S_IMODE(membership_file(tmp_path).stat().st_mode) == 0o600
    for wrong in ("FARM_ID=0123456789ab\n", "PATH=/tmp\n", "no variables\n"):
        membership_file(tmp_path).write_text(wrong)
        with pytest.raises(Refused, match="once more"):
            read_membership(tmp_path)
