"""Texts for the notifications of Prometheus' Alertmanager, and of Grafana, whose format is a superset of it."""

from __future__ import annotations

from typing import Final

import msgspec

from chatcli.gateway.web.payloads.wording import counted, joined, link, one_line

_SHOWN: Final = 30  # alerts of a notification
_VALUES: Final = 5  # of an alert
_RESOLVED: Final = "resolved"


class Alert(msgspec.Struct, kw_only=True, rename="camel"):
    """One alert of a notification."""

    status: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    starts_at: str | None = None
    ends_at: str | None = None
    fingerprint: str | None = None
    generator_url: str | None = msgspec.field(default=None, name="generatorURL")
    values: dict[str, object] | None = None  # Grafana's


class Notification(msgspec.Struct, kw_only=True, rename="camel"):
    """The alerts of a group, of which at least one has changed, as they are posted."""

    alerts: list[Alert]
    status: str | None = None
    group_key: str | None = None
    truncated_alerts: int | None = None
    title: str | None = None  # Grafana's
    message: str | None = None  # Grafana's


def notification_text(notification: Notification) -> str:
    """Return a line for each alert, the firing ones first."""
    if not notification.alerts:
        return joined(one_line(notification.title), one_line(notification.message))
    default = notification.status
    alerts = sorted(notification.alerts, key=lambda alert: (alert.status or default) == _RESOLVED)
    hidden = max(0, len(alerts) - _SHOWN) + (notification.truncated_alerts or 0)
    return "\n".join(counted([_line(alert, default) for alert in alerts[:_SHOWN]], hidden))


def notification_identity(notification: Notification) -> tuple[object, ...] | None:
    """Return the parts that make two notifications the same one, or None if nothing tells.

    A retry, the same notification from another replica of Alertmanager, and a repetition after ``repeat_interval`` have
    the same identity: nothing in a payload tells them apart. So a room learns of each change once, and a repetition of
    what has not changed says nothing. An alert that fires again has another start.
    """
    alerts = notification.alerts
    if not notification.group_key or not alerts or not all(alert.starts_at for alert in alerts):
        return None
    return notification.group_key, sorted(_state(alert, notification.status) for alert in alerts)


def _state(alert: Alert, default: str | None) -> tuple[str, ...]:
    status = alert.status or default or ""
    # As long as an alert fires, its end is in the future, and some senders move it with each notification.
    end = alert.ends_at if status == _RESOLVED else None
    whose = alert.fingerprint or repr(sorted((alert.labels or {}).items()))
    return whose, status, alert.starts_at or "", end or ""


def _line(alert: Alert, default: str | None) -> str:
    labels = alert.labels or {}
    severity = one_line(labels.get("severity"))
    status = one_line(alert.status or default) or "alert"
    head = f"{status} ({severity}):" if severity else f"{status}:"
    return joined(head, _summary(alert, labels), _values(alert.values or {}), link(alert.generator_url))


def _summary(alert: Alert, labels: dict[str, str]) -> str:
    annotations = alert.annotations or {}
    said = one_line(annotations.get("summary")) or one_line(annotations.get("description"))
    if said:
        return said
    others = [f"{name}={value}" for name, value in sorted(labels.items()) if name not in ("alertname", "severity")]
    return one_line(joined(labels.get("alertname", ""), *others)) or "an alert without a name"


def _values(values: dict[str, object]) -> str:
    numbers = [
        f"{one_line(name)}={_number(value)}"
        for name, value in sorted(values.items())
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    ]
    return f"({', '.join(numbers[:_VALUES])})" if numbers else ""


def _number(value: float) -> str:
    try:
        return f"{value:.6g}"
    except OverflowError:  # an integer that is larger than any float
        return "inf" if value > 0 else "-inf"
