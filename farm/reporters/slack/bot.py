"""Slack by a bot: a branch that breaks gets one message, which is edited until it is green again, and a thread.

How each branch stands, and where its message is, is in Redis under `farm:slack:<repository>:<ref>`.
"""

from collections.abc import Collection, Mapping
from typing import Any

from redis import Redis

from farm.pipeline import Status
from farm.reporters import News
from farm.reporters.slack.api import Api
from farm.reporters.slack.message import drift, log, message, note, recovered, rollback, trial
from farm.reporters.slack.posts import Posts
from farm.reporters.streak import BAD, KEPT, Streak, follow
from farm.settings import SlackSettings

Story = Mapping[str, str]


class Bot:
    """The reporter that posts, edits and replies."""

    name = "slack"
    kinds: Collection[str] = ("queued", "finished", "rolledback", "drift")

    def __init__(self, database: Redis, settings: SlackSettings, *, web_url: str) -> None:
        self._redis: Any = database
        self._settings = settings
        self._web_url = web_url
        self._posts = Posts(database, Api(settings))

    def tell(self, news: News) -> None:
        """Say what the news means to its branch, if anything."""
        when = self._settings.wish(news.when)
        key = f"farm:slack:{news.pipeline.repository}:{news.pipeline.ref}"
        story: Story = self._redis.hgetall(key)
        if news.kind == "drift":
            if self._settings.when != "never":
                self._posts.once(news.id, "drift", self._channel(news), drift(news, self._web_url))
        elif news.kind == "rolledback":
            if when != "never":
                self._posts.once(news.id, "rollback", self._channel(news), rollback(news, self._web_url))
        elif news.kind == "queued":
            self._retried(news, story)
        elif story.get("event") != news.id:
            self._finished(news, key, story, when)
        elif place := _place(story):  # told again: an edit at most
            self._posts.edit(*place, self._message(news, Streak.read(story)))

    def test(self) -> str:
        """Post one message to the channel."""
        answer = self._posts.try_out(self._settings.channel or "", trial(self._web_url))
        return f"ok, as {answer.get('ts')} in {answer.get('channel')}"

    def _finished(self, news: News, key: str, story: Story, when: str) -> None:
        before = Streak.read(story)
        after, worth = follow(before, news.pipeline, when)
        place = _place(story)
        verdict = news.pipeline.status in (*BAD, Status.PASSED)
        stands = verdict and after is not None and after.number == news.pipeline.number  # nothing newer has ended yet
        if when != "never" and stands:
            if news.pipeline.status in BAD:
                place = self._broken(news, before, place)
            elif before and before.bad:
                self._mended(news, before, place, when)
                place = None
            elif worth:
                self._single(news)
        elif worth and news.pipeline.status.final:
            self._single(news)
        if after and stands:
            values = {
                **after.fields(),
                "event": news.id,
                **dict(zip(("channel", "ts"), place or ("", ""), strict=True)),
            }
            self._redis.hset(key, mapping=values)
            self._redis.expire(key, KEPT)

    def _broken(self, news: News, before: Streak | None, place: tuple[str, str] | None) -> tuple[str, str]:
        shown = self._message(news, before)
        if place and before and before.bad and self._posts.edit(*place, shown):
            again = note(news, self._web_url, f"{news.pipeline.status} again", self._person(news))
            self._reply(news, place, again)
            return place
        place = self._posts.once(news.id, "message", self._channel(news), shown)
        if lines := log(news):
            self._reply(news, place, lines)
        return place

    def _mended(self, news: News, before: Streak, place: tuple[str, str] | None, when: str) -> None:
        if place and self._posts.edit(*place, self._message(news, before)):
            if when != "failure":
                self._reply(news, place, recovered(news, self._web_url, before), reply_broadcast=True)
        elif when != "failure":
            self._posts.once(news.id, "message", self._channel(news), self._message(news, before))

    def _retried(self, news: News, story: Story) -> None:
        before, place = Streak.read(story), _place(story)
        if news.pipeline.round > 1 and place and before and before.bad and before.number == news.pipeline.number:
            self._reply(news, place, note(news, self._web_url, f"is tried again by {news.pipeline.retried_by}"))

    def _single(self, news: News) -> None:
        self._posts.once(news.id, "message", self._channel(news), self._message(news, None))

    def _reply(self, news: News, place: tuple[str, str], payload: dict[str, Any], **more: Any) -> None:
        channel, ts = place
        self._posts.once(news.id, "reply", channel, payload, thread_ts=ts, **more)

    def _message(self, news: News, before: Streak | None) -> dict[str, Any]:
        return message(news, self._web_url, before, person=self._person(news), tail=False)

    def _person(self, news: News) -> str | None:
        return self._settings.person(news.pipeline.email)

    def _channel(self, news: News) -> str:
        return self._settings.channel_of(news.pipeline.repository)


def _place(story: Story) -> tuple[str, str] | None:
    return (story["channel"], story["ts"]) if story.get("ts") else None
