"""GitLab's variables in the farm's words: in commands, in names of images, in tags. It knows no job."""

import re
from collections.abc import Callable, Mapping, Sequence

SOURCE = "/src"  # where the files of the commit are, as GitLab puts them into its builds folder

# In a command: what the farm tells a script under another name.
_RENAMED: Mapping[str, str] = {
    "CI_COMMIT_SHA": "${FARM_COMMIT}",
    "CI_COMMIT_SHORT_SHA": '$(printf %.8s "$FARM_COMMIT")',
    "CI_COMMIT_BRANCH": "${FARM_BRANCH}",
    "CI_COMMIT_TAG": "${FARM_TAG}",
    "CI_COMMIT_REF_NAME": "${FARM_BRANCH:-$FARM_TAG}",
    "CI_PIPELINE_ID": "${FARM_PIPELINE}",
    "CI_PIPELINE_IID": "${FARM_PIPELINE}",
    "CI_PROJECT_NAME": "${FARM_REPOSITORY}",
    "CI_PROJECT_PATH": "${FARM_REPOSITORY}",
    "CI_PROJECT_DIR": SOURCE,
    "CI_JOB_NAME": "${FARM_STEP}",
    "CI_NODE_INDEX": "${FARM_SHARD}",
    "CI_NODE_TOTAL": "${FARM_SHARDS}",
}
# In a tag: the fields of the farm's templates.
_FIELDS: Mapping[str, str] = {
    "CI_COMMIT_SHA": "{short_sha}",
    "CI_COMMIT_SHORT_SHA": "{short_sha}",
    "CI_COMMIT_BRANCH": "{branch}",
    "CI_COMMIT_REF_NAME": "{branch}",
    "CI_COMMIT_REF_SLUG": "{branch}",
    "CI_COMMIT_TAG": "{tag}",
    "CI_PIPELINE_ID": "{number}",
    "CI_PIPELINE_IID": "{number}",
}
_OWN = ("CI_", "GITLAB_", "DOCKER_", "KUBE_", "CHAT_", "TRIGGER_")
_LONGEST = 1 << 20  # characters; variables that stand in each other would fill the memory
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))")
_INSIDE = re.compile(r"\$\{(CI_\w+|GITLAB_\w+)")


def expand(text: str, values: Mapping[str, str]) -> str:
    """Return the text with the variables that are known filled in, also those that stand in their values."""
    for _ in range(10):
        if len(text) + sum(len(values.get(name, "")) for name in names(text)) > _LONGEST:
            break
        filled = _sub(text, values.get)
        if filled == text:
            break
        text = filled
    return text


def command(text: str) -> tuple[str, Sequence[str]]:
    """Return a command in the farm's words, and GitLab's own variables for which there are none."""
    said = _sub(text, _RENAMED.get)
    left = [*names(said), *_INSIDE.findall(said)]
    return said, sorted({name for name in left if name.startswith(("CI_", "GITLAB_"))})


def tag(text: str) -> str:
    """Return a tag of an image as a template of the farm."""
    return _sub(text, _FIELDS.get)


def names(text: str) -> list[str]:
    """Return the names of the variables in a text."""
    return [found[0] or found[1] for found in _VARIABLE.findall(text)]


def predefined(text: str) -> bool:
    """Say whether a text needs what only GitLab knows."""
    return any(name.startswith(_OWN) for name in names(text))


def _sub(text: str, replacement: Callable[[str], str | None]) -> str:
    def fill(found: re.Match[str]) -> str:
        said = replacement(found[1] or found[2])
        return found[0] if said is None else said

    return _VARIABLE.sub(fill, text)
