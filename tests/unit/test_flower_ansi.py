import pytest
from hypothesis import given, settings, strategies as st

from farm.flower.ansi import LONGEST, Style, html, plain

ESC = "\x1b"


PLAIN = Style()


def shown(line, style=PLAIN):
    return str(html(line, style)[0])


def test_markup_in_a_log_is_text():
    assert shown("<script>alert('x')</script>&") == "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;"


def test_markup_between_colours_is_text_too():
    assert shown(f"{ESC}[31m<b>{ESC}[0m") == '<span class="farm-front-1">&lt;b&gt;</span>'


def test_a_colour_lives_on_until_it_is_reset():
    _, style = html(f"{ESC}[1;31mred", Style())
    assert style == Style(front=1, weights=frozenset({"bold"}))
    assert shown("still", style) == '<span class="farm-bold farm-front-1">still</span>'
    assert shown(f"{ESC}[mno more", style) == "no more"


@pytest.mark.parametrize(
    ("sequence", "front"),
    [
        ("38;5;9", 9),
        ("38;5;196", 1),
        ("38;2;255;255;255", 15),
        ("38:5:10", 10),
        ("97", 15),
        ("38;5;244", 8),
        ("38;5", 0),
    ],
)
def test_larger_palettes_come_down_to_sixteen_colours(sequence, front):
    assert Style().after(sequence).front == front


@pytest.mark.parametrize(
    "noise",
    [
        f"{ESC}[2J",
        f"{ESC}[10;20H",
        f"{ESC}]0;a title\x07",
        f"{ESC}]8;;https://example.org{ESC}\\",
        f"{ESC}c",
        f"{ESC}(B",
        "\x9b31h",
        "\x00\x07\x08",
        "\u202e",
        f"{ESC}P whatever{ESC}\\",
    ],
)
def test_every_other_escape_is_gone(noise):
    assert shown(f"a{noise}b") == "ab"


def test_an_escape_that_never_ends_takes_only_its_own_line():
    assert shown(f"a{ESC}]0;forever") == "a"


def test_a_carriage_return_starts_the_line_again():
    assert shown("10 %\r50 %\r100 %\r") == "100 %"
    assert plain("10 %\r100 %") == "100 %"


def test_a_very_long_line_is_cut_with_a_word():
    assert shown("x" * (LONGEST + 1_500)).endswith("x … 1,500 more characters in the raw log")


@settings(deadline=None)  # the machine may be busy
@given(st.text())
def test_nothing_in_a_line_becomes_a_tag_or_an_escape(line):
    text = shown(line).replace('<span class="', "").replace("</span>", "")
    assert "<" not in text.replace("&lt;", "")
    assert ESC not in text


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.integers(0, 110)).map(lambda codes: ";".join(map(str, codes))))
def test_a_style_can_be_carried_as_text(parameters):
    style = Style().after(parameters)
    assert Style().after(str(style)) == style
