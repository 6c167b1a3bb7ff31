"""Payloads of webhooks, as their makers document them, and everything else that may be posted in their place."""

from __future__ import annotations

import contextlib
import json
import re
import urllib.parse
import uuid
from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcli.errors import Refused
from chatcli.gateway.web.hooks import Hook, understand
from chatcli.protocol import codes
from chatcli.protocol.frames import MAX_TEXT
from chatcli.protocol.values.ids import id_bytes
from chatcli.protocol.values.text import is_text, printable
from tests.gateway.web.payloads import SAMPLES

KEY: Final = b"the digest of a token"
JSON: Final = {"content-type": "application/json"}
Payload = bytes | str | dict[str, Any]
FORM: Final = {"content-type": "application/x-www-form-urlencoded"}


ALERTS: Final = ("alertmanager", "grafana")


def heard(body: Payload, headers: dict[str, str] | None = None, limit: int = MAX_TEXT) -> Hook:
    """Return the message for a payload, which must lead to one."""
    hook = told(body, headers, limit)
    assert hook is not None
    return hook


def told(body: Payload, headers: dict[str, str] | None = None, limit: int = MAX_TEXT) -> Hook | None:
    """Return the message for a payload: of JSON if it is a dictionary."""
    raw = json.dumps(body) if isinstance(body, dict) else body
    given_headers = headers or (JSON if isinstance(body, dict) else {"content-type": "text/plain"})
    return understand(given_headers, raw.encode() if isinstance(raw, str) else raw, key=KEY, limit=limit)


def refusal(body: Payload, headers: dict[str, str] | None = None) -> Refused:
    """Return the refusal of a payload."""
    with pytest.raises(Refused) as caught:
        told(body, headers)
    return caught.value


def github(event: str, body: dict[str, Any], delivery: str = "1") -> Hook | None:
    """Return the message for an event of GitHub."""
    return told(body, {**JSON, "x-github-event": event, "x-github-delivery": delivery})


# What is documented


@pytest.mark.parametrize("name", SAMPLES)
def test_documented_payloads(name: str) -> None:
    """Each documented payload leads to its text."""
    sample = SAMPLES[name]
    hook = told(sample.body, sample.headers)
    assert (hook.text.split("\n") if hook else []) == sample.text


@pytest.mark.parametrize("name", SAMPLES)
def test_payload_in_a_form(name: str) -> None:
    """The field ``payload`` of a form is understood as the same JSON is."""
    sample = SAMPLES[name]
    form = urllib.parse.urlencode({"channel": "#ops", "payload": json.dumps(sample.body)})
    assert told(form, {**sample.headers, **FORM}) == told(sample.body, sample.headers)


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("wrong", [None, 5, True, "text", [], {}, [None], {"x": None}], ids=repr)
def test_one_value_of_another_type(name: str, wrong: object) -> None:
    """With any one value replaced by another, removed or null, a payload is understood or refused."""
    sample = SAMPLES[name]
    for changed in altered(sample.body, lambda _: wrong):
        try:
            told({**changed}, sample.headers)
        except Refused as error:
            assert error.code in (codes.INVALID, codes.EMPTY_TEXT)  # noqa: PT017 (others are fine, too)


def altered(value: object, change: Callable[[Any], Any]) -> list[Any]:
    """Return copies of a JSON value, each with one value in it changed, or left out."""
    found: list[Any] = []
    if isinstance(value, dict):
        for key, inner in value.items():
            others = {name: other for name, other in value.items() if name != key}
            found += [others, {**others, key: change(inner)}]
            found += [{**others, key: one} for one in altered(inner, change)]
    if isinstance(value, list):
        for place, inner in enumerate(value):
            found += [[*value[:place], one, *value[place + 1 :]] for one in [change(inner), *altered(inner, change)]]
    return found


# GitHub


@pytest.mark.parametrize("event", ["star", "check_suite", "", "PUSH"])
def test_other_events_say_nothing(event: str) -> None:
    """An event that is not in the table says nothing, whatever its payload is."""
    assert told(b"\xff not JSON", {**JSON, "x-github-event": event}) is None


def test_actions_that_say_nothing() -> None:
    """An event that is known says nothing of actions which nobody waits for."""
    for name, event in (("pull_request", "pull_request"), ("issue_comment", "issue_comment"), ("release", "release")):
        assert github(event, {**SAMPLES[f"github_{name}"].body, "action": "edited"}) is None
    body = SAMPLES["github_deployment_status"].body
    assert github("deployment_status", {**body, "deployment_status": {"state": "in_progress"}}) is None


