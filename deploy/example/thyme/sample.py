"""A week in a community garden, so that a new SQLite file shows something."""

from datetime import date, timedelta

from thyme.rota import Rota

PEOPLE = {
    "Ada Oyelaran": "watering, early mornings",
    "Bruno Castel": "anything with a wheelbarrow",
    "Chiara Monti": "the kitchen",
    "Dmitri Volkov": "bees",
    "Elif Aydin": "seeds and seedlings",
    "Farid Haddad": "carpentry",
    "Grace Lindqvist": "welcoming people",
    "Henrik Dahl": "compost",
}
SHIFTS = [  # days from now, title, place, from, to, places, who is down for it
    (0, "Water the raised beds", "South terrace", "07:00", "08:30", 2, ["Ada Oyelaran"]),
    (0, "Soup for forty", "Kitchen", "10:00", "13:00", 4, ["Chiara Monti", "Grace Lindqvist", "Bruno Castel"]),
    (1, "Turn the compost", "Behind the shed", "09:00", "11:00", 3, ["Henrik Dahl", "Bruno Castel", "Farid Haddad"]),
    (1, "Open the gate", "Main entrance", "14:00", "18:00", 2, ["Grace Lindqvist"]),
    (2, "Look after the bees", "Orchard", "08:30", "10:00", 2, ["Dmitri Volkov"]),
    (2, "Mend the greenhouse door", "Greenhouse", "15:00", "17:30", 2, ["Farid Haddad", "Henrik Dahl"]),
    (3, "Seed swap: set up and pour tea", "Hall", "16:00", "19:00", 5, ["Elif Aydin", "Chiara Monti"]),
    (4, "Plant out the tomatoes", "Tunnel 2", "09:30", "12:00", 6, ["Elif Aydin", "Ada Oyelaran", "Bruno Castel"]),
]


def fill(rota: Rota, today: date) -> None:
    numbers = {name: rota.join(name, likes).id for name, likes in PEOPLE.items()}
    for days, title, place, starts, ends, places, names in SHIFTS:
        day = today + timedelta(days=days + 1)
        shift = rota.plan(title, place, f"{day}T{starts}", f"{day}T{ends}", places)
        for name in names:
            rota.sign_up(shift.id, numbers[name])
