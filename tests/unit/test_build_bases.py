"""Whose login a build may need: the registries of the images that a Dockerfile names."""

import pytest

from workers.bases import registries


@pytest.mark.parametrize(
    ("dockerfile", "hosts"),
    [
        ("FROM scratch\n", ()),
        ("FROM python:3.12\n", ("docker.io",)),
        ("FROM index.docker.io/library/python:3.12\nFROM acme/base\n", ("docker.io",)),
        ("from --platform=linux/amd64 mirror.example:5000/a AS one\nFROM one\n", ("mirror.example:5000",)),
        (
            "FROM localhost/a as one\nCOPY --from=one / /\nCOPY --from=0 / /\nCOPY --from=b.example/c / /\n",
            ("localhost", "b.example"),
        ),
        ("FROM scratch\nRUN --mount=type=bind,from=b.example/c,target=/c true\n", ("b.example",)),
        ("ARG HOST=a.example\nFROM $HOST/a\n", ("a.example",)),
        ('ARG BASE="a.example/b:1"\nFROM ${BASE}\n', ("a.example",)),
        ("ARG OTHER\nFROM ${OTHER:-c.example/d}\n", ("c.example",)),
        ("# syntax=docker/dockerfile:1\nFROM scratch\n", ("docker.io",)),
        ("FROM \\\n  a.example/b@sha256:" + "0" * 64 + "\n", ("a.example",)),
    ],
)
def test_the_registries_of_a_dockerfile(dockerfile, hosts):
    assert registries(dockerfile, {}) == hosts


def test_arguments_of_the_build_come_first():
    assert registries("ARG HOST=a.example\nFROM $HOST/a\n", {"HOST": "b.example"}) == ("b.example",)
