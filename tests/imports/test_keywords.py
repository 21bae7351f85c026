"""Every keyword that GitLab documents, each where it can stand: it changes the definition, or a note names its line."""

import json
from typing import Any

import pytest
import yaml

from farm.gitlab import convert

# Each stands in a line of its own; the file without that line is what it is compared with.
AT_THE_TOP = {
    "include": "'/ci/a.yml'",
    "include:local": "{local: /ci/a.yml}",
    "include:project": "[{project: a/b, file: x.yml, ref: main}]",
    "include:remote": "{remote: 'https://a.example/x.yml', integrity: sha256-x, cache: 1 day}",
    "include:template": "{template: Auto-DevOps.gitlab-ci.yml}",
    "include:component": "{component: $CI_SERVER_FQDN/a/b@1, inputs: {x: y}}",
    "include:rules": "{local: x.yml, rules: [{if: $A}]}",
    "variables": "{A: b}",
    "variables:value": "{A: {value: b}}",
    "variables:description": "{A: {value: b, description: c}}",
    "variables:options": "{A: {value: b, options: [b]}}",
    "variables:expand": "{A: {value: b, expand: false}}",
    "workflow:name": "{name: x}",
    "workflow:auto_cancel:on_new_commit": "{auto_cancel: {on_new_commit: interruptible}}",
    "workflow:auto_cancel:on_job_failure": "{auto_cancel: {on_job_failure: all}}",
    "workflow:rules:if": "{rules: [{if: $CI_COMMIT_BRANCH == 'x'}]}",
    "workflow:rules:changes": "{rules: [{changes: [src/*]}]}",
    "workflow:rules:exists": "{rules: [{exists: [src/*]}]}",
    "workflow:rules:variables": "{rules: [{variables: {A: b}}]}",
    "workflow:rules:when": "{rules: [{if: $CI_COMMIT_TAG, when: never}, {when: always}]}",
    "workflow:rules:auto_cancel": "{rules: [{auto_cancel: {on_new_commit: none}}]}",
    "image": "python:3.12",
    "services": "[redis]",
    "cache": "{paths: [x]}",
    "before_script": "[echo x]",
    "after_script": "[echo x]",
    "pages": "{script: [x]}",
    "unknown": "{x: y}",
}
DEFAULT = {
    "after_script": "[echo x]",
    "artifacts": "{paths: [x]}",
    "before_script": "[echo x]",
    "cache": "{paths: [x]}",
    "hooks": "{pre_get_sources_script: [x]}",
    "id_tokens": "{A: {aud: x}}",
    "identity": "google_cloud",
    "image": "python:3.12",
    "interruptible": "true",
    "retry": "2",
    "services": "[redis]",
    "tags": "[gpu]",
    "timeout": "5m",
    "unknown": "x",
}
REPORTS = (
    *("accessibility", "annotations", "api_fuzzing", "browser_performance", "codequality", "container_scanning"),
    *("coverage_fuzzing", "cyclonedx", "dast", "dependency_scanning", "dotenv", "load_performance", "metrics"),
    *("performance", "repository_xray", "requirements", "sast", "secret_detection", "terraform", "unknown"),
)
IN_A_JOB = {
    "after_script": "[echo x]",
    "allow_failure": "true",
    "allow_failure:exit_codes": "{exit_codes: 3}",
    "allow_failure:unknown": "{unknown: 3}",
    "artifacts": "{paths: [x]}",
    "artifacts:access": "{paths: [x], access: developer}",
    "artifacts:exclude": "{paths: [x], exclude: [y]}",
    "artifacts:expire_in": "{paths: [x], expire_in: 1 week}",
    "artifacts:expose_as": "{paths: [x], expose_as: y}",
    "artifacts:name": "{paths: [x], name: y}",
    "artifacts:public": "{paths: [x], public: false}",
    "artifacts:reports:junit": "{reports: {junit: x.xml}}",
    "artifacts:reports:coverage_report": "{reports: {coverage_report: {coverage_format: cobertura, path: x}}}",
    "artifacts:reports:coverage_report, of another format": (
        "{reports: {coverage_report: {coverage_format: jacoco, path: x}}}"
    ),
    **{f"artifacts:reports:{each}": f"{{reports: {{{each}: x}}}}" for each in REPORTS},
    "artifacts:untracked": "{untracked: true}",
    "artifacts:when": "{paths: [x], when: always}",
    "artifacts, none": "[]",
    "before_script": "[echo x]",
    "cache": "{paths: [x]}",
    "cache:key": "{paths: [x], key: {files: [y], prefix: z}, policy: pull, unprotect: true, fallback_keys: [a]}",
    "coverage": "'/x/'",
    "dast_configuration": "{site_profile: x}",
    "dependencies": "[two]",
    "environment": "production",
    "environment:url": "{name: x, url: 'https://a.example', on_stop: y, auto_stop_in: 1 day, deployment_tier: other}",
    "extends": ".gone",
    "hooks": "{pre_get_sources_script: [x]}",
    "id_tokens": "{A: {aud: x}}",
    "identity": "google_cloud",
    "image:entrypoint": "{name: alpine:3.20, entrypoint: [bash, -c]}",
    "image:docker": "{name: alpine:3.20, docker: {user: x, platform: y}}",
    "image:kubernetes": "{name: alpine:3.20, kubernetes: {user: x}}",
    "image:pull_policy": "{name: alpine:3.20, pull_policy: always}",
    "inherit:default": "{default: false}",
    "inherit:variables": "{variables: false}",
    "inputs": "{a: {default: x}}",
    "interruptible": "true",
    "manual_confirmation": "sure",
    "needs": "[two]",
    "needs, of a job that there is not": "[gone]",
    "needs:artifacts": "[{job: two, artifacts: false}]",
    "needs:optional": "[{job: two, optional: true}]",
    "needs:parallel": "[{job: two, parallel: {matrix: [{A: b}]}}]",
    "needs:pipeline": "{pipeline: a/b}",
    "needs:pipeline:job": "[{pipeline: $PARENT, job: x}]",
    "needs:project": "[{project: a/b, job: x, ref: main, artifacts: true}]",
    "only:refs": "{refs: [next]}",
    "only:variables": "{variables: [$A == 'b']}",
    "only:changes": "{changes: [src/*]}",
    "only:kubernetes": "{kubernetes: active}",
    "except:refs": "{refs: [main]}",
    "except:variables": "{variables: [$A == 'b']}",
    "except:changes": "{changes: [src/*]}",
    "except:kubernetes": "{kubernetes: active}",
    "pages": "true",
    "pages:publish": "{publish: x, path_prefix: y, expire_in: 1 day}",
    "parallel": "2",
    "parallel:matrix": "{matrix: [{A: [b, c]}]}",
    "parallel, unknown": "{unknown: x}",
    "release": "{tag_name: x, description: y}",
    "resource_group": "x",
    "retry": "1",
    "retry:max": "{max: 1}",
    "retry:when": "{when: job_execution_timeout}",
    "retry:exit_codes": "{exit_codes: 3}",
    "retry:unknown": "{unknown: 3, max: 1}",
    "rules:if": "[{if: $CI_COMMIT_BRANCH == 'x'}]",
    "rules:changes": "[{changes: [src/*]}]",
    "rules:changes:paths": "[{changes: {paths: [src/*]}}]",
    "rules:changes:compare_to": "[{changes: {paths: [src/*], compare_to: x}}]",
    "rules:exists": "[{exists: [src/*]}]",
    "rules:when": "[{when: manual}]",
    "rules:allow_failure": "[{allow_failure: true}]",
    "rules:needs": "[{needs: [two]}]",
    "rules:variables": "[{variables: {A: b}}]",
    "rules:interruptible": "[{interruptible: true}]",
    "rules:start_in": "[{when: delayed, start_in: 3 hours}]",
    "run": "[{name: x, script: y}]",
    "secrets": "{A: {vault: a/b@c, file: false, token: x}}",
    "secrets:azure_key_vault": "{A: {azure_key_vault: {name: x}}}",
    "secrets:gcp_secret_manager": "{A: {gcp_secret_manager: {name: x}}}",
    "services": "[redis]",
    "services:alias": "[{name: redis, alias: cache}]",
    "services:entrypoint": "[{name: redis, entrypoint: [x]}]",
    "services:command": "[{name: redis, command: [x]}]",
    "services:variables": "[{name: redis, variables: {A: b}}]",
    "services:docker": "[{name: redis, docker: {user: x}}]",
    "services:kubernetes": "[{name: redis, kubernetes: {user: x}}]",
    "services:pull_policy": "[{name: redis, pull_policy: always}]",
    "stage": "late",
    "start_in": "3 hours",
    "tags": "[gpu]",
    "timeout": "5m",
    "trigger": "a/b",
    "trigger:include": "{include: x.yml, strategy: depend, forward: {}, inputs: {}}",
    "type": "test",
    "variables": "{A: b}",
    "variables:expand": "{A: {value: b, expand: false}}",
    "when:always": "always",
    "when:delayed": "delayed",
    "when:manual": "manual",
    "when:never": "never",
    "when:on_failure": "on_failure",
    "unknown": "x",
}


