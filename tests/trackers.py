"""Trackers on this machine that take what the real ones take: strict about paths, headers, fields and states."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.receiver import Answer, Request

TOKEN = "a token"
STATES = ("unscheduled", "unstarted", "started", "finished", "delivered", "accepted", "rejected")


def answer(status: int, document: Any = None) -> Answer:
    return Answer(status, json.dumps(document).encode() if document is not None else b"")


@dataclass
class V5:
    """Pivotal's v5: stories by id, and the commits and comments that they got. A `source_commit` acts at once."""

    stories: dict[int, dict[str, Any]]
    commits: list[dict[str, str]] = field(default_factory=list)
    comments: list[tuple[int, str]] = field(default_factory=list)
    states: list[tuple[int, str]] = field(default_factory=list)
    forbidden: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, *ids: int, project: int = 99, state: str = "started", kind: str = "feature") -> "V5":
        made = {"project_id": project, "current_state": state, "story_type": kind}
        return cls({ident: {"id": ident, **made} for ident in ids})

    def judge(self, request: Request) -> Answer:  # noqa: PLR0911 - one return a route
        if request.headers.get("x-trackertoken") != TOKEN:
            return answer(403, {"code": "invalid_authentication", "kind": "error"})
        if request.method != "GET" and request.headers.get("content-type") != "application/json":
            return answer(400, {"code": "invalid_parameter", "kind": "error"})
        path = request.path.removeprefix("/services/v5")
        content = json.loads(request.body) if request.body else {}
        if request.path == path:
            return answer(404, {"code": "route_not_found", "kind": "error"})
        match request.method, path.strip("/").split("/"):
            case "GET", ["me"]:
                return answer(200, {"kind": "me", "name": "farm"})
            case "POST", ["source_commits"]:
                return self._source(content)
            case "GET", ["stories", ident] if int(ident) in self.stories:
                return answer(200, self.stories[int(ident)])
            case "PUT", ["projects", project, "stories", ident] if self._there(project, ident):
                return self._put(int(ident), content)
            case "POST", ["projects", project, "stories", ident, "comments"] if self._there(project, ident):
                if set(content) != {"text"} or not 0 < len(content["text"]) <= 20000:
                    return answer(400, {"code": "invalid_parameter", "kind": "error"})
                self.comments.append((int(ident), content["text"]))
                return answer(200, {"kind": "comment"})
        return answer(404, {"code": "unfound_resource", "kind": "error"})

    def _there(self, project: str, ident: str) -> bool:
        return int(ident) in self.stories and str(self.stories[int(ident)]["project_id"]) == project

    def _source(self, content: Any) -> Answer:
        source = content.get("source_commit", {})
        if set(content) != {"source_commit"} or not {"commit_id", "message"} <= set(source):
            return answer(400, {"code": "invalid_parameter", "kind": "error"})
        self.commits.append(source)
        for pair in re.findall(r"\[(.*?)\]", source["message"]):
            verb = "delivered" if "deliver" in pair.lower() else "finished" if re.search("fix|fin|comp", pair) else ""
            for ident in map(int, re.findall(r"#(\d+)", pair)):
                if ident in self.stories and verb:
                    self._move(ident, verb)
                elif ident in self.stories and self.stories[ident]["current_state"] in ("unstarted", "unscheduled"):
                    self._move(ident, "started")
        return answer(200, [])

    def _put(self, ident: int, content: Any) -> Answer:
        if ident in self.forbidden:
            return answer(403, {"code": "unauthorized_operation", "kind": "error"})
        state = content.get("current_state")
        chore = self.stories[ident]["story_type"] == "chore"
        if set(content) != {"current_state"} or state not in STATES or (chore and state in STATES[3:5]):
            return answer(400, {"code": "invalid_parameter", "kind": "error"})
        self._move(ident, state)
        return answer(200, self.stories[ident])

    def _move(self, ident: int, state: str) -> None:
        self.stories[ident]["current_state"] = state
        self.states.append((ident, state))


