"""No text crashes the parser or holds it up, and what it takes, the JSON Schema takes too."""

import json
import time
from typing import Any, ClassVar, Self

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from jsonschema import Draft202012Validator

from farm.cli.lint import complaint
from farm.definition import Definition, DefinitionError, parse
from farm.definition.schema import schema

GOOD = """
image: thyme
include: [a.yml]
templates: {v: {extends: t, memory: 1g}}
build: {context: app, target: x, args: {A: 1}}
test:
  extends: [v]
  script: ["a: b", c]
  env: &e {A: yes, <<: {B: 2}}
  services: {db: {image: "postgres:16", env: *e, command: x -y, ready: {port: 5432, timeout: 5m}}, c: redis}
  reports: {junit: "*.xml"}
release: {branches: [main], tags: ["{branch}"]}
notify: {slack: change}
"""
SCHEMA = Draft202012Validator(schema())
WORDS = sorted({*schema()["properties"], *(key for part in schema()["$defs"].values() for key in part["properties"])})
TOKENS = [
    *WORDS,
    *"[]{}:,-?&*!|>'\"%@`#~\t\n ",
    ": ",
    "- ",
    "\n  ",
    "&a",
    "*a",
    "<<",
    "!!x",
    "\ufeff",
    "\x00",
    "\u2028",
]

EXAMPLES = 50 if settings().derandomize else 200  # the same each time; `--long` looks for others
fuzz = settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def some(samples: list[Any]) -> st.SearchStrategy[Any]:
    """Mostly one of the samples, sometimes two of them in a list, seldom anything."""
    one = st.sampled_from(samples)
    return st.one_of(one, one, one, st.lists(one, max_size=2), anything)


def mapping(**values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({}, optional=values)


env = mapping(A=some(["a", 1, True, None, 1.5, ""]), a_1=some(["x"]), **{"1a": some(["x"])}) | anything
durations = some([5, 0, 1.5, "5", "5m", "1h30m", "5x", "", "m", "-1", 100000, True])
images = some(["a", "a:{A}", "{A}", "{B}{A}", "a/b", "host:5000/a:b", "A", "a:b:c", "", " a", "a\n"])
ready = mapping(command=some(["x", ""]), port=some([1, 0, "1"]), timeout=durations) | some(["x", 5])
service = mapping(image=images, env=env, command=some(["x y", "'", [], ""]), ready=ready) | images
script = some(["x", "", " ", 5, True, {"a": "b"}, []])
parents = some(["t", "u", "zz", "T"])
surroundings = {
    "extends": parents,
    "image": images,
    "env": env,
    "services": mapping(db=service, a_b=service),
    "reports": mapping(junit=some(["*.xml", "/x", "../x", ""])),
    "timeout": durations,
    "runs_on": some(["gpu", "GPU", "a b"]),
}
variants = {"matrix": mapping(A=some([1, "x", "a b", []])), "parallel": some([2, 1, "2"])}
job = mapping(script=script, needs=some(["a", "b", "zz", "A"]), **variants, **surroundings) | script
jobs = mapping(a=job, b=job, c_1=job, **{"x.y": job}) | anything
test = mapping(script=script, **variants, **surroundings) | mapping(jobs=jobs, **surroundings) | script
documents = mapping(
    image=images,
    build=mapping(context=some([".", "..", "a/b", "/"]), dockerfile=some(["x", ""]), target=some(["x", ""]), args=env),
    test=test,
    release=mapping(branches=some(["main", "refs/heads/a", "a b", ""]), tags=some(["latest", "{tag}", "{x}", "-", ""])),
    notify=mapping(slack=some(["change", "off", False, True, "x"])),
    templates=mapping(t=job, u=job) | anything,
    include=some(["a.yml", "b.yml", {"file": "c.yml"}, {"repository": "r", "file": "a.yml"}, "no.yml", 5, ""]),
    other=anything,
)


class Library:
    """A few files that include each other, in every repository."""

    texts: ClassVar = {
        "a.yml": b"templates: {t: {script: x, extends: u}, u: {env: {A: 1}}}",
        "b.yml": b"include: [a.yml, c.yml]\ntest: {jobs: {a: {extends: t}}}",
        "c.yml": b"include: {repository: r, file: b.yml}",
    }

    def title(self, path: str) -> str:
        return path

    def read(self, path: str) -> bytes | None:
        return self.texts.get(path)

    def names(self) -> list[str]:
        return list(self.texts)

    def other(self, repository: str, ref: str | None) -> Self:  # noqa: ARG002
        return self


def outcome(text: str | bytes) -> Definition | None:
    try:
        return parse(text, files=Library())
    except DefinitionError as error:
        mistakes = error.mistakes
    assert mistakes
    assert all(mistake.line > 0 and mistake.column > 0 for mistake in mistakes)
    complaint(mistakes, {".farm.yml": text.encode(errors="replace") if isinstance(text, str) else text})
    return None


@fuzz
@given(st.text() | st.binary())
def test_any_text(text: str | bytes):
    outcome(text)


@fuzz
@given(st.lists(st.sampled_from(TOKENS), max_size=60).map("".join))
def test_pieces_of_yaml(text: str):
    outcome(text)


@fuzz
@given(st.integers(0, len(GOOD)), st.integers(0, 12), st.sampled_from(TOKENS) | st.text(max_size=3))
def test_a_good_definition_with_a_slip(start: int, length: int, slip: str):
    outcome(GOOD[:start] + slip + GOOD[start + length :])


@settings(fuzz, max_examples=3 * EXAMPLES)
@given(documents)
def test_the_schema_takes_what_the_parser_takes(data: Any):
    """It may take more (it cannot tell all), never less: an editor must not warn of what is right."""
    text = json.dumps(data)
    if outcome(text) is not None:
        assert not [error.message for error in SCHEMA.iter_errors(json.loads(text))]


def listed(word: str, count: int) -> str:
    return ", ".join(f"{word}-number-{number:03}-of-many" for number in range(count))


def jobs_of(count: int, said: str) -> str:
    return "".join(f"    job-number-{number:03}-of-many: {{script: x, {said}}}\n" for number in range(count))


SERVICES = ", ".join(
    f"sxb-number-{number:02}-of-many: {{image: x, needs: [{listed('svb', 20)}]}}" for number in range(20)
)
TEMPLATES = "".join(f"  template-number-{number:03}-of-many: {{}}\n" for number in range(100))
MANY = {
    "needs": "test:\n  jobs:\n" + jobs_of(100, f"needs: [{listed('jxb', 50)}]"),
    "services": "test:\n  jobs:\n" + jobs_of(15, f"services: {{{SERVICES}}}"),
    "extends": f"templates:\n{TEMPLATES}test:\n  jobs:\n" + jobs_of(100, f"extends: [{listed('txmplate', 10)}]"),
}


@pytest.mark.parametrize("text", MANY.values(), ids=MANY)
def test_thousands_of_mistakes_do_not_hold_it_up(text: str):
    begun = time.monotonic()
    with pytest.raises(DefinitionError) as caught:
        parse(text)
    assert time.monotonic() - begun < 10  # half a second where nothing else runs; minutes if each looks for its hint
    assert "did you mean" in str(caught.value)
