"""A registry that asks who is there: the worker's login opens it for pulls and builds, and nobody else ever sees it."""

import json
import secrets
from pathlib import Path

import httpx
import pytest

from farm.errors import Errored, Failed
from farm.settings import RegistrySettings, Secret
from tests.conftest import Server, program
from workers.docker import DockerEngine, buildkit
from workers.docker.logins import Logins
from workers.engine import BuildSpec

pytestmark = [pytest.mark.engine, pytest.mark.registry, pytest.mark.usefixtures("images")]

HTPASSWD = "me:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n"  # of the word "secret"
SHUT = "put one for its host under `registries` in farm.yml on this worker"


class Guarded(Server):
    """A registry that lets in one user."""

    def __init__(self, folder: Path, port: int) -> None:
        self.host = f"127.0.0.1:{port}"
        (folder / "users").write_text(HTPASSWD)
        config = folder / "registry.yml"
        config.write_text(
            f"version: 0.1\nlog: {{level: warn}}\nauth: {{htpasswd: {{realm: x, path: {folder}/users}}}}\n"
            f"storage: {{filesystem: {{rootdirectory: {folder}/data}}}}\nhttp: {{addr: {self.host}, secret: x}}\n"
        )
        super().__init__([program("docker-registry", "registry"), "serve", str(config)], folder)

    def ready(self) -> bool:
        return httpx.get(f"http://{self.host}/v2/").status_code == httpx.codes.UNAUTHORIZED


@pytest.fixture
def guarded(tmp_path, ports, monkeypatch):
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "nobody"))
    server = Guarded(tmp_path, ports(1)[0])
    server.start()
    yield server
    server.stop()


@pytest.fixture
def known(guarded, tmp_path):
    """An engine with the login."""
    (tmp_path / "password").write_text("secret\n")
    login = RegistrySettings(user="me", password=Secret("file", str(tmp_path / "password")))
    return DockerEngine(registries={guarded.host: login})


@pytest.fixture
def base(guarded, known, context):
    """An image in the registry that the engine does not have."""
    repository = f"{guarded.host}/base{secrets.token_hex(4)}"
    files = {"Dockerfile": f"FROM farm-test/busybox:local\nRUN echo {repository} > /base\n"}
    built = known.build(context(files), BuildSpec(), log=lambda _: None, check=lambda: None)
    known.push(built.image_id, repository, ["1"], check=lambda: None)
    for name in (f"{repository}:1", built.image_id):
        known.remove_image(name)
    yield f"{repository}:1"
    known.remove_image(f"{repository}:1")


def test_a_pull(base, known):
    with pytest.raises(Failed, match=SHUT):
        DockerEngine().pull(base, check=lambda: None)
    assert known.pull(base, check=lambda: None).id


def test_a_login_by_docker_login_counts_too(base, tmp_path):
    (tmp_path / "nobody").mkdir()
    auths = {base.partition("/")[0]: {"auth": "bWU6c2VjcmV0"}}
    (tmp_path / "nobody" / "config.json").write_text(json.dumps({"auths": auths}))
    assert DockerEngine().pull(base, check=lambda: None).id


def test_a_build(base, known, guarded, context, name):
    if not buildkit.command():
        pytest.skip("no docker program with BuildKit")
    files = {"Dockerfile": f"FROM {base}\nRUN cat /base && ! env | grep -i secret\n"}
    spec = BuildSpec(tags=[f"{name}:a"], registries=[guarded.host])
    with pytest.raises(Failed, match=SHUT):
        DockerEngine().build(context(files), spec, log=lambda _: None, check=lambda: None)
    said: list[bytes] = []
    built = known.build(context(files), spec, log=said.append, check=lambda: None)
    assert built.builder == buildkit.COMMAND
    assert b"secret" not in b"".join(said).replace(b"grep -i secret", b"")
    elsewhere = BuildSpec(tags=[f"{name}:b"], registries=["docker.io"])
    plain = {"Dockerfile": "FROM farm-test/busybox:local\n"}
    assert known.build(context(plain), elsewhere, log=lambda _: None, check=lambda: None).builder == buildkit.API


def test_a_build_without_a_program_that_passes_logins_on(known, guarded, context, name, monkeypatch):
    monkeypatch.setattr(buildkit, "command", lambda: None)
    said: list[bytes] = []
    spec = BuildSpec(tags=[f"{name}:a"], registries=[guarded.host])
    files = {"Dockerfile": "FROM farm-test/busybox:local\n"}
    assert known.build(context(files), spec, log=said.append, check=lambda: None).builder == buildkit.API
    assert b"warning: logins go unused" in b"".join(said)


def test_each_login_is_for_its_own_registry(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "nobody"))
    monkeypatch.setenv("HUB", "s3same")
    logins = Logins({"docker.io": RegistrySettings(user="acme", password=Secret("env", "HUB"))})
    assert logins.of("docker.io") == {
        "username": "acme",
        "password": "s3same",
        "serveraddress": "https://index.docker.io/v1/",
    }
    assert logins.of("mirror.example") is None
    assert logins.header("mirror.example/a") == "e30="
    assert not logins.file(tmp_path, ["mirror.example"])
    assert logins.file(tmp_path, ["mirror.example", "docker.io"])
    assert json.loads((tmp_path / "config.json").read_text()) == {
        "auths": {"https://index.docker.io/v1/": {"auth": "YWNtZTpzM3NhbWU="}}
    }
    assert (tmp_path / "config.json").stat().st_mode & 0o777 == 0o600
    assert "s3same" not in repr(logins.__dict__)
    monkeypatch.delenv("HUB")
    with pytest.raises(Errored, match=r"^registries: docker.io: the environment variable HUB, which should hold"):
        logins.of("docker.io")