@dataclass
class Forge:
    """The issues of GitHub or GitLab: number -> open or closed, and what was said."""

    kind: str
    project: str = "acme/thyme"
    issues: dict[int, str] = field(default_factory=dict)
    comments: list[tuple[int, str]] = field(default_factory=list)

    def judge(self, request: Request) -> Answer:
        return {"github": self._github, "gitlab": self._gitlab}[self.kind](request)

    def _github(self, request: Request) -> Answer:
        headers = request.headers
        if headers.get("authorization") != f"Bearer {TOKEN}":
            return answer(401, {"message": "Bad credentials"})
        if headers.get("accept") != "application/vnd.github+json" or not headers.get("user-agent"):
            return answer(403, {"message": "Request forbidden by administrative rules"})
        if (request.method, request.path) == ("GET", "/user"):
            return answer(200, {"login": "farm"})
        return self._issue(request, rf"/repos/{self.project}/issues/(\d+)(/comments)?", "PATCH", self._patched)

    def _gitlab(self, request: Request) -> Answer:
        if request.headers.get("private-token") != TOKEN:
            return answer(401, {"message": "401 Unauthorized"})
        if (request.method, request.path) == ("GET", "/api/v4/user"):
            return answer(200, {"username": "farm"})
        pattern = rf"/api/v4/projects/{self.project.replace('/', '%2F')}/issues/(\d+)(/notes)?"
        return self._issue(request, pattern, "PUT", self._turned)

    def _issue(self, request: Request, pattern: str, change: str, changed: Callable[[Any], str | None]) -> Answer:
        found = re.fullmatch(pattern, request.path)
        if not found or int(found[1]) not in self.issues:
            return answer(404, {"message": "Not Found"})
        number, content = int(found[1]), json.loads(request.body) if request.body else {}
        if request.method == "GET" and not found[2]:
            return answer(200, {"state": self.issues[number]})
        if request.method == "POST" and found[2] and set(content) == {"body"} and content["body"]:
            self.comments.append((number, content["body"]))
            return answer(201, {})
        if request.method == change and not found[2] and (state := changed(content)):
            self.issues[number] = state
            return answer(200, {"state": state})
        return answer(422, {"message": "Validation Failed"})

    def _patched(self, content: Any) -> str | None:
        if not set(content) <= {"state", "state_reason"} or content.get("state") not in ("open", "closed"):
            return None
        return str(content["state"])

    def _turned(self, content: Any) -> str | None:
        opened = {"close": "closed", "reopen": "opened"}
        return opened.get(content.get("state_event", "")) if set(content) == {"state_event"} else None


@dataclass
class JiraServer:
    """Jira's stories: key -> status, moved only by the transitions that its workflow has from there."""

    stories: dict[str, str]
    comments: list[tuple[str, str]] = field(default_factory=list)
    workflow: dict[str, dict[str, str]] = field(
        default_factory=lambda: {
            "To Do": {"Start Progress": "In Progress"},
            "In Progress": {"In Review": "In Review", "Ready for QA": "QA", "Done": "Done"},
            "In Review": {"Done": "Done"},
            "QA": {},
            "Done": {"Reopen": "In Progress"},
        }
    )

    def judge(self, request: Request) -> Answer:
        if request.headers.get("authorization") != "Basic YWRhQGV4YW1wbGUuY29tOmEgdG9rZW4=":  # ada@example.com:a token
            return answer(401, {"errorMessages": ["Unauthorized"]})
        if (request.method, request.path) == ("GET", "/rest/api/2/myself"):
            return answer(200, {"displayName": "Farm"})
        found = re.fullmatch(r"/rest/api/2/issue/([A-Z]+-\d+)(?:/(\w+)|\?fields=status)", request.path)
        if not found or found[1] not in self.stories:
            return answer(404, {"errorMessages": ["Issue does not exist or you do not have permission to see it."]})
        return self._story(request.method, found[1], found[2], json.loads(request.body) if request.body else {})

    def _story(self, method: str, key: str, part: str | None, content: Any) -> Answer:
        status = self.stories[key]
        names = list(self.workflow[status])
        match method, part:
            case "GET", None:
                category = {"To Do": "new", "Done": "done"}.get(status, "indeterminate")
                return answer(200, {"fields": {"status": {"name": status, "statusCategory": {"key": category}}}})
            case "GET", "transitions":
                each = [{"id": str(place), "name": name} for place, name in enumerate(names, 1)]
                return answer(200, {"transitions": each})
            case "POST", "transitions" if set(content) == {"transition"} and set(content["transition"]) == {"id"}:
                place = int(content["transition"]["id"]) - 1
                if not 0 <= place < len(names):
                    return answer(400, {"errorMessages": ["It seems that you have tried an invalid transition."]})
                self.stories[key] = self.workflow[status][names[place]]
                return answer(204)
            case "POST", "comment" if set(content) == {"body"} and content["body"]:
                self.comments.append((key, content["body"]))
                return answer(201, {})
        return answer(400, {"errorMessages": ["bad request"]})
