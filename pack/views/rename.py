"""View of `pack rename`: the new name, and how the old one comes back."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from qa2pack.executor.apply import Applied
from qa2pack.executor.transaction.recovery import Phase
from qa2pack.manifest.alma.package import Package, manifest_names, member_of_manifest
from qa2pack.manifest.path import join, shown
from qa2pack.manifest.problem import Problem
from qa2pack.pack.errors.problem_view import problem_lines
from qa2pack.pack.target import Target
from qa2pack.pack.terminal.style import Style
from qa2pack.pack.views.found_texts import found_text_lines, found_texts_of
from qa2pack.pack.views.json_fields import path_fields, problem_fields
from qa2pack.pack.views.kept import kept_lines
from qa2pack.pack.views.signatures import unsigned_lines
from qa2pack.pack.views.view import View


def renamed_target(target: Target, code: bytes) -> Target:
    """Return the package under its new name."""
    package = Package(join(target.package.parent, code))
    folder, name = os.path.split(target.typed)
    is_named = name == target.package.project and not target.is_link
    return replace(target, package=package, typed=os.path.join(folder, code) if is_named else package.path)


def rename_view(result: Applied, warnings: Sequence[Problem], new: Target) -> View:
    """Return the view of a renaming.

    Args:
        new: the package under its new name.
    """
    return View(
        lines=partial(_lines, result, warnings, new),
        fields=lambda: {
            **path_fields("package", new.package.path),
            **path_fields("renamed_from", result.renamed_from),
            "kept_bytes": result.kept_bytes,
            "unsigned": [path_fields("member", member) for member in result.unsigned],
            "left_texts": [path_fields("path", path) for path in _found_texts(new)],
            "warnings": problem_fields(warnings),
        },
    )


def renamed_lines(result: Applied, target: Target, style: Style) -> Iterator[str]:
    """Yield what got another name; also for `pack apply`, where a renaming that was stopped goes on."""
    yield f"{style.good('Renamed')}: {shown(result.renamed_from)} is now"
    yield f"  {shown(target.package.path)}"
    yield from found_text_lines(_found_texts(target), target, style)
    if result.resumed is not Phase.ENDED:  # this run only filed the journal, and does not know what is kept
        yield from kept_lines(result, target, style)
    yield "Deliveries and reports that were made before have the old code: make them again. To check the package:"
    yield f"  {style.bold(f'pack verify {target.quoted}')}"


def _found_texts(target: Target) -> list[bytes]:
    return found_texts_of(map(member_of_manifest, manifest_names(target.package)), target)


def _lines(result: Applied, warnings: Sequence[Problem], target: Target, style: Style) -> Iterator[str]:
    if warnings:
        yield from problem_lines(warnings, target, style, has_remedies=False)
    yield from renamed_lines(result, target, style)
    yield from unsigned_lines(result.unsigned, target, style)
