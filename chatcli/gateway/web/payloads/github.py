"""Texts for the events of GitHub.

An event whose structs have a required part is refused without it; everything that is only worded may be missing.
"""

from __future__ import annotations

from typing import Final

import msgspec

from chatcli.gateway.web.payloads.wording import counted, excerpt, joined, link, one_line

_COMMITS: Final = 10  # shown of a push
_HASH: Final = 7
_ENDED: Final = {"success": "succeeded", "failure": "failed", "error": "failed"}


def event_text(event: str, payload: bytes) -> str:
    """Return the text for an event, which is empty if there is nothing to say about it.

    Raises:
        msgspec.DecodeError: the payload is not one of that event.
    """
    kind = _EVENTS.get(event)
    if kind is None:
        return ""
    decoded = msgspec.json.decode(payload, type=kind)
    text = decoded.text()
    return f"{decoded.origin}: {text}" if text else ""


class _Part(msgspec.Struct, kw_only=True):
    """A part of a payload. Unknown fields are skipped."""


class _Account(_Part, kw_only=True):
    login: str | None = None
    name: str | None = None


class _Repository(_Part, kw_only=True):
    full_name: str | None = None


class _Event(_Part, kw_only=True):
    """The fields that all events have."""

    action: str | None = None
    repository: _Repository | None = None
    organization: _Account | None = None
    sender: _Account | None = None

    @property
    def origin(self) -> str:
        """The repository, or the organization."""
        repository = one_line(self.repository.full_name) if self.repository else ""
        organization = one_line(self.organization.login) if self.organization else ""
        return repository or organization or "GitHub"

    @property
    def actor(self) -> str:
        """The login of the person who caused the event."""
        return (one_line(self.sender.login) if self.sender else "") or "somebody"

    def text(self) -> str:
        """Return the text, or nothing."""
        raise NotImplementedError


class _Ping(_Event, kw_only=True):
    zen: str | None = None

    def text(self) -> str:
        return joined("the webhook works.", one_line(self.zen))


class _Commit(_Part, kw_only=True):
    id: str
    message: str | None = None
    author: _Account | None = None

    def line(self) -> str:
        author = one_line(self.author.name) if self.author else ""
        title = one_line((self.message or "").strip().partition("\n")[0])
        return joined(one_line(self.id[:_HASH]), f"{author}:" if author else "", title)


class _Push(_Event, kw_only=True):
    ref: str
    created: bool = False
    deleted: bool = False
    forced: bool = False
    compare: str | None = None
    commits: list[_Commit] | None = None

    def text(self) -> str:
        commits = self.commits or []
        url = "" if self.deleted else link(self.compare)
        lines = counted([commit.line() for commit in commits[:_COMMITS]], len(commits) - _COMMITS)
        return "\n".join([joined(self.actor, self._deed(len(commits)), url), *lines])

    def _deed(self, commits: int) -> str:
        kind, name = _reference(self.ref)
        if self.deleted or self.created:
            return joined("deleted" if self.deleted else "created", kind, name)
        pushed = "force-pushed" if self.forced else "pushed"
        if kind != "branch" or not commits:
            return joined(pushed, kind, name)
        return joined(pushed, "1 commit to" if commits == 1 else f"{commits} commits to", name)


def _reference(ref: str) -> tuple[str, str]:
    """Return the kind and the name of a git reference."""
    if ref.startswith("refs/tags/"):
        return "tag", one_line(ref.removeprefix("refs/tags/"))
    return "branch", one_line(ref.removeprefix("refs/heads/"))


class _Ticket(_Part, kw_only=True):
    """An issue or a pull request."""

    number: int
    title: str | None = None
    html_url: str | None = None
    merged: bool | None = None
    state_reason: str | None = None
    pull_request: dict[str, object] | None = None

    def line(self, kind: str) -> str:
        title = one_line(self.title)
        return joined(f"{kind} #{self.number}{':' if title else ''}", title)


