"""farm.registry against the real docker-registry program, with and without authentication."""

import base64
import hashlib
import http.server
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from farm.cli import parts
from farm.errors import Errored
from farm.registry import MEDIA_TYPES, Manifest, Registry, split
from farm.settings import Settings
from tests.conftest import wait_until
from tests.ports import free_ports
from tests.receiver import Answer, receiving
from workers import tools

pytestmark = pytest.mark.registry
# "secret", hashed by bcrypt with the lowest cost that there is
HTPASSWD = "me:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n"


@contextmanager
def serving(folder: Path, auth: str = "") -> Iterator[tuple[str, subprocess.Popen]]:
    (port,) = free_ports(1)
    folder.mkdir(exist_ok=True)
    (folder / "registry.yml").write_text(
        f"version: 0.1\nlog: {{level: error}}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder}/data}}, delete: {{enabled: true}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n{auth}"
    )
    process = subprocess.Popen(
        ["docker-registry", "serve", str(folder / "registry.yml")],
        env={**os.environ, "OTEL_TRACES_EXPORTER": "none"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: socket.create_connection(("127.0.0.1", port), 1).close() is None, what="the registry")
        yield f"127.0.0.1:{port}", process
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("registry")) as (address, _):
        yield address


@pytest.fixture
def registry(address) -> Iterator[Registry]:
    with Registry(address, user_timeout=4) as registry:
        yield registry


def test_the_kernel_lets_nothing_loose_after_a_while(registry: Registry) -> None:
    with registry._http.stream("GET", "") as answer:
        connection = answer.extensions["network_stream"].get_extra_info("socket")
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 4000


def upload(address: str, repository: str, text: str, auth: tuple[str, str] | None = None) -> Manifest:
    """Put an image of one blob into the registry, without the client under test."""
    blob = text.encode()
    digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
    with httpx.Client(base_url=f"http://{address}", auth=auth, trust_env=False) as client:
        place = client.post(f"/v2/{repository}/blobs/uploads/").headers["location"]
        assert (
            client.put(place, params=dict(httpx.URL(place).params) | {"digest": digest}, content=blob).status_code
            == 201
        )
    return image(digest, len(blob))


def image(digest: str, size: int) -> Manifest:
    part = {"mediaType": "application/octet-stream", "digest": digest, "size": size}
    config = {**part, "mediaType": "application/vnd.oci.image.config.v1+json"}
    body = json.dumps({"schemaVersion": 2, "mediaType": MEDIA_TYPES[1], "config": config, "layers": [part]}).encode()
    return Manifest(f"sha256:{hashlib.sha256(body).hexdigest()}", MEDIA_TYPES[1], body)


def test_a_tag_moves_to_a_digest_and_back(address, registry):
    one, two = upload(address, "team/thyme", "1"), upload(address, "team/thyme", "2")
    registry.put("team/thyme", "build-1", one)
    registry.put("team/thyme", "build-2", two)
    assert registry.manifest("team/thyme", "build-1") == one
    for each in (one, two, one):
        registry.tag("team/thyme", each.digest, "latest")
        assert registry.digest("team/thyme", "latest") == each.digest
    assert sorted(registry.tags("team/thyme")) == ["build-1", "build-2", "latest"]


def test_an_index_keeps_its_digest(address, registry):
    one = upload(address, "index", "1")
    registry.put("index", "amd64", one)
    part = {"mediaType": one.media_type, "digest": one.digest, "size": len(one.body)}
    body = json.dumps({"schemaVersion": 2, "mediaType": MEDIA_TYPES[0], "manifests": [part]}).encode()
    index = Manifest(f"sha256:{hashlib.sha256(body).hexdigest()}", MEDIA_TYPES[0], body)
    registry.put("index", "all", index)
    registry.tag("index", index.digest, "latest")
    assert registry.manifest("index", "latest") == index


def test_what_is_not_there_is_none(registry):
    assert registry.digest("nothing", "latest") is None
    assert registry.manifest("nothing", "latest") is None
    assert list(registry.tags("nothing")) == []
    assert registry.delete("nothing", "sha256:" + "0" * 64) is False
    with pytest.raises(Errored, match="is gone from the registry; build it again"):
        registry.tag("nothing", "sha256:" + "0" * 64, "latest")


def test_deleting_a_digest_takes_its_tags(address, registry):
    one = upload(address, "gone", "1")
    registry.put("gone", "a", one)
    assert registry.delete("gone", one.digest)
    assert registry.digest("gone", "a") is None


