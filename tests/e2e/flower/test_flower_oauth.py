"""Signing in through a provider, as Flower does it: here Flower's own handler for Okta and a provider of this test."""

import json
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from tests.receiver import Answer, Request, receiving

pytestmark = [pytest.mark.redis]

PEOPLE = {"ada": "ada@example.com", "eve": "eve@elsewhere.example"}
ASKED = {"redirect_uri", "client_id", "client_secret", "code", "grant_type"}


class Provider:
    """Gives a code to whoever is signed in here, and its address for the code, once."""

    def __init__(self) -> None:
        self.person = "ada"
        self.codes = {}
        self.tokens = {}

    def judge(self, request: Request) -> Answer:
        target = urlsplit(request.path)
        if target.path == "/v1/authorize":
            asked = {name: values[0] for name, values in parse_qs(target.query).items()}
            if asked["client_id"] != "farm" or asked["response_type"] != "code" or "openid" not in asked["scope"]:
                return Answer(400, b"wrong client")
            self.codes["a-code"] = asked["redirect_uri"]
            query = urlencode({"code": "a-code", "state": asked["state"]})
            return Answer(302, b"", {"Location": f"{asked['redirect_uri']}?{query}"})
        if target.path == "/v1/token":
            form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
            known = self.codes.pop(form.get("code", ""), None)
            if set(form) != ASKED or form["client_secret"] != "hush" or known != form["redirect_uri"]:
                return Answer(401, b'{"error": "invalid_grant"}')
            self.tokens["a-token"] = PEOPLE[self.person]
            return Answer(200, b'{"access_token": "a-token", "token_type": "Bearer"}')
        if target.path == "/v1/userinfo":
            address = self.tokens.get(request.headers["authorization"].removeprefix("Bearer "))
            return Answer(200, json.dumps({"email": address, "email_verified": bool(address)}).encode())
        return Answer(404, b"")


def test_who_signs_in_reads_and_acts_under_the_providers_word(farm, serve, ports, monkeypatch):
    number = farm.push("Signed", repository="signed")
    provider, (port,) = Provider(), ports(1)
    with receiving(provider.judge) as receiver:
        monkeypatch.setenv("FLOWER_OAUTH2_OKTA_BASE_URL", receiver.url)
        served = serve(
            "--auth=.*@example.com",
            "--auth_provider=flower.views.auth.OktaLoginHandler",
            "--oauth2_key=farm",
            "--oauth2_secret=hush",
            f"--oauth2_redirect_uri=http://127.0.0.1:{port}/login",
            port=port,
        )
        page = f"/pipelines/{number}"
        with httpx.Client(base_url=served.url, follow_redirects=True) as stranger:
            provider.person = "eve"
            assert stranger.get(page).status_code == 403
            assert stranger.get(page, follow_redirects=False).status_code == 302
        with httpx.Client(base_url=served.url, follow_redirects=True) as ada:
            provider.person = "ada"
            ada.get(page)
            shown = ada.get(page)
            assert (shown.status_code, shown.url.path) == (200, page)
            token = shown.text.split('name="_xsrf" value="')[1].split('"')[0]
            same = {"Sec-Fetch-Site": "same-origin"}
            assert ada.post(f"{page}/cancel", headers=same).status_code == 403
            assert ada.post(f"{page}/cancel", headers=same, data={"_xsrf": token}).status_code == 200
    assert "ada@example.com" in farm.record.pipeline(number).reason
