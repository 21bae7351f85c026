"""What was built and is in the registry, by the record: the images that a retry or a rollback may count on."""

import json
from collections.abc import Mapping

from farm.record.scripts import Base


class Images(Base):
    """List the built images, and take those off the list that nobody wants. It never asks the registry."""

    def images(self) -> dict[str, dict[str, int]]:
        """Return, for each image repository, the digests and the pipelines that built them."""
        return {row["repository"]: row["digests"] for row in json.loads(self.scripts.run("images"))}

    def discard(
        self, repository: str, digests: Mapping[str, int], *, keep: int, grace: float, dry_run: bool = False
    ) -> list[str]:
        """Take those of the digests (with their pipelines) off the list that are not wanted, and return them.

        Wanted is what a tag holds by the record, the newest `keep`, as many of each tag's releases, what runs, what is
        the newest of its ref, and what ended badly in the last `grace` seconds.
        """
        pairs = [part for digest, number in digests.items() for part in (digest, number)]
        return list(self.scripts.run("discard", repository, keep, grace, int(dry_run), *pairs))

    def lose(self, repository: str, digest: str) -> None:
        """Take an image off the list that is gone from the registry, so that a retry builds it again."""
        self.redis.zrem(f"farm:images:{repository}", digest)

    def restore(self, repository: str, digest: str, number: int) -> None:
        """Put an image back on the list that the registry did not let go."""
        self.scripts.run("restore", repository, digest, number)
