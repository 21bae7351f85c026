"""The same Docker work as a pipeline's, done by hand in sequence: every call the fastest that facts know of.

No queue, no record, no limits, no log: what is left is what the engine, the registry and git take.
"""

import gzip
import socket
import subprocess
import time
from pathlib import Path

import docker
import httpx

ACCEPT = "application/vnd.docker.distribution.manifest.v2+json"


class Hand:
    """A person with an API client: kept connections to the engine and to the registry."""

    def __init__(self, registry: str) -> None:
        self.registry = registry
        self.engine = docker.APIClient(version="auto", timeout=120)
        self.left: tuple[list[str], str | None] = ([], None)
        self.http = httpx.Client(base_url=f"http://{registry}/v2", headers={"Accept": ACCEPT})

    def deliver(self, bare: Path, commit: str, name: str, script: str, service: str | None) -> None:
        """Build, push, test and release one commit; returns when `latest` is the image that passed."""
        target = f"{self.registry}/{name}"
        self.build(bare, commit, f"{target}:build")
        digest = self.push(target)
        network = database = None
        if service:
            network = self.engine.create_network(f"hand-{time.time_ns()}")["Id"]
            database = self.start(service, ["httpd", "-f", "-p", "8080"], network, "db")
            self.until_ready(database, 8080)
        job = self.start(f"{target}@{digest}", ["sh", "-ec", script], network, "job")
        code = self.engine.wait(job)["StatusCode"]
        assert code == 0, self.engine.logs(job).decode()
        manifest = self.http.get(f"/{name}/manifests/{digest}")
        put = self.http.put(
            f"/{name}/manifests/latest",
            content=manifest.content,
            headers={"Content-Type": manifest.headers["Content-Type"]},
        )
        put.raise_for_status()
        self.left = ([one for one in (job, database) if one], network)

    def build(self, bare: Path, commit: str, tag: str) -> None:
        """Stream the commit's tree into BuildKit through the engine's API."""
        archive = subprocess.run(["git", "-C", str(bare), "archive", commit], capture_output=True, check=True).stdout
        answer = self.engine._post(
            self.engine._url("/build"),
            data=gzip.compress(archive, 0),
            params={"t": tag, "version": "2", "rm": "1"},
            headers={"Content-Type": "application/gzip"},
            stream=True,
        )
        answer.raise_for_status()
        for line in answer.iter_lines():
            assert b'"error"' not in line, line

    def push(self, target: str) -> str:
        """Push and return the digest of the manifest."""
        for line in self.engine.push(target, tag="build", stream=True, decode=True):
            assert "error" not in line, line
            if "aux" in line:
                digest = line["aux"]["Digest"]
        return digest

    def start(self, image: str, command: list[str], network: str | None, alias: str) -> str:
        """Start a container, on its own network beside a service, on the default one without."""
        settings = {}
        if network:
            endpoint = self.engine.create_endpoint_config(aliases=[alias])
            settings = {"networking_config": self.engine.create_networking_config({network: endpoint})}
        made = self.engine.create_container(image, command, entrypoint=[], detach=True, **settings)
        self.engine.start(made["Id"])
        return made["Id"]

    def until_ready(self, container: str, port: int) -> None:
        """Connect every 10 ms until the service answers."""
        (network,) = self.engine.inspect_container(container)["NetworkSettings"]["Networks"].values()
        while True:
            try:
                socket.create_connection((network["IPAddress"], port), timeout=0.5).close()
            except OSError:
                time.sleep(0.01)
            else:
                return

    def tear_down(self) -> None:
        """Kill and remove what the last delivery left; not part of what is timed."""
        containers, network = self.left
        for one in containers:
            self.engine.remove_container(one, force=True, v=True)
        if network:
            self.engine.remove_network(network)
