"""`pack show`: contents of a package, from its manifests."""

import os
from typing import Annotated

import typer

from qa2pack.pack.commands.options import JsonOption, KnownSignersOptions, MemberOption, PackagesArgument

OneRole = Annotated[
    str, typer.Option("--role", metavar="ROLE", help="Only this folder: raw, qa, ...", show_default=False)
]
Files = Annotated[bool, typer.Option("--files", help="List every file with its size in bytes.")]
WaitingPlan = Annotated[bool, typer.Option("--plan", help="Show the plan that waits, as `pack plan` did.")]


def show(
    package: PackagesArgument = None,
    member: MemberOption = "",
    role: OneRole = "",
    files: Files = False,
    plan: WaitingPlan = False,
    json: JsonOption = False,
    *,
    signers: KnownSignersOptions,
) -> None:
    """Show members, roles, files and bytes of PACKAGE.

    Also where they came from. Of several packages a line for each is shown; without PACKAGE, of those below the
    current folder.

    Example: pack show 2011.0.00229.S --role qa --files
    """
    from qa2pack.pack.commands.several import run_packages
    from qa2pack.pack.errors.attempt import Attempt
    from qa2pack.pack.jobs import show as job
    from qa2pack.pack.jobs.signatures import signatures
    from qa2pack.pack.target import Target, quoted
    from qa2pack.pack.views.show import ShowOptions, show_view
    from qa2pack.pack.views.view import View

    if plan and member:
        raise typer.BadParameter("a plan is of one member, so --member has no use", param_hint="--plan")
    if (plan or files) and not json and len(package or ()) != 1:
        raise typer.BadParameter("of several packages it is shown with --json only", param_hint="--plan, --files")

    trust = signers.trust()

    def view_of(target: Target) -> View:
        if not plan:
            contents = job.show(target, os.fsencode(member))
            job.check_role((one.manifest.header for one in contents.members if one.manifest), role)
            known = {member.path for member in contents.members}
            signed = [each.signed for each in signatures(target.package, trust) if each.member in known]
            return show_view(contents, target, ShowOptions(role, files, trust), signed)
        from qa2pack.pack.views.plan import plan_view  # here, because it imports all of planning
        from qa2pack.pack.views.planned_files import planned_role_view

        waiting = job.waiting_plan(target)
        job.check_role((waiting.header,), role)
        if role:
            return planned_role_view(waiting, role, target)
        attempt = Attempt("show", target, quoted(waiting.header.origin))
        return plan_view(waiting, attempt, has_tree=files, is_unfolded=files)

    run_packages("show", package, view_of, is_json=json, is_output_all=True)
