"""Thyme: who helps with what, and when. The application; what a rota allows is in thyme.rota."""

import os
import time
from datetime import date
from itertools import groupby

from flask import Flask, flash, g, jsonify, redirect, render_template, request, url_for

from thyme import sample
from thyme.rota import NotPossible, Rota
from thyme.store import connect, create_tables


def create_app(database_url: str | None = None) -> Flask:
    """Return the WSGI application with its tables made; SQLite gets sample data when it is new."""
    app = Flask(__name__)
    app.secret_key = os.environ.get("SECRET_KEY", os.urandom(16))
    url = database_url or os.environ.get("DATABASE_URL") or "sqlite:thyme.db"
    with_database(app, url)
    add_pages(app)
    add_api(app)
    return app


def with_database(app: Flask, url: str) -> None:
    """Give each request a rota on a connection of its own."""
    store = connect(url)
    create_tables(store)
    if url.startswith("sqlite:") and not store.all("SELECT id FROM people"):
        sample.fill(Rota(store), date.today())
    store.close()

    @app.before_request
    def begin():
        g.started = time.perf_counter()
        if request.endpoint != "static":
            g.rota = Rota(connect(url))

    @app.teardown_request
    def end(_error):
        if "rota" in g:
            g.rota.store.close()

    @app.errorhandler(NotPossible)
    def not_possible(error):
        if request.path.startswith("/api/"):
            return jsonify(error=str(error)), error.code
        flash(str(error), "problem")
        return redirect(request.referrer or url_for("rota"))


def add_pages(app: Flask) -> None:
    """Add what people see."""

    @app.template_filter("day")
    def day(text):
        return date.fromisoformat(text[:10]).strftime("%A, %-d %B")

    @app.template_filter("initials")
    def initials(name):
        return "".join(word[0] for word in name.split()[:2]).upper()

    @app.get("/")
    def rota():
        shifts = g.rota.shifts()
        days = [(day, list(group)) for day, group in groupby(shifts, key=lambda shift: shift.starts[:10])]
        return render_template("rota.html", days=days, shifts=shifts, people=g.rota.people())

    @app.get("/people")
    def people():
        return render_template("people.html", people=g.rota.people())

    @app.post("/people")
    def join():
        person = g.rota.join(request.form.get("name", ""), request.form.get("likes", ""))
        flash(f"Welcome, {person.name}! Pick a shift below.", "good")
        return redirect(url_for("rota"))

    @app.post("/shifts/<int:shift>/signups")
    def sign_up(shift):
        taken = g.rota.sign_up(shift, request.form.get("person", 0, type=int))
        flash(f"You are down for “{taken.title}”. Thank you!", "good")
        return redirect(url_for("rota", _anchor=f"shift-{shift}"))


def add_api(app: Flask) -> None:
    """Add the same as JSON, and what a health check asks for."""

    @app.get("/api/shifts")
    def api_shifts():
        return jsonify([shift.document() for shift in g.rota.shifts()])

    @app.get("/api/people")
    def api_people():
        return jsonify([person.document() for person in g.rota.people()])

    @app.post("/api/people")
    def api_join():
        body = request.get_json()
        return jsonify(g.rota.join(body.get("name", ""), body.get("likes", "")).document()), 201

    @app.post("/api/shifts/<int:shift>/signups")
    def api_sign_up(shift):
        return jsonify(g.rota.sign_up(shift, request.get_json().get("person", 0)).document()), 201

    @app.get("/health")
    def health():
        g.rota.store.all("SELECT 1")
        return jsonify(status="ok", milliseconds=round((time.perf_counter() - g.started) * 1000, 1))
