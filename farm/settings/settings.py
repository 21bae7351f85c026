"""The settings of this process, put together once at the door. They say where the parts are, not whether they run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from pydantic import ValidationError

from farm.errors import Errored, Refused
from farm.home import default_home
from farm.settings.document import Document
from farm.settings.files import config_file
from farm.settings.forges import ForgeSettings, ProjectSettings
from farm.settings.reader import read
from farm.settings.repositories import RepositorySettings
from farm.settings.secret import Secret, advice
from farm.settings.sources import Source, exposed, merged, origin, own_file, sources, variable


class Settings(Document):
    """All settings; bytes are plain integers, times are seconds."""

    home: Path
    """The folder of this farm's state."""

    @classmethod
    def load(cls, home: Path | None = None, *, own: bool = True) -> Self:
        """Read the embedded default, FARM_HOME/farm.yml, what was chosen or joined there, and FARM_*; a later one wins.

        Chosen is what `farm up` wrote (state.json), joined what `farm join` did (worker.env). Raises Refused, for
        mistakes in farm.yml SettingsError; without `own` that file is left out.
        """
        home = (home or default_home()).absolute()
        found = sources(home, own=own)
        try:
            return cls.model_validate({**merged(found), "home": home})
        except ValidationError as error:
            raise Refused(_sentence(error, found)) from None

    def registry_login(self) -> tuple[str, str] | None:
        """Return user and password for the farm's own registry, read now; None where it asks for none.

        Raises Errored if the password is away.
        """
        own = self.registries.get(self.registry)
        try:
            return (own.user, own.password.reveal()) if own else None
        except Refused as error:
            raise Errored(f"registries: {self.registry}: {error}") from error

    def repository(self, name: str) -> RepositorySettings:
        """Return what is said about the repository, the defaults where nothing is."""
        return self.repositories.get(name, RepositorySettings())

    def project(self, kind: str, project: str) -> str | None:
        """Return the name of the repository that is this project on a forge of that kind, in any case of letters."""
        for name, repository in self.repositories.items():
            forge = repository.forge
            if forge and forge.kind == kind and (forge.project or name).lower() == project.lower():
                return name
        return None

    def webhook_secret(self, kind: str, name: str | None) -> Secret | None:
        """Return what signs the webhooks of a repository, or of all forges of a kind where it has none of its own."""
        own = self.repository(name).forge if name else None
        return (own and own.secret) or self._forge(kind).secret

    def forge_token(self, project: ProjectSettings) -> Secret | None:
        """Return what may write commit statuses of a project, None where nothing may."""
        return project.token or self._forge(project.kind).token

    def forge_url(self, kind: str) -> str | None:
        """Return where the forge of a kind is, None for the public one."""
        return self._forge(kind).url

    def _forge(self, kind: str) -> ForgeSettings:
        return next((each for key, each in self.forges.items() if key == kind), ForgeSettings())

    def keys_now(self) -> Sequence[str]:
        """Return the keys for secrets as this machine and the environment have them now, for `farm` changes them.

        farm.yml is not read for it: what that says holds as it was taken over, also while it has mistakes.
        """
        return type(self).load(self.home, own=False).secret_keys or self.secret_keys

    @property
    def artifacts_url(self) -> str:
        """Where artifacts are kept."""
        return self.artifacts or (self.home / "artifacts").as_uri()

    def may_call(self, url: str) -> bool:
        """Return whether a hook of a release may call a URL: it begins as the settings say, its host being whole."""
        return url.startswith(self.hook_urls)

    def advice(self) -> Sequence[str]:
        """Return what is careless in these settings or cannot work yet, though they are valid, and what to do."""
        own = own_file(self.home)
        return [*advice(self), *(exposed(read(own)) if own.exists() else ())]


def _sentence(error: ValidationError, found: Sequence[Source]) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    keys = [str(part) for part in first["loc"]]
    place = origin(found, keys[0]) if keys else found[-1].name
    if place == found[-1].name:
        place = f"environment variable {variable(*keys[: 1 + (keys[0] == 'slack')])}"
    why = "; ".join(filter(None, (first["msg"], first.get("ctx", {}).get("hint"))))
    return f"{place}: {'.'.join(keys)}: {why}; every key is explained in {config_file('farm.yml')}"