class _PullRequest(_Event, kw_only=True):
    pull_request: _Ticket

    def text(self) -> str:
        deed = (
            "merged" if self.action == "closed" and self.pull_request.merged else _PULL_REQUEST.get(self.action or "")
        )
        if not deed:
            return ""
        return joined(self.actor, deed, self.pull_request.line("pull request"), link(self.pull_request.html_url))


# Labels, assignments and pushes to a branch that is under review would drown what people wait for.
_PULL_REQUEST: Final = {
    "opened": "opened",
    "closed": "closed",
    "reopened": "reopened",
    "ready_for_review": "asks for a review of",
}


class _Issues(_Event, kw_only=True):
    issue: _Ticket

    def text(self) -> str:
        if self.action not in ("opened", "closed", "reopened"):
            return ""
        reason = self.issue.state_reason if self.action == "closed" else None
        how = f"({one_line(reason).replace('_', ' ')})" if reason and reason != "completed" else ""
        return joined(self.actor, self.action, self.issue.line("issue"), how, link(self.issue.html_url))


class _Comment(_Part, kw_only=True):
    body: str | None = None
    html_url: str | None = None


class _IssueComment(_Event, kw_only=True):
    issue: _Ticket
    comment: _Comment

    def text(self) -> str:
        if self.action != "created":
            return ""
        kind = "issue" if self.issue.pull_request is None else "pull request"
        line = joined(self.actor, "commented on", self.issue.line(kind), link(self.comment.html_url))
        return f"{line}\n{excerpt(self.comment.body)}".rstrip()


class _Publication(_Part, kw_only=True):
    tag_name: str | None = None
    name: str | None = None
    html_url: str | None = None
    prerelease: bool = False


class _Release(_Event, kw_only=True):
    release: _Publication

    def text(self) -> str:
        if self.action != "published":  # "created", "released" and "prereleased" come besides
            return ""
        tag, name = one_line(self.release.tag_name), one_line(self.release.name)
        title = f"{tag}: {name}" if tag and name and name != tag else tag or name
        kind = "pre-release" if self.release.prerelease else "release"
        return joined(self.actor, "published", kind, title, link(self.release.html_url))


class _Run(_Part, kw_only=True):
    name: str | None = None
    head_branch: str | None = None
    conclusion: str | None = None
    run_number: int | None = None
    html_url: str | None = None


class _WorkflowRun(_Event, kw_only=True):
    workflow_run: _Run

    def text(self) -> str:
        run = self.workflow_run
        if self.action != "completed":
            return ""
        number = f"#{run.run_number}" if run.run_number is not None else ""
        branch = f"on {one_line(run.head_branch)}" if run.head_branch else ""
        outcome = one_line(run.conclusion).replace("_", " ") or "completed"
        return joined(joined("workflow", one_line(run.name), number, branch) + ":", outcome, link(run.html_url))


class _Status(_Part, kw_only=True):
    state: str
    environment: str | None = None
    description: str | None = None
    target_url: str | None = None
    environment_url: str | None = None
    log_url: str | None = None


class _Deployed(_Part, kw_only=True):
    ref: str | None = None


class _DeploymentStatus(_Event, kw_only=True):
    deployment_status: _Status
    deployment: _Deployed | None = None

    def text(self) -> str:
        status = self.deployment_status
        ended = _ENDED.get(status.state)
        if ended is None:
            return ""
        of = f"of {one_line(self.deployment.ref)}" if self.deployment and self.deployment.ref else ""
        to = f"to {one_line(status.environment)}" if status.environment else ""
        logs = link(status.log_url) or link(status.target_url)
        url = (link(status.environment_url) or logs) if ended == "succeeded" else logs
        about = one_line(status.description)
        return joined(joined("the deployment", of, to, ended) + (":" if about else ""), about, url)


_EVENTS: Final[dict[str, type[_Event]]] = {
    "deployment_status": _DeploymentStatus,
    "issue_comment": _IssueComment,
    "issues": _Issues,
    "ping": _Ping,
    "pull_request": _PullRequest,
    "push": _Push,
    "release": _Release,
    "workflow_run": _WorkflowRun,
}
