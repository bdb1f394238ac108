"""What an assertion says when it fails: first the one thing that a summary shows, then what helps to find the cause."""

from __future__ import annotations

from collections.abc import Iterator

from netparity.compare.comparison import Comparison, setting_words
from netparity.network.settings import CaseSettings
from netparity.verdict.findings import Check, CheckKind, CheckResult, Status
from netparity.verdict.report import DIAGNOSED, BackendReport, Report


def verdict_message(found: Report) -> str:
    """Why a run's one backend does not agree with the reference."""
    (report,) = found.backends
    first = _most_telling(report)
    versions = ", ".join(f"{key} {value}" for key, value in report.versions.items())
    lines = [
        f"{_place(first)}{report.name} is not what the float64 reference says.",
        f"  {first.status} {first.check}: {first.message}",
        *_why(report),
        *_others(report, first),
        f"  case: {_case(found.settings)}",
        f"  versions: {versions or 'unknown'}",
        f"  environment: {', '.join(f'{key} {setting_words(value)}' for key, value in found.environment.items())}",
    ]
    return "\n".join(lines)


def comparison_message(
    found: Comparison, golden: str, settings: CaseSettings, opinion: BackendReport | None, remake: str
) -> str:
    """How a backend's numbers differ from those of a golden.

    Args:
        found: The comparison, the golden's numbers first.
        golden: What the golden is called.
        settings: What was run.
        opinion: What the reference says of the backend now, if it was asked.
        remake: The command that makes the golden anew.
    """
    what = found.first_beyond or found.first_different
    assert what is not None
    explained = "and rounding does not explain it" if found.first_beyond else "bit for bit; rounding explains it"
    lines = [f"{what.label} of {found.second} is not what {golden} holds, {explained}.", f"  {what.sentence()}"]
    if (first := found.first_different) and first is not what:
        lines.append(f"  first to differ at all: {first.sentence()}")
    changed = sum(not difference.identical for difference in found.differences)
    beyond = sum(difference.beyond for difference in found.differences)
    lines.append(f"  of {len(found.differences)} tensors, {changed} changed, {beyond} by more than rounding can do")
    lines += [f"  image {place}: class {before} became {after}" for place, before, after in found.changed]
    if opinion is not None and opinion.status is Status.PASS:
        lines.append(f"  against the float64 reference: {opinion.name} passes, so it is the golden that is wrong")
    elif opinion is not None:
        check = _most_telling(opinion)
        lines.append(f"  against the float64 reference: {check.status} {check.check}: {check.message}")
        lines += _why(opinion)
    lines.append(f"  case: {_case(settings)}")
    lines += [f"  {line}" for line in _environment(found)]
    lines.append(f"  If the new numbers are the right ones: {remake}")
    return "\n".join(lines)


def changes_note(found: Comparison, golden: str) -> str:
    """How the bits differ where rounding explains it all: what is worth a look and no failure."""
    changed = [difference for difference in found.differences if not difference.identical]
    return (
        f"{golden}: {found.second} gives other bits in {len(changed)} of {len(found.differences)} tensors, "
        f"{changed[0].label} first; rounding explains them (at most {found.largest.share or 0:.2g} of what "
        f"it allows, {found.largest.label}). {'; '.join(_environment(found))}."
    )


def skips_note(report: BackendReport) -> str:
    """Which checks a backend that passes was spared, and why; empty if none."""
    skipped = [check for check in report.checks if check.status is Status.SKIPPED]
    reasons = "; ".join(dict.fromkeys(check.message.rstrip(".") for check in skipped))
    names = ", ".join(str(check.check) for check in skipped)
    return f"{report.name} passes, and was not judged by {names}: {reasons}." if skipped else ""


def _most_telling(report: BackendReport) -> CheckResult:
    """The failure that names a layer, if there is one; else the first."""
    failures = {check.check: check for check in report.checks if check.status not in (Status.PASS, Status.SKIPPED)}
    for check in (*DIAGNOSED, *failures):
        if check in failures:
            return failures[check]
    return CheckResult(Check(CheckKind.ABILITIES), report.status, "nothing could be judged.")


def _place(check: CheckResult) -> str:
    """The layer or parameter that a check found first, as the beginning of a sentence."""
    return f"{check.first_failure.name} of " if check.first_failure else ""


def _others(report: BackendReport, shown: CheckResult) -> Iterator[str]:
    """What else did not pass; that a backend died is said once."""
    for check in report.checks:
        if check.status is not Status.PASS and check.message != shown.message:
            yield f"  {check.status} {check.check}: {check.message}"


def _why(report: BackendReport) -> list[str]:
    return [f"  why: {report.diagnosis.sentence()}"] if report.diagnosis else []


def _case(settings: CaseSettings) -> str:
    count, *shape = settings.shape
    seed = "" if settings.seed is None else f", seed {settings.seed}"
    return (
        f"{', '.join(settings.dtypes)}, {count} × {'×'.join(map(str, shape))} from {settings.images}, "
        f"weights of {settings.weights}{seed}"
    )


def _environment(found: Comparison) -> list[str]:
    lines = [f"{what}: {before} before, {after} now" for what, before, after in found.environment]
    return lines or ["versions and environment are those of the golden"]