def test_event_without_its_subject() -> None:
    """An event without the part that it is about is refused, with the place of what is missing."""
    for event in ("push", "pull_request", "issues", "issue_comment", "release", "workflow_run", "deployment_status"):
        error = refusal({"action": "opened"}, {**JSON, "x-github-event": event})
        assert error.code == codes.INVALID
        assert "missing required field" in str(error)


def test_event_of_nobody_nowhere() -> None:
    """Everything that is only worded may be missing."""
    hook = github("issues", {"action": "closed", "issue": {"number": 7, "state_reason": "not_planned"}})
    assert hook is not None
    assert hook.text == "GitHub: somebody closed issue #7 (not planned)"


def test_long_push() -> None:
    """A push shows ten commits and counts the rest; each is on a line of its own."""
    commits = [{"id": f"{n:040x}"[::-1], "message": f"n {n}\nmore", "author": {"name": "A\nB"}} for n in range(30)]
    hook = github("push", {"ref": "refs/heads/x/y", "forced": True, "commits": commits})
    assert hook is not None
    lines = hook.text.split("\n")
    assert lines[0] == "GitHub: somebody force-pushed 30 commits to x/y"
    assert lines[1] == "0000000 A B: n 0"
    assert lines[11:] == ["… and 20 more"]


@pytest.mark.parametrize(
    ("push", "deed"),
    [
        ({"ref": "refs/tags/v1", "created": True}, "created tag v1"),
        ({"ref": "refs/heads/x", "deleted": True}, "deleted branch x"),
        ({"ref": "refs/heads/x", "commits": [{"id": "a"}]}, "pushed 1 commit to x\na"),
        ({"ref": "refs/heads/x", "commits": []}, "pushed branch x"),
        ({"ref": "refs/tags/v1", "forced": True}, "force-pushed tag v1"),
    ],
)
def test_kinds_of_push(push: dict[str, Any], deed: str) -> None:
    """A push creates, moves or deletes a branch or a tag."""
    hook = github("push", push)
    assert hook is not None
    assert hook.text == f"GitHub: somebody {deed}"


def test_failed_deployment_links_to_its_log() -> None:
    """A deployment that failed leads to the log, one that succeeded to what was deployed."""
    urls = {"log_url": "https://log.example/", "environment_url": "https://shop.example/"}
    for state, end in (("success", "succeeded https://shop.example/"), ("error", "failed https://log.example/")):
        hook = github("deployment_status", {"deployment_status": {"state": state, "environment": "live", **urls}})
        assert hook is not None
        assert hook.text == f"GitHub: the deployment to live {end}"


def test_redelivery_is_the_same_message() -> None:
    """A delivery has one id, which differs for another delivery and for another hook, and nobody can know before."""
    sample = SAMPLES["github_push"]
    one = github("push", sample.body, "a")
    assert one is not None
    assert one == github("push", sample.body, "a")
    assert one != github("push", sample.body, "b")
    headers = {**JSON, "x-github-event": "push", "x-github-delivery": "a"}
    other = understand(headers, json.dumps(sample.body).encode(), key=b"another hook", limit=MAX_TEXT)
    assert other is not None
    assert (other.text, other.id != one.id) == (one.text, True)
    assert one.id is not None
    id_bytes(one.id)
    assert uuid.UUID(one.id).version == 8
    assert heard(sample.body, {**JSON, "x-github-event": "push"}).id is None


# Alertmanager and Grafana


@pytest.mark.parametrize("name", ALERTS)
def test_repetition_of_alerts(name: str) -> None:
    """A retry, a repetition and another replica's notification are the same message."""
    body = SAMPLES[name].body
    first = heard(body)
    assert first.id is not None
    again = {**body, "externalURL": "http://replica.example/", "alerts": body["alerts"][::-1]}
    assert heard(again).id == first.id
    alert, *others = body["alerts"]
    moved = [{**one, "endsAt": "2030-01-01T00:00:00Z"} if one["status"] == "firing" else one for one in body["alerts"]]
    assert heard({**body, "alerts": moved}).id == first.id, "the end of a firing alert is a guess"
    changed = [
        {**body, "alerts": others},
        {**body, "groupKey": "other"},
        {**body, "alerts": [{**alert, "startsAt": "2030-01-01T00:00:00Z"}, *others]},
        {**body, "alerts": [{**alert, "fingerprint": "0"}, *others]},
        {**body, "alerts": [{**alert, "status": "resolved", "endsAt": "2030-01-01T00:00:00Z"}, *others]},
    ]
    assert len({first.id, *(heard(one).id for one in changed)}) == len(changed) + 1


