"""Whose fault it is, from the words of engines old and new."""

import pytest

from farm.errors import Errored, Failed
from workers.docker import blame

DIAL = 'failed to do request: Head "https://r/v2/x/manifests/1": dial tcp 10.0.0.1:443: connect: connection refused'


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ("executor failed running [/bin/sh -c make test]: exit code: 2", "build failed: RUN make test: exit code 2"),
        (
            'failed to solve: process "/bin/sh -c make test" did not complete successfully: exit code: 2',
            "build failed: RUN make test: exit code 2",
        ),
        (
            "The command '/bin/sh -c make test' returned a non-zero code: 2",
            "build failed: RUN make test: exit code 2",
        ),
        (
            'process "/bin/sh -c echo dial tcp; exit 1" did not complete successfully: exit code: 1',
            "build failed: RUN echo dial tcp; exit 1: exit code 1",
        ),
        (
            "ERROR: failed to solve: dockerfile parse error on line 3: unknown instruction: FOO",
            "build failed: deploy/Dockerfile, line 3: unknown instruction: FOO",
        ),
        (
            "failed to solve: failed to read dockerfile: open Dockerfile: no such file or directory",
            "build failed: there is no deploy/Dockerfile in the build context; add it or set build.dockerfile",
        ),
        (
            'failed to solve: failed to compute cache key: failed to calculate checksum of a::b: "/nope": not found',
            "build failed: COPY or ADD of /nope: it is not in the build context (see .dockerignore)",
        ),
        (
            "failed to solve with frontend dockerfile.v0: failed to create LLB definition: target stage b could not be",
            "build failed: target stage b could not be",
        ),
        (
            "failed to solve: x/none:1: failed to resolve source metadata for registry.example/x/none:1: not found",
            "build failed: x/none:1: failed to resolve source metadata for registry.example/x/none:1: not found",
        ),
    ],
)
def test_what_the_pushed_code_did(message, sentence):
    error = blame.of_build(message, "deploy/Dockerfile")
    assert isinstance(error, Failed)
    assert str(error) == sentence


@pytest.mark.parametrize(
    "message",
    [
        f"failed to solve: {DIAL}",
        "failed to solve: failed to copy: httpReadSeeker: unexpected status code: 503 Service Unavailable",
        "toomanyrequests: You have reached your pull rate limit",
        "write /var/lib/docker/x: no space left on device",
        'Get "https://r/v2/": net/http: TLS handshake timeout',
    ],
)
def test_what_is_ours(message):
    assert isinstance(blame.of_build(message, "Dockerfile"), Errored)
    assert isinstance(blame.of_pull("r/x:1", message), Errored)
    assert isinstance(blame.of_push("r/x:1", message), Errored)


@pytest.mark.parametrize(
    "message",
    [
        "manifest for r/x:1 not found: manifest unknown: manifest unknown",
        "pull access denied for x, repository does not exist or may require 'docker login': denied",
        "invalid reference format: repository name must be lowercase",
    ],
)
def test_an_image_that_is_not_given_is_the_pushed_codes_fault(message):
    error = blame.of_pull("r/x:1", message)
    assert isinstance(error, Failed)
    assert str(error).startswith(f"image r/x:1 cannot be pulled: {message}; check its name")


def test_a_long_story_is_cut_to_one_line():
    command = "a\n" * 999
    error = str(blame.of_build(f"executor failed running [/bin/sh -c {command}]: exit code: 1", "Dockerfile"))
    assert "\n" not in error
    assert len(error) < 300
    assert error.endswith("…: exit code 1")