SAME_FOR_A_HOOK = {"needs"}  # of what is over before any hook begins
SAME = {  # whatever these say, it is the same here, or what they stand in is told
    *("needs:artifacts", "needs:optional", "needs:pipeline:job"),
    *("secrets:azure_key_vault", "secrets:gcp_secret_manager"),
}
TOP = "stages: [test, late, deploy]\nvariables: {Z: z}\ndefault: {retry: 2}\n"
BUILDS = "  script: ['docker build --build-arg Z -t $CI_REGISTRY_IMAGE .', 'docker push $CI_REGISTRY_IMAGE']\n"
TESTS = "  script: [make]\n"


def key(keyword: str) -> str:
    return keyword.partition(":")[0].partition(",")[0]


def without(value: Any, gone: str) -> Any:
    """Return a value that lacks a key, wherever it stands."""
    if isinstance(value, list):
        return [without(item, gone) for item in value]
    if isinstance(value, dict):
        return {name: without(item, gone) for name, item in value.items() if name != gone}
    return value


def lesser(keyword: str, value: str) -> str:
    """Return the value without the key inside it that the keyword names; nothing where it names the whole."""
    data = yaml.load(value, yaml.BaseLoader)
    less = without(data, keyword.rpartition(":")[2]) if ":" in keyword else data
    return json.dumps(less) if less != data and any(less) else ""