def test_alerts_without_fingerprints() -> None:
    """Without fingerprints labels tell alerts apart; without a group or a start nothing tells what is repeated."""
    body = {"groupKey": "g", "alerts": [{"labels": {"alertname": "A", "x": "1"}, "startsAt": "1"}]}
    other = {"groupKey": "g", "alerts": [{"labels": {"alertname": "A", "x": "2"}, "startsAt": "1"}]}
    assert heard(body).id == heard(body).id != heard(other).id
    assert heard({"alerts": body["alerts"]}).id is None
    assert heard({"groupKey": "g", "alerts": [{"labels": {"alertname": "A"}}]}).id is None


def test_alerts_with_little_in_them() -> None:
    """An alert has the status of its notification, and a summary of whatever it has."""
    alerts = [
        {},
        {"labels": {"severity": "page"}, "annotations": {"summary": " ", "description": "two\nlines"}},
        {"labels": {"b": "2", "alertname": "Up", "a": "1"}, "values": {"A": None, "B": True, "C": 1e9}},
        {"generatorURL": "javascript:alert(1)", "annotations": {"summary": "x"}},
    ]
    assert heard({"status": "firing", "alerts": alerts}).text.split("\n") == [
        "firing: an alert without a name",
        "firing (page): two lines",
        "firing: Up a=1 b=2 (C=1e+09)",
        "firing: x",
    ]


def test_many_alerts() -> None:
    """A notification shows thirty alerts, the firing ones first, and counts the rest."""
    alerts = [{"status": "resolved"}] * 35 + [{"status": "firing", "annotations": {"summary": "it"}}]
    lines = heard({"alerts": alerts, "truncatedAlerts": 4}).text.split("\n")
    assert (len(lines), lines[0], lines[-1]) == (31, "firing: it", "… and 10 more")


def test_notification_without_alerts() -> None:
    """A title and a message count where no alert is listed; with neither there is no text."""
    assert heard({"alerts": [], "title": "[OK]", "message": "all\nis well"}).text == "[OK] all is well"
    assert refusal({"alerts": []}).code == codes.EMPTY_TEXT


# Slack


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("<https://example.org>", "https://example.org"),
        ("<https://example.org/|example.org>", "https://example.org/"),
        ("<https://example.org|>", "https://example.org"),
        ("<!channel> <!everyone> <!subteam^S1|@team> <!subteam^S1>", "@channel @everyone @team @subteam"),
        ("<@U1|bob> <#C1>", "@bob #C1"),
        ("x <y and z> 5 <", "x <y and z> 5 <"),
        ("&lt;https://x.org|no link&gt; &amp;lt; &copy;", "<https://x.org|no link> &lt; &copy;"),
        ("<<https://a.org|b>>", "<b (https://a.org)>"),
    ],
)
def test_marks_of_slack(text: str, plain: str) -> None:
    """Links, mentions and escapes are undone; what is not marked stays."""
    assert heard({"text": text}).text == plain


@pytest.mark.parametrize(
    "block",
    [
        {"type": "section", "text": "in a wrong place"},
        {"type": "markdown", "text": "in a wrong place"},
        {"text": {"text": {"text": "in a wrong place"}}},
        {"type": "rich_text", "elements": [{"elements": [{"text": "in a wrong place"}]}]},
        {"type": "new_kind", "title": "x", "text": {"type": "new", "text": "in a wrong place"}},
    ],
)
def test_blocks_that_are_unusual(block: dict[str, Any]) -> None:
    """A text is found although its block is not one that Slack knows."""
    assert heard({"blocks": [block]}).text == "in a wrong place"


def test_elements_of_rich_text() -> None:
    """Elements without a text of their own are shown by their names."""
    kinds = {
        "broadcast": {"range": "here"}, "usergroup": {"usergroup_id": "S1"}, "channel": {"channel_id": "C1"},
        "date": {"fallback": "today"}, "link": {"url": "https://x.org"}, "color": {"value": "#fff"}, "user": {},
    }  # fmt: skip
    parts = [{"type": kind, **fields} for kind, fields in kinds.items()]
    section = {"type": "rich_text_section", "elements": parts}
    text = heard({"blocks": [{"type": "rich_text", "elements": [section]}]}).text
    assert text == "@here@S1#C1todayhttps://x.org@somebody"


