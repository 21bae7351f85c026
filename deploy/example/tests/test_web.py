import pytest

DAY = "2026-05-02"


@pytest.fixture
def soup(rota):
    return rota.plan("Soup for forty", "Kitchen", f"{DAY}T10:00", f"{DAY}T13:00", 2)


def test_the_rota_shows_shifts_and_free_places(client, soup):
    page = client.get("/").get_data(as_text=True)
    assert "Soup for forty" in page
    assert "Saturday, 2 May" in page
    assert "2 free" in page


def test_a_new_person_joins_and_signs_up(client, rota, soup):
    client.post("/people", data={"name": "  Chiara   Monti ", "likes": "the kitchen"})
    (chiara,) = rota.people()
    page = client.post(f"/shifts/{soup.id}/signups", data={"person": chiara.id}, follow_redirects=True)
    assert "You are down for “Soup for forty”" in page.get_data(as_text=True)
    assert client.get("/api/shifts").json[0]["people"] == ["Chiara Monti"]


def test_a_name_is_shown_as_text(client, rota):
    rota.join("<script>alert(1)</script>")
    assert "<script>alert" not in client.get("/people").get_data(as_text=True)


def test_the_api_says_why_not(client, soup):
    answer = client.post(f"/api/shifts/{soup.id}/signups", json={"person": 999})
    assert (answer.status_code, answer.json["error"]) == (404, "There is no such shift or no such person.")


def test_people_give_hours(client, rota, soup):
    person = client.post("/api/people", json={"name": "Grace Lindqvist"}).json
    client.post(f"/api/shifts/{soup.id}/signups", json={"person": person["id"]})
    assert client.get("/api/people").json == [
        {"id": person["id"], "name": "Grace Lindqvist", "likes": "", "hours": 3.0}
    ]


def test_health_asks_the_database(client):
    assert client.get("/health").json["status"] == "ok"
