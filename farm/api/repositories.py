"""Repositories are registered, listed and forgotten. What is in them is git's."""

from dataclasses import asdict
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field

from farm import git, spools
from farm.access import hashed, new_token
from farm.api.service import Actor, Farm, Owner, Pusher, Reader, Who, admit
from farm.errors import Errored, Refused

log = structlog.get_logger()
routes = APIRouter(tags=["repositories"])
Name = Annotated[str, Field(min_length=1, max_length=200)]


class Registration(BaseModel):
    """A repository by its name and the clone URL that workers can reach.

    `refs` (ref: id) are there already and get no pipelines; without it the repository is asked for them. A repository
    that has `moved` keeps its name and what the farm knows of it. Without a `hook` it gets no token, and webhooks need
    not wait for one.
    """

    name: Name
    url: Annotated[str, Field(min_length=1, max_length=1000)]
    default_branch: Name = "main"
    refs: dict[str, str] | None = None
    moved: bool = False
    hook: bool = True


@routes.post("/repositories", summary="Register a repository and get a token for its hook")
def register(registration: Registration, farm: Farm, _: Owner) -> dict[str, Any]:
    """Take it in. The same name and URL again only gives a new token; another URL under the name is a conflict.

    `registered` tells this registration from one before it; `delivers` says whether the dispatcher empties the spool.
    """
    git.mirror_path(farm.settings.home, registration.name)
    git.checked(registration.url)
    if git.password(registration.url):
        raise Refused(
            f"{git.shown(registration.url)} is given with a password, which everybody would see; give it without, and"
            f" name the place of a token in farm.yml: repositories.{registration.name}.git.token"
        )
    secret = new_token() if registration.hook else ""
    try:
        there = farm.ledger.repository(registration.name).url
    except Refused:
        there = registration.url
    moves = there != registration.url
    if moves and not registration.moved:
        raise HTTPException(
            409,
            f"{registration.name!r} is registered with {git.shown(there)}; choose another name for this one, or say"
            " that it has moved (farm hook install --move)",
        )
    try:
        login = git.login(farm.settings.repository(registration.name).git)
        asked = moves or registration.refs is None
        refs = git.ls_remote(registration.url, login=login) if asked else registration.refs or {}
    except Errored as error:
        raise HTTPException(422, str(error)) from error
    repository = farm.ledger.register(
        registration.name,
        registration.url,
        registration.default_branch,
        refs,
        hashed(secret) if secret else "",
        moved=moves,
    )
    log.info("repository.registered", repository=registration.name, moved=moves)
    return {
        "name": registration.name,
        "token": secret,
        "registered": str(repository.created),
        "delivers": spools.reachable(registration.url) is not None,
    }


@routes.post("/repositories/{name:path}/sync", summary="Look for pushes that nobody reported")
def sync(name: str, farm: Farm, pusher: Pusher) -> dict[str, Any]:
    """Deliver what the spool and the reflogs hold, where they are on this machine, then ask the repository."""
    admit(pusher, name)
    repository = farm.ledger.repository(name)
    found: list[dict[str, Any]] = []
    problems: list[str] = []
    bare, delivered = spools.reachable(repository.url), None
    try:
        delivered = spools.deliver(bare, name, now=True) if bare else None
    except Errored as error:
        delivered, problems = [], [str(error)]
    found += delivered or []
    try:
        for push, number in farm.remotes.now(repository):
            found.append({"number": number, "ref": push.ref, "old": push.old, "new": push.new, "source": push.source})
    except Errored as error:
        problems.append(str(error))
    return {"repository": name, "found": found, "problems": problems, "spool": delivered is not None}


@routes.delete("/repositories/{name:path}", summary="Register a repository no more")
def forget(name: str, farm: Farm, actor: Actor, who: Who = None) -> dict[str, Any]:
    """End its registration, with its secrets and the tokens that are for it alone (`tokens`).

    `hook` says whether one still reports at `url`. What it released and the order of its pushes stay, its pipelines for
    their time. 404 for an unknown name, 409 while a pipeline of it runs.
    """
    admit(actor, name)
    try:
        farm.ledger.repository(name)
    except Refused as refusal:
        raise HTTPException(404, str(refusal)) from refusal
    try:
        gone = farm.ledger.forget(name)
    except Refused as refusal:
        raise HTTPException(409, str(refusal)) from refusal
    mirror = git.mirror_path(farm.settings.home, name)
    if mirror.is_dir():
        git.forget(mirror)
    log.info("repository.forgotten", repository=name, who=actor.acting(who), tokens=" ".join(gone.tokens))
    return asdict(gone) | {"url": git.shown(gone.url)}


@routes.get("/repositories", summary="List the registered repositories")
def repositories(farm: Farm, reader: Reader) -> list[dict[str, Any]]:
    """By name, those that the token may read; only the farm's own is shown a password that a URL carries."""
    found = [repository for repository in farm.ledger.repositories() if reader.reaches(repository.name)]
    documents = [asdict(each) | {"url": each.url if reader.owns else git.shown(each.url)} for each in found]
    return [{name: value for name, value in document.items() if name != "token_hash"} for document in documents]