# Plain text, and what is refused


@pytest.mark.parametrize("headers", [FORM, {"content-type": "text/plain; charset=utf-8"}, {"x": "y"}])
@pytest.mark.parametrize("body", ["deploy done", "{deploy} done", "[x] done", "a=b&c", "100%25", '"quoted"', "{", "ü"])
def test_plain_text(body: str, headers: dict[str, str]) -> None:
    """A body that is not JSON is the text, whatever curl calls it; its last line feeds are dropped."""
    assert heard(f"{body}\n\n", headers) == Hook(body)
    assert heard(b"\xef\xbb\xbf" + body.encode(), headers) == Hook(body)


@pytest.mark.parametrize("headers", [FORM, JSON, {"content-type": "application/vnd.x+json"}, {"x": "y"}])
def test_json_by_any_name(headers: dict[str, str]) -> None:
    """An object of JSON is understood under any type, since ``curl -d`` calls it a form."""
    assert heard(' {"text":"hello"}', headers).text == "hello"
    assert refusal(' {"greeting":"hello"}', headers).code == codes.INVALID


@pytest.mark.parametrize(
    ("body", "headers", "cause"),
    [
        (b'{"hello":1}', JSON, "no field that a hook knows"),
        (b"[1]", JSON, "got `array`"),
        (b'"text"', JSON, "got `str`"),
        (b"{", JSON, "truncated"),
        (b"", JSON, "truncated"),
        (b'{"text":5}', JSON, "`$.text`"),
        (b'{"alerts":5}', JSON, "`$.alerts`"),
        (b'{"alerts":[{"labels":{"a":null}}]}', JSON, "`$.alerts[0].labels[...]`"),
        (b'{"text":"\\ud800"}', JSON, "JSON"),
        (b"\xff", {}, "not UTF-8"),
        (b"payload=%ff&a", FORM, "not UTF-8"),
        (b"payload={}&payload=text", FORM, "no field that a hook knows"),
        (b'{"blocks":' + b"[" * 30_000, JSON, "nested too deeply"),
        (b'{"x":' * 30_000, {}, "nested too deeply"),
        (b'{"x":' * 30_000, {**JSON, "x-github-event": "push"}, "nested too deeply"),
        (b'{"blocks":[' + b'{"text":' * 30_000, JSON, "nested too deeply"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_refused_payloads(body: bytes, headers: dict[str, str], cause: str) -> None:
    """A payload that is not understood is refused with its cause, and with what to do."""
    error = refusal(body, headers)
    assert error.code == codes.INVALID
    assert cause in str(error) or cause == "JSON"
    assert "jq -r .message | curl --data-binary @- URL" in str(error)


@pytest.mark.parametrize("body", ["", " \n\t", {"text": ""}, {"text": None, "blocks": []}, {"attachments": [{}]}])
def test_payloads_without_a_text(body: str | dict[str, Any]) -> None:
    """A blank text is refused as it is everywhere."""
    assert refusal(body).code == codes.EMPTY_TEXT


# Safe, and within bounds


def test_control_characters() -> None:
    """What would act on a terminal or turn a line around is made visible, and no field breaks its line."""
    evil = "a\x1b]0;x\x07\u202eb\x9b\r\nc\x00"
    assert heard(evil).text == "a␛]0;x␇<U+202E>b<U+009B>\nc␀"
    assert heard({"text": evil}).text == "a␛]0;x␇<U+202E>b<U+009B>\nc␀"
    hook = github("issues", {"action": "opened", "issue": {"number": 1, "title": evil}})
    assert hook is not None
    assert hook.text == "GitHub: somebody opened issue #1: a␛]0;x␇<U+202E>b<U+009B> c␀"


@pytest.mark.parametrize(
    ("text", "limit", "cut"),
    [
        ("hello", 5, "hello"),
        ("hello!", 5, "he…"),
        ("äöü", 6, "äöü"),
        ("äöüß", 6, "ä…"),
        ("hello", 3, "hel"),
        ("word " * 100, 400, "word " * 78 + "word…"),
        ("line of words\n" * 30, 400, "line of words\n" * 28 + "line…"),
        ("x" * 500, 400, "x" * 397 + "…"),
    ],
)
def test_cut_at_a_sensible_place(text: str, limit: int, cut: str) -> None:
    """A text that is too long ends with a whole word, if one ends nearby, and an ellipsis."""
    assert heard(text, limit=limit).text == cut


LARGE: Final = 10**400  # more than any float
numbers = st.integers() | st.sampled_from([LARGE, -LARGE]) | st.floats(allow_nan=False, allow_infinity=False)
anything = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)
names = st.sampled_from(sorted(set(re.findall(r'"(\w+)":', json.dumps([one.body for one in SAMPLES.values()])))))
objects = st.dictionaries(names, anything | st.dictionaries(names, anything, max_size=4), max_size=6)
events = st.none() | st.sampled_from(
    ["push", "pull_request", "issues", "issue_comment", "release", "workflow_run", "ping"]
)
kinds = st.sampled_from(["application/json", FORM["content-type"], "text/plain", "", "multipart/form-data"])


@given(
    st.binary() | objects.map(lambda value: json.dumps(value).encode()) | st.text().map(str.encode),
    events, kinds, st.text(), st.integers(1, 100),
)  # fmt: skip
def test_whatever_is_posted(body: bytes, event: str | None, kind: str, delivery: str, limit: int) -> None:
    """Any body leads to a safe text within the limit, to nothing, or to a refusal."""
    headers = {"content-type": kind, "x-github-delivery": delivery}
    if event is not None:
        headers["x-github-event"] = event
    try:
        hook = understand(headers, body, key=KEY, limit=limit)
    except Refused as error:
        assert error.code in (codes.INVALID, codes.EMPTY_TEXT)  # noqa: PT017 (others are fine, too)
        assert str(error).isprintable()  # noqa: PT017 (as above)
        return
    if hook is None:
        assert event is not None
        return
    assert not hook.text.isspace()
    assert 0 < len(hook.text.encode()) <= limit
    assert is_text(hook.text)
    assert printable(hook.text) == hook.text
    if hook.id is not None:
        id_bytes(hook.id)


@pytest.mark.parametrize("name", SAMPLES)
def test_numbers_beyond_floats(name: str) -> None:
    """In the place of each number they lead to some text, or to a refusal."""
    sample = SAMPLES[name]
    body = json.dumps(sample.body)
    for found in re.finditer(r"(?<=: )-?[\d.]+", body):
        for number in (LARGE, -LARGE):
            with contextlib.suppress(Refused):
                told(f"{body[: found.start()]}{number}{body[found.end() :]}", sample.headers)


MANY: Final = 40_001
LARGE_PAYLOADS: Final[dict[str, Any]] = {
    "blocks": {"text": "x", "blocks": [{}] * MANY},
    "alerts": {"alerts": [{}] * MANY},
    "labels": {"alerts": [{"labels": {f"l{number}": "" for number in range(MANY)}}]},
}


@pytest.mark.parametrize("name", LARGE_PAYLOADS)
def test_many_parts(name: str) -> None:
    """More than any program sends are not read: nobody else would be served meanwhile."""
    assert "more than 40000" in str(refusal(LARGE_PAYLOADS[name]))
    assert "more than 40000" in str(refusal(LARGE_PAYLOADS[name], {**JSON, "x-github-event": "push"}))


def test_a_large_push() -> None:
    """A thousand commits, as GitHub describes them, are read."""
    body = SAMPLES["github_push"].body
    commit = body["commits"][0] | {"added": ["a"] * 10, "modified": ["b"] * 10}
    hook = github("push", body | {"commits": [commit] * 1000})
    assert hook is not None
    assert "… and 990 more" in hook.text


def test_value_beyond_floats() -> None:
    """A value of Grafana's is shown as one without an end."""
    text = heard({"alerts": [{"values": {"A": LARGE, "B": -LARGE, "C": 2.5}}]}).text
    assert text.endswith("(A=inf, B=-inf, C=2.5)")


@given(st.text(st.sampled_from("<>|@#!&;:^abhtp/s lgmt"), max_size=200))
def test_marks_in_any_order(text: str) -> None:
    """Marks that are not closed, nested or doubled lead to some text."""
    try:
        heard({"text": text})
    except Refused as error:
        assert error.code == codes.EMPTY_TEXT  # noqa: PT017 (others are fine, too)
