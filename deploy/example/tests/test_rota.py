import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from thyme.rota import NotPossible, Rota
from thyme.store import connect

DAY = "2026-05-02"


@pytest.fixture
def ada(rota):
    return rota.join("Ada Oyelaran", "watering")


@pytest.fixture
def watering(rota):
    return rota.plan("Water the beds", "Terrace", f"{DAY}T07:00", f"{DAY}T08:30", 1)


def test_signing_up_takes_a_place(rota, ada, watering):
    assert rota.sign_up(watering.id, ada.id).free == 0
    assert rota.people()[0].hours == 1.5


def test_nobody_signs_up_twice(rota, ada, watering):
    rota.sign_up(watering.id, ada.id)
    with pytest.raises(NotPossible, match="already"):
        rota.sign_up(watering.id, ada.id)


def test_a_full_shift_takes_nobody(rota, ada, watering):
    rota.sign_up(watering.id, ada.id)
    with pytest.raises(NotPossible, match="full"):
        rota.sign_up(watering.id, rota.join("Bruno Castel").id)


def test_nobody_is_in_two_places_at_once(rota, ada, watering):
    soup = rota.plan("Soup for forty", "Kitchen", f"{DAY}T08:00", f"{DAY}T11:00", 4)
    rota.sign_up(watering.id, ada.id)
    with pytest.raises(NotPossible, match="at that time"):
        rota.sign_up(soup.id, ada.id)


def test_shifts_that_only_touch_are_fine(rota, ada, watering):
    soup = rota.plan("Soup for forty", "Kitchen", f"{DAY}T08:30", f"{DAY}T11:00", 4)
    rota.sign_up(watering.id, ada.id)
    assert rota.sign_up(soup.id, ada.id).people == ["Ada Oyelaran"]


def test_a_shift_ends_after_it_starts(rota):
    with pytest.raises(NotPossible):
        rota.plan("Backwards", "Nowhere", f"{DAY}T10:00", f"{DAY}T09:00", 1)


@pytest.mark.skipif("DATABASE_URL" not in os.environ, reason="only Postgres locks a single row; set DATABASE_URL")
def test_two_people_cannot_take_the_last_place_together(rota, url, watering):
    people = [rota.join(f"Helper {number}").id for number in range(8)]

    def try_it(person):
        store = connect(url)
        try:
            return Rota(store).sign_up(watering.id, person) is not None
        except NotPossible:
            return False
        finally:
            store.close()

    rota.store.connection.commit()
    with ThreadPoolExecutor(len(people)) as pool:
        assert sum(pool.map(try_it, people)) == 1