def test_a_manifest_whose_parts_are_missing_is_refused_with_the_registrys_words(address, registry):
    one = upload(address, "here", "1")
    with pytest.raises(Errored, match=r"refused PUT elsewhere/manifests/latest: 400 .*unknown"):
        registry.put("elsewhere", "latest", one)


def test_tags_come_in_pages(address, registry):
    one = upload(address, "pages", "1")
    names = {f"t{n}" for n in range(7)}
    for name in names:
        registry.put("pages", name, one)
    assert set(registry.tags("pages", page=3)) == names


def test_many_threads_share_one_client(address, registry):
    one = upload(address, "shared", "1")
    registry.put("shared", "a", one)
    found = []
    threads = [threading.Thread(target=lambda: found.append(registry.digest("shared", "a"))) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert found == [one.digest] * 8


def test_a_registry_that_is_down_errs_with_a_sentence():
    with (
        Registry(f"127.0.0.1:{free_ports(1)[0]}") as registry,
        pytest.raises(Errored, match=r"does not answer: .*refused; is it"),
    ):
        registry.digest("a", "b")


def test_a_registry_that_came_back_is_used_on(tmp_path, poll):
    with serving(tmp_path) as (address, process), Registry(address) as registry:
        one = upload(address, "a", "1")
        registry.put("a", "latest", one)
        process.kill()
        process.wait()
        with pytest.raises(Errored):
            registry.put("a", "latest", one)
        again = subprocess.Popen(
            ["docker-registry", "serve", str(tmp_path / "registry.yml")], stderr=subprocess.DEVNULL
        )
        try:
            assert poll(lambda: registry.digest("a", "latest")) == one.digest
        finally:
            again.kill()
            again.wait()


def test_a_registry_that_hangs_errs_in_time(tmp_path):
    with serving(tmp_path) as (address, process), Registry(address, timeout=0.2) as registry:
        registry.digest("a", "latest")
        process.send_signal(signal.SIGSTOP)
        threads = Path(f"/proc/{process.pid}/task")
        wait_until(lambda: all("(stopped)" in each.read_text() for each in threads.glob("*/status")))
        with pytest.raises(Errored, match=r"does not answer: .*timed out"):
            registry.digest("a", "latest")


def test_basic_authentication(tmp_path):
    (tmp_path / "users").write_text(HTPASSWD)
    with serving(tmp_path, f"auth: {{htpasswd: {{realm: x, path: {tmp_path}/users}}}}\n") as (address, _):
        one = upload(address, "a", "1", ("me", "secret"))
        with Registry(address, login=lambda: ("me", "secret")) as registry:
            registry.put("a", "latest", one)
            assert registry.digest("a", "latest") == one.digest
        with Registry(address) as stranger, pytest.raises(Errored, match="401 authentication required"):
            stranger.manifest("a", "latest")


def test_the_login_of_farm_yml_opens_the_farms_own_registry_and_doctor_says_where_it_is_wanted(tmp_path):
    (tmp_path / "users").write_text(HTPASSWD)
    (tmp_path / "word").write_text("secret\n")
    with serving(tmp_path, f"auth: {{htpasswd: {{realm: x, path: {tmp_path}/users}}}}\n") as (address, _):
        (tmp_path / "farm.yml").write_text(f"registry: {address}\n")
        (wanted,) = parts.registry(Settings.load(tmp_path))
        assert (wanted.verdict, wanted.words) == ("error", f"{address} wants a login")
        assert wanted.mend == f"give `registries` in farm.yml user and password for {address}"
        given = f"registries: {{'{address}': {{user: me, password: {{file: {tmp_path}/word}}}}}}\n"
        (tmp_path / "farm.yml").write_text(f"registry: {address}\n{given}")
        settings = Settings.load(tmp_path)
        assert [finding.verdict for finding in parts.registry(settings)] == ["ok"]
        one = upload(address, "a", "1", ("me", "secret"))
        with tools.registry(settings) as registry:
            registry.put("a", "latest", one)
            assert registry.digest("a", "latest") == one.digest
        (tmp_path / "word").write_text("wrong\n")
        (refused,) = parts.registry(settings)
        assert refused.words == f"{address} refuses this machine's login"
        (tmp_path / "word").unlink()
        (away,) = parts.registry(settings)
        assert (away.verdict, away.words.startswith(f"registries: {address}: ")) == ("error", True)


class Tokens(http.server.BaseHTTPRequestHandler):
    """A token server, as the distribution specification wants it: it grants what is asked for, for a minute."""

    folder: Path

    def do_GET(self) -> None:
        asked = httpx.URL(f"http://x{self.path}").params
        granted = []
        for scope in asked.get_list("scope"):
            kind, name, actions = scope.split(":")
            granted.append({"type": kind, "name": name, "actions": actions.split(",")})
        if self.headers["Authorization"] != "Basic " + base64.b64encode(b"me:secret").decode():
            granted = []
        now = int(time.time())
        claims = {
            "iss": "i",
            "sub": "me",
            "aud": asked["service"],
            "exp": now + 60,
            "nbf": now - 5,
            "iat": now,
            "jti": "1",
        }
        der = subprocess.run(
            ["openssl", "x509", "-in", self.folder / "cert", "-outform", "der"], check=True, capture_output=True
        ).stdout
        header = {"alg": "RS256", "typ": "JWT", "x5c": [base64.b64encode(der).decode()]}
        parts = [json.dumps(part).encode() for part in (header, claims | {"access": granted})]
        text = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
        signed = subprocess.run(
            ["openssl", "dgst", "-sha256", "-sign", self.folder / "key"], input=text, check=True, capture_output=True
        ).stdout
        body = json.dumps({"token": (text + b"." + base64.urlsafe_b64encode(signed).rstrip(b"=")).decode()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        pass


def test_token_authentication(tmp_path):
    make = f"openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=x -keyout {tmp_path}/key -out {tmp_path}/cert"
    subprocess.run(make.split(), check=True, capture_output=True)
    handler = type("Handler", (Tokens,), {"folder": tmp_path})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        realm = f"http://127.0.0.1:{server.server_port}/token"
        auth = f"auth: {{token: {{realm: '{realm}', service: s, issuer: i, rootcertbundle: {tmp_path}/cert}}}}\n"
        with serving(tmp_path, auth) as (address, _), Registry(address, login=lambda: ("me", "secret")) as registry:
            assert registry.digest("a", "latest") is None
            with pytest.raises(Errored, match=r"400 .*unknown"):  # let in
                registry.put("a", "latest", image("sha256:" + "0" * 64, 1))
            with Registry(address) as stranger, pytest.raises(Errored, match="401"):
                stranger.manifest("a", "latest")
        server.shutdown()


@pytest.mark.parametrize(
    "answers",
    [
        [Answer(200, b"<html>a proxy's page</html>")],
        [Answer(200, b"[]")],
        [Answer(401, headers={"WWW-Authenticate": 'Bearer service="x"'})],
        [Answer(401, headers={"WWW-Authenticate": 'Bearer realm="{url}"'}), Answer(200, b"<html/>")],
        [Answer(401, headers={"WWW-Authenticate": 'Bearer realm="{url}"'}), Answer(200, b"[]")],
        [Answer(401, headers={"WWW-Authenticate": 'Bearer realm="http://["'})],
    ],
    ids=["page", "list", "no realm", "page for a token", "list for a token", "no URL"],
)
def test_what_is_no_registry_errs_too(answers: list[Answer]) -> None:
    with receiving(lambda _: Answer(401)) as server:
        told = [{key: value.replace("{url}", server.url) for key, value in each.headers.items()} for each in answers]
        server.answers = [replace(each, headers=headers) for each, headers in zip(answers, told, strict=True)]
        with Registry(server.url.removeprefix("http://")) as registry, pytest.raises(Errored):
            list(registry.tags("a"))


def test_the_parts_of_an_image_name():
    digest = "sha256:" + "0" * 64
    assert split(f"127.0.0.1:5000/team/thyme@{digest}") == ("127.0.0.1:5000", "team/thyme", digest)
    assert split("127.0.0.1:5000/thyme:v1") == ("127.0.0.1:5000", "thyme", "v1")
    assert split("example.org/thyme") == ("example.org", "thyme", "latest")


@pytest.mark.parametrize(
    ("address", "scheme"),
    [
        ("127.9.0.1:5000", "http"),
        ("localhost", "http"),
        ("[::1]:5000", "http"),
        ("10.0.0.1:5000", "https"),
        ("a.org", "https"),
    ],
)
def test_plain_http_only_on_this_machine(address, scheme):
    with Registry(address) as registry:
        assert registry._http.base_url.scheme == scheme