def shown(before: str, keyword: str, value: str, after: str = "") -> bool:
    """Say whether a keyword in a line between others changes the definition, or is named by a note.

    A note for the whole of what it is in, or for the job, names it too.
    """
    line, indent = before.count("\n") + 1, "  " if before else ""
    rest = lesser(keyword, value)
    whole = convert(f"{before}{indent}{key(keyword)}: {value}\n{after}")
    less = convert(f"{before}{indent}{key(keyword)}: {rest}\n{after}" if rest else f"{before}\n{after}")
    if whole.text != less.text or (key(keyword) == "inherit" and [*whole.notes] != [*less.notes]):
        return True
    new = {*whole.notes} - {*less.notes}
    gone = [
        note
        for note in whole.notes
        if note.message.startswith((f"{key(keyword)} ", f"{key(keyword)}: ", "deploys, so", "starts an"))
    ]
    return any(note.line == line for note in new) or any(note.line <= line for note in gone)


@pytest.mark.parametrize("keyword", AT_THE_TOP)
def test_a_keyword_at_the_top(keyword: str) -> None:
    assert shown("", keyword, AT_THE_TOP[keyword], f"one:\n{TESTS}")


def test_the_header_of_a_file_with_inputs() -> None:
    assert shown("", "spec", "{inputs: {where: {default: x}}}", f"---\none:\n{TESTS}")


@pytest.mark.parametrize("keyword", ["stages", "types"])
def test_the_order_of_stages(keyword: str) -> None:
    assert shown("", keyword, "[test, first]", f"one:\n  stage: first\n{TESTS}two:\n{TESTS}")


@pytest.mark.parametrize("keyword", DEFAULT)
def test_a_keyword_of_default(keyword: str) -> None:
    assert shown("default:\n", keyword, DEFAULT[keyword], f"one:\n{TESTS}")


@pytest.mark.parametrize("keyword", sorted(IN_A_JOB.keys() - SAME))
def test_a_keyword_of_a_job_that_tests(keyword: str) -> None:
    image = "" if key(keyword) == "image" else "  image: alpine:3.20\n"
    assert shown(f"{TOP}two:\n{TESTS}one:\n{image}{TESTS}", keyword, IN_A_JOB[keyword])


@pytest.mark.parametrize("keyword", sorted(IN_A_JOB.keys() - SAME))
def test_a_keyword_of_a_job_that_builds(keyword: str) -> None:
    assert shown(f"{TOP}two:\n{TESTS}build:\n{BUILDS}", keyword, IN_A_JOB[keyword])


@pytest.mark.parametrize("keyword", sorted(IN_A_JOB.keys() - SAME - SAME_FOR_A_HOOK))
def test_a_keyword_of_a_job_that_deploys(keyword: str) -> None:
    before = f"{TOP}two:\n{BUILDS}one:\n  stage: deploy\n  script: [./deploy]\n"
    assert shown(before, keyword, IN_A_JOB[keyword])
