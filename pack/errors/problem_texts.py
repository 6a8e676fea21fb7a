"""Texts of all problem codes: what it is, its usual cause, the remedy. One row per code.

`PACKAGE` and `ORIGIN` in a row stand for the paths of the running command, `MODE` for the mode of the package.
Commands are apart from the sentences, because each is shown alone on a line, to be copied.
`python -m qa2pack.pack.errors.problem_texts` prints the page docs/problems.md.
"""

from collections.abc import Iterator, Mapping

from qa2pack.manifest.layout.remedies import PLAN_ONE, SET_ONE
from qa2pack.manifest.problem import Code, Remedy
from qa2pack.manifest.verify.remedies import AGAIN, REPAIR_TEXT
from qa2pack.pack.errors.failure_texts import REQUESTS, STOPS
from qa2pack.pack.errors.problem_row import Row

_PLAN = "pack plan ORIGIN PACKAGE --mode MODE"
_APPLY = "pack apply PACKAGE --keep-previous"
_REPAIR = ("pack repair PACKAGE",)
_OTHER_REPAIRS = (
    Remedy(
        "Where the origin does not have it any more, as with a hard link that was changed in place, from another "
        "copy of the package, or from what was unpacked from its tars:",
        ("pack repair PACKAGE --from FOLDER",),
    ),
    Remedy("Or make the member again from its origin, as that is now:", AGAIN),
)

PLANNING: Mapping[Code, Row] = {
    Code.ORIGIN_MISSING: Row(
        "There is no such reduction folder.",
        "The path is mistyped, or its disk is not mounted on this machine.",
        "Check the path, then plan again.",
    ),
    Code.ORIGIN_NOT_FOLDER: Row(
        "The origin is a file, not a reduction folder.",
        "A file inside the reduction folder was named instead of the folder.",
        "Name the folder of the scheduling block, or of one execution block.",
    ),
    Code.ORIGIN_NOT_WRITABLE: Row(
        "A move cannot leave links in this folder of the origin.",
        "The folder belongs to another user, may not be written, or its file system is read-only.",
        "Use --mode copy, which writes nothing into the origin, or get permission to write to this folder.",
    ),
    Code.UNREADABLE: Row(
        "This cannot be read.",
        "It belongs to another user, a folder on the way may not be entered, or the disk has an error.",
        "Get permission: chmod u+rX, or ask its owner.",
        others=(
            Remedy("If it is an error of the disk or its server: have that checked, or mounted again."),
            Remedy("Or leave it out of a plan: --exclude GLOB", verbs=("plan", "diff")),
        ),
    ),
    Code.BUNDLE_UNREADABLE: Row(
        "A rule of the layout takes files out of this tar or compressed file, and it cannot be read as one.",
        "It is cut short or damaged, its name says another form, or it holds what is no plain file or folder inside "
        "of it: links, devices, paths that lead out, a path twice.",
        "Make it again of plain files, or leave it out of the plan: --exclude GLOB",
    ),
    Code.NO_PLACE: Row(
        "The origin has no folder of a kind that the layout needs.",
        "The origin is one level too high or too low, is another kind of delivery, or has names that the layout does "
        "not know.",
        "Name the folder that has them in it, or another layout: --layout NAME. To see what a layout finds in it:",
        ("pack layout --list", "pack layout --check NAME ORIGIN"),
    ),
    Code.LAYOUT_FITS: Row(
        "The origin has all folders that this layout needs.",
        "The origin is a delivery of another kind than the layout of the plan is for.",
        "If the origin is of that kind, plan it with this layout:",
        ("pack plan ORIGIN PACKAGE --mode MODE --layout PATH",),
    ),
    Code.README_MISSING: Row(
        "The file with the README header cannot be read.",
        "The path is mistyped, or the file may not be read.",
        "Check the path of --readme; without --readme the template that comes with the program is used.",
    ),
    Code.README_NOT_TEXT: Row(
        "The header of the README is not UTF-8 text.",
        "Another file was named, or an editor saved it in another encoding (UTF-16, Latin-1).",
        "Name the right file, or have it in UTF-8:",
        ("iconv -f ENCODING -t UTF-8 -o NEW FILE",),
    ),
    Code.NOT_A_PACKAGE: Row(
        "The destination holds something that does not belong to a package.",
        "The path names another folder, or files were added to the package by hand.",
        "Name another destination, or move away what does not belong there. Only if everything at PACKAGE may go, "
        "plan with --force",
    ),
    Code.PACKAGE_MISSING: Row(
        "There is no package here.",
        "The path is mistyped, or the package was never applied.",
        "Check the path, or plan a new package:",
        (_PLAN,),
    ),
    Code.PART_OF_PACKAGE: Row(
        "This is no package, though it belongs to one.",
        "A folder inside the package was named, its control folder, a ticket file, or the manifest of a delivery.",
        "Name the package itself. If this is the manifest of a delivery, check the tars that lie beside it:",
        ("tarsplit --check FOLDER",),
        (Remedy("To check what was unpacked from them:", ("pack verify UNPACKED --manifest FILE",)),),
    ),
    Code.SWAPPED: Row(
        "The origin is a package, and something else is where the package is to be: are they swapped?",
        "The package was typed first, and the reduction after it.",
        "Type them the other way round, first the reduction: PACKAGE ORIGIN",
        others=(
            Remedy("To plan:", ("pack plan PACKAGE ORIGIN --mode MODE",), verbs=("plan", "package")),
            Remedy("To compare:", ("pack diff PACKAGE ORIGIN",), verbs=("diff",)),
        ),
    ),
    Code.NOT_ADOPTED: Row(
        "The package that would be replaced was not made by this program, or came without its control folder.",
        "The old script made it, or it was moved without the folder PACKAGE.pack beside it.",
        "To keep it and add to it, plan with --append member; to replace it, with --force. To be able to verify it:",
        ("pack adopt PACKAGE",),
    ),
    Code.ONLY_COPY: Row(
        "Replacing the package would lose this file: it is the last copy, or symlinks lead to it.",
        "Files were moved into the package, and the new plan does not take them over.",
        "Plan with the origin they came from, if that is another; or add to the package instead, in a layout that "
        "counts members: --append member; a file that is not wanted any more can be taken out of the package by "
        "hand.",
    ),
    Code.NOT_TAKEN_OVER: Row(
        "The package was adopted or received, and the plan does not hold this file with the same content.",
        "Nobody can say where such a file came from, so it may be the last copy. README and files of tables that "
        "lose columns are written again by each plan, so they are listed also if the origin is the right one; with "
        "the mode fake, which reads nothing, all files do.",
        "To keep the package and add to it, in a layout that counts members: --append member. If the origin has the "
        "data of these files, or they may go:",
        (f"{_PLAN} --force", _APPLY),
        (Remedy("This brings the old ones back:", ("pack rollback PACKAGE",)),),
    ),
    Code.NESTED: Row(
        "Origin and package lie one inside the other.",
        "The package was given a place inside the reduction folder, or the reverse.",
        "Choose a destination outside the origin.",
    ),
    Code.INSIDE_PACKAGE: Row(
        "The destination lies in another package or its control folder, or is that folder.",
        "The path goes on below a package, or has .pack behind its name. What is put there damages that package.",
        "Choose a destination beside that package. To add a member to it, name the package itself: --append member",
    ),
    Code.TICKET_IN_THE_WAY: Row(
        "Another file has the name of a ticket file of the package.",
        "Another program or a person made it; apply would replace it.",
        "Move it away, or choose another destination. Only if it is a regular file that may go, plan with --force",
    ),
    Code.CONTROL_UNUSABLE: Row(
        "The control folder of the package cannot be used.",
        "Its owner does not let others enter it, or a link, a named pipe, another package or something else is "
        "in its place.",
        "In place of a link put the thing itself. What belongs to something else is to be moved away. Where a "
        "package is called PACKAGE.pack, give this one another name. Otherwise have its owner let you read it:",
        ("chmod -R go+rX PACKAGE.pack",),
    ),
    Code.CONTROL_FOREIGN: Row(
        "This belongs to another user, and what is in it decides what is linked, moved and removed in your name.",
        "Somebody else made the package, or put something into its control folder.",
        "If you work on the package together and trust this person: the same command with --trust-owner NAME, or "
        "trust-owner in your own pack.toml. Else name another destination.",
    ),
    Code.COLLISION: Row(
        "Several files of the origin would land on this one path of the package.",
        "Files of two execution blocks or folders have the same name and no rule distinguishes them.",
        "Rename one of them, or leave one out: --exclude GLOB",
    ),
    Code.CROSS_DEVICE: Row(
        "Hard links cannot reach the package: it is on another file system or mount.",
        "Origin and package lie on different disks, or on one that is mounted at two places, as in containers.",
        "Choose a destination on the disk and mount of the origin, or use --mode copy",
    ),
    Code.NO_HARD_LINKS: Row(
        "The disk of the package has no hard links.",
        "Its file system (exFAT, FAT, some network shares) has none, and the mode links files of the origin into the "
        "package.",
        "Use --mode copy, or choose a destination on another disk.",
    ),
    Code.NO_SYMLINKS: Row(
        "A disk of the origin has no absolute symbolic links, or none that can be followed.",
        "Its file system (exFAT, FAT, some network shares) has none, does not give absolute ones back as they were "
        "made (sshfs with some options), or follows none (mount option nosymfollow), which was tried out; a move "
        "leaves one in the place of each file.",
        "Use --mode copy, which writes nothing into the origin.",
    ),
    Code.NAME_REFUSED: Row(
        "The disk of the package cannot hold this name.",
        "Its file system (exFAT, FAT, NTFS, some network shares) takes no such letters, endings or lengths; that was "
        "tried out.",
        "Rename it in the origin, leave it out (--exclude GLOB), or choose a destination on another disk; a package "
        "itself, or what stands beside it, needs another name, or a shorter one.",
    ),
    Code.NAMES_MERGE: Row(
        "Two names of one folder are one name to the disk of the package.",
        "They differ only in upper and lower case, or in how a letter with an accent is written; that was tried out.",
        "Rename one of them in the origin, leave one out (--exclude GLOB), or choose a destination on another disk.",
    ),
    Code.FILE_TOO_LARGE: Row(
        "The disk of the package takes no file of this size.",
        "Its file system has a limit (FAT: 4 GiB), which was tried out, or the shell has one (ulimit -f).",
        "Choose a destination on another disk, leave the file out (--exclude GLOB), or lift the limit of the shell.",
    ),
    Code.NO_SPACE: Row(
        "There is not enough space for the package.",
        "The copies, and the files that table splits write, need more than is free.",
        "Make room.",
        others=(
            Remedy(
                "Or use --mode hard on the disk of the origin: it needs next to no space.",
                verbs=("plan", "package", "apply", "batch"),
            ),
        ),
    ),
    Code.NO_INODES: Row(
        "The file system of the package cannot hold so many files more.",
        "Its number of inodes was fixed when it was made, and is nearly used up (df -i shows it).",
        "Remove files that are not needed, or choose another file system.",
    ),
    Code.LINK_DANGLING: Row(
        "This link leads to nothing.",
        "What it named was moved or removed, for instance a package that files had been moved to.",
        "Bring back what it leads to (a package that files were moved to, and that was renamed, gets its old name "
        "back), remove the link, or leave it out: --exclude GLOB",
    ),
    Code.LINK_LOOP: Row(
        "This link leads in a circle.",
        "It names itself, or a folder that holds it.",
        "Remove the link, or leave it out: --exclude GLOB",
    ),
    Code.LINK_OUTSIDE: Row(
        "This link leads out of the origin.",
        "The reduction uses files from elsewhere through links.",
        "To package what it leads to: --follow-outside; to leave it out: --exclude GLOB",
    ),
    Code.SPECIAL_FILE: Row(
        "This is neither a file nor a folder.",
        "A socket, pipe or device; some programs leave them behind.",
        "Remove it, or leave it out: --exclude GLOB",
    ),
    Code.NAME_TOO_LONG: Row(
        "The name in the package would be too long.",
        "With the uid or the folder's name in front it has more bytes than a file system takes.",
        "Shorten the name in the origin, or leave it out: --exclude GLOB",
    ),
    Code.PATH_TOO_LONG: Row(
        "The path in the package would be too long for the system.",
        "Folders lie very deep in each other, or have very long names.",
        "Choose a destination with a shorter path, shorten names in the origin, or leave it out: --exclude GLOB",
    ),
    Code.UNCHANGEABLE: Row(
        "This is marked as immutable or append-only.",
        "Somebody protected it (chattr +i or +a): not even root can link it, or put a link in its place.",
        "Take the mark away (chattr -i -a), or use --mode copy",
    ),
    Code.LINK_LIMIT: Row(
        "This file has as many hard links as its file system takes.",
        "It is linked into very many packages or backups already.",
        "Use --mode copy, or remove links to it that are not needed.",
    ),
    Code.LINK_FORBIDDEN: Row(
        "The system does not let you make hard links to this file.",
        "It belongs to another user and you may not write to it (fs.protected_hardlinks).",
        "Have its owner make the package, or use --mode copy",
    ),
    Code.UNKNOWN_ROLE: Row(
        "This is not a role of a package.",
        "It is misspelt in --include, PACK_INCLUDE or the layout file, or the part before the = is missing.",
        "Write --include GLOB=ROLE with a folder of the layout, which it shows as [[folder]]:",
        ("pack layout",),
    ),
    Code.APPEND_NOT_COUNTED: Row(
        "Members of this layout are not counted in this way.",
        "Its tree has no such counter: variables tell the members apart, or the package is the only member.",
        "Plan without --append: a member with other values is added, and one with the same is replaced.",
    ),
    Code.OTHER_TREE: Row(
        "The package has members of another tree.",
        "They were packaged with a layout whose tree has other folders.",
        "Give the layout of the package with --layout, or choose another destination.",
    ),
    Code.OTHER_MEMBER: Row(
        "The origin is that of another member than the one that is replaced.",
        "The values that the origin gives the variables of the layout are those of another member.",
        "Plan without --replace-member: the member of these values is replaced if it is there, and else added.",
    ),
    Code.UNKNOWN_LAYOUT: Row(
        "The layout is not known, or not understood.",
        "The name is misspelt, the file cannot be read, or something in it is not a layout rule.",
        "Use --layout cycle0, or correct the file: the rules of cycle0 explain themselves:",
        ("pack layout",),
    ),
    Code.UNKNOWN_VARIABLE: Row(
        "The layout has no such variable, or it cannot have this value.",
        "It is misspelt in --set, PACK_SET or a pack.toml, or the layout is another one.",
        SET_ONE.text,
        SET_ONE.commands,
    ),
    Code.VARIABLE_MISSING: Row(
        "A variable of the layout has no value.",
        "The layout puts it into names, and no folder or file of the origin tells it.",
        "Give it with --set NAME=VALUE",
    ),
    Code.SEVERAL_VALUES: Row(
        "The origin has several values of a variable of which a package has one.",
        "It holds more than one unit, such as a pipeline run with several MOUSs.",
        PLAN_ONE.text,
        PLAN_ONE.commands,
    ),
    Code.CHECK_FAILED: Row(
        "The member is not as its layout says that it must be.",
        "The receivers of such packages refuse it, or their programs fail.",
        "Change the names in the origin, leave out what is too much: --exclude GLOB, or add what is missing, and "
        "plan again",
    ),
    Code.TEXT_FAILED: Row(
        "A text that the layout writes into the package cannot be made.",
        "Its template uses something that is not there, or makes a text that is too long or has no end.",
        "Correct the template; the message has its line. Then plan again:",
        (_PLAN,),
    ),
    Code.UNKNOWN_MODE: Row(
        "This value is not known.",
        "A mode, append or style that does not exist was asked for.",
        "mode is one of fake, copy, hard, move, ticket; append is '', 'group' or 'member'; style is '' or one of "
        "those that the message names.",
    ),
    Code.UNSAFE_PATH: Row(
        "The plan names a path outside package and origin.",
        "The plan was changed, or comes from somewhere else.",
        "Do not apply it. Make a new one, with the same options:",
        (_PLAN,),
    ),
    Code.TABLE_BROKEN: Row(
        "casacore cannot open this table, so its data columns cannot be dropped.",
        "The table is damaged or incomplete, for instance after a stopped copy or a full disk.",
        "Make the table again, leave it out (--exclude GLOB), or package it as it is: --as-is",
    ),
    Code.MANAGER_UNKNOWN: Row(
        "The table names a data manager for which casacore would load a library or open other tables, so it is not "
        "opened.",
        "It was made with a plug-in, which is code and therefore not loaded; or a column is forwarded to another "
        "table or computed by TaQL; or somebody has tampered with it.",
        "Copy the table with CASA into one with the usual managers, as docs/how-to/casa.md says, leave it out "
        "(--exclude GLOB), or package it unopened: --as-is",
    ),
    Code.SCRATCH_FULL: Row(
        "There is too little room for temporary files to look into tables.",
        "The disk of the folder for temporary files (TMPDIR, else /tmp) is full, or a quota is used up. No table is "
        "at fault.",
        "Make room there, or set TMPDIR to a folder with more room.",
    ),
    Code.CASACORE_UNUSABLE: Row(
        "casacore cannot work on this machine at the moment, whatever the table.",
        "Files that may be open, memory, or the folder for temporary files (TMPDIR, else /tmp) are short or missing, "
        "or its process was killed.",
        "Look at what was found, ease it (ulimit -a shows limits), and run the command again.",
    ),
    Code.TABLE_REFERS: Row(
        "This table or image is of no use without another, which the package would not have where it looks for it.",
        "It is a selection (a reference table), a concatenation, a multi-MS of another name, or has a subtable "
        "elsewhere, or a column whose values another table or the ASDM has; or an image that is made of others.",
        "Put a complete copy in its place (in CASA tb.open(OLD), tb.copy(NEW, deep=True, valuecopy=True); with "
        "values elsewhere as docs/how-to/casa.md says), or put the other table beside it so that it is packaged too, "
        "or leave it out: --exclude GLOB",
    ),
    Code.TABLE_PART_EXCLUDED: Row(
        "This table would not open, or not as what it is: something that it needs is excluded.",
        "--exclude, or exclude in pack.toml, matches a file of the table, a subtable, or a part of a multi-MS.",
        "Exclude the whole table, or nothing of it: write the glob so that it does not match what is in tables.",
    ),
    Code.TABLE_LOSSY: Row(
        "Dropping the data columns of this table would change the values of those that stay.",
        "A storage manager that rounds values or derives them from others keeps them, and the table would have to be "
        "rewritten.",
        "Package it whole: --no-split; or put a copy without compression in its place (made with CASA), "
        "or leave it out: --exclude GLOB",
    ),
    Code.TABLE_NOT_REWRITTEN: Row(
        "casacore opens this table, but cannot write it without the data columns that are dropped.",
        "Dropped columns share files with others, or --casa-weights adds a column, so the table would have to be "
        "rewritten; and some of its values cannot be read, or it holds what casacore does not copy, or it has a "
        "file of no column with a name that the rewritten table needs.",
        "Plan it without --casa-weights, if that was given, or package it whole: --no-split; or make the table "
        "again, or leave it out: --exclude GLOB",
    ),
    Code.NOT_WRITABLE: Row(
        "Nothing may be written here.",
        "The folder belongs to another user, its file system is read-only, or it is marked as immutable or "
        "append-only (chattr +i or +a). Or it has the sticky bit, as /tmp has, and the package in it belongs to "
        "another user.",
        "Choose another destination, or get permission to write to this folder.",
    ),
    Code.DESTINATION_MISSING: Row(
        "The folder that is to hold the package does not exist.",
        "The path is mistyped, or its disk is not mounted on this machine.",
        "Check the path, or make the folder with mkdir.",
    ),
    Code.NOT_MOVABLE: Row(
        "This folder cannot be renamed, so nothing new can take its place.",
        "It comes from a lower layer of an overlay file system, as a container's image is, where folders stay.",
        "Put copies in place of the package and its control folder (cp -a, rm -r, mv), or name another destination.",
    ),
    Code.MOUNT_POINT: Row(
        "This is a mount point or subvolume, where the work would rename, replace, link or remove.",
        "The system renames, replaces and removes no mount point, and neither renames nor links out of one.",
        "Choose a destination below the mount point. Or, if it is in a package or origin, unmount it and put a copy "
        "there.",
    ),
    Code.PLAN_MISSING: Row(
        "There is no plan to apply.",
        "None was made; or the last one was applied, and what it made is not there any more.",
        "Make one:",
        (_PLAN,),
    ),
    Code.PLAN_STALE: Row(
        "The plan was made for another state of the package.",
        "The package has changed, was renamed or was removed since the plan was made.",
        "Make a new plan, with the same options; what has not changed is not read again:",
        (_PLAN,),
    ),
    Code.PACKAGE_RENAMED: Row(
        "The package had this name when it was made, and its manifests and README still say so.",
        "The folder and PACKAGE.pack beside it were renamed by hand.",
        "Give both the old name again, and the ticket files too if they were renamed:",
        ("mv PACKAGE PATH", "mv PACKAGE.pack PATH.pack"),
    ),
    Code.EXTRA_SINCE_PLAN: Row(
        "This came into the package after the plan was made, and would go with what is replaced.",
        "Somebody put it there; neither the plan nor a manifest knows it.",
        "Move it to the reduction, or out of the package, then:",
        ("pack apply PACKAGE",),
        others=(Remedy("If it may go, make a new plan, with the same options, which lists it:", (_PLAN,)),),
    ),
    Code.CHANGED_SINCE_PLAN: Row(
        "This file of the package was changed after the plan was made, and would go with what is replaced.",
        "Somebody wrote to it; neither the plan nor a manifest knows of that.",
        "Copy it to the reduction, or out of the package. Then plan again, with the same options; the plan lists it:",
        (_PLAN,),
    ),
    Code.NOTHING_PACKAGED: Row(
        "There would be nothing in the package.",
        "No rule of the layout takes anything of this origin, and the layout writes nothing itself.",
        "See which rule takes what:",
        ("pack layout --check FILE ORIGIN",),
    ),
    Code.BESIDE_TAKEN: Row(
        "Another file has the name of one that the layout writes beside the package.",
        "It is not of this package, or is a name that the package has for itself.",
        "Move it away, or give a variable of the name another value: --set NAME=VALUE",
    ),
    Code.BESIDE_DAMAGED: Row(
        "A file that was written beside the package is not as it was written.",
        "Somebody changed, moved or removed it.",
        "Have it written again, with the package as the origin has it now:",
        ("pack plan --again PACKAGE", "pack apply PACKAGE"),
    ),
    Code.ORIGIN_CHANGED: Row(
        "The origin is not as it was planned.",
        "Files of the plan were written, replaced or removed since it was made, or while it was made.",
        "Let what writes there finish, then make a new plan, with the same options:",
        (_PLAN,),
    ),
    Code.SPLIT_DIFFERS: Row(
        "casacore makes other files of this table than the plan has, so it is not packaged.",
        "The plan was made with another version of casacore, or by a version of this program that did not foresee "
        "them.",
        "If it comes again after this, package the table whole (--no-split) and report it. Else make a new plan, "
        "with the same options and --rehash:",
        (f"{_PLAN} --rehash",),
    ),
    Code.JOURNAL_DAMAGED: Row(
        "The journal of an apply cannot be read to its end, so nothing is decided from it.",
        "The disk returns other bytes than were written, or the file was changed.",
        "Restore the file from a backup. If there is none, remove nothing: PACKAGE is the whole old or the whole new "
        "package, the other one is in PACKAGE.pack/staging or PACKAGE.pack/previous, and links of the origin lead to "
        "either. When the right one is at PACKAGE, rename the folder PACKAGE.pack, then:",
        ("pack adopt PACKAGE",),
    ),
}

VERIFYING: Mapping[Code, Row] = {
    Code.PACKAGE_GONE: Row(
        "The package is not at this path; its control folder is.",
        "It was renamed, moved or removed, and the folder PACKAGE.pack beside it was not.",
        "Move away what is at its path, if anything is. If the package was renamed or moved, give it the name back, "
        "or give PACKAGE.pack the new one. If it was removed, restore it from a backup.",
    ),
    Code.CHANGED: Row(
        "The content is not what was packaged; the size is the same.",
        "The file was edited, or the disk returns other bytes. Hard links share their content with the origin.",
        REPAIR_TEXT,
        _REPAIR,
        (
            *_OTHER_REPAIRS,
            Remedy(
                "If README was changed on purpose, to keep what was changed:", ("pack readme PACKAGE --take-changes",)
            ),
        ),
    ),
    Code.TRUNCATED: Row(
        "The file is shorter than it was packaged.",
        "A copy was stopped, a disk was full, or the file was written to.",
        REPAIR_TEXT,
        _REPAIR,
        _OTHER_REPAIRS,
    ),
    Code.GROWN: Row(
        "The file is longer than it was packaged.",
        "Something was appended to it, in the package or, with hard links, in the origin.",
        REPAIR_TEXT,
        _REPAIR,
        _OTHER_REPAIRS,
    ),
    Code.MISSING: Row(
        "This was packaged and is not there.",
        "It was removed or renamed, or not copied along.",
        REPAIR_TEXT,
        _REPAIR,
        _OTHER_REPAIRS,
    ),
    Code.EXTRA: Row(
        "This was not packaged and is there.",
        "A program or a person put it into the package.",
        "Move it out of the package. To deliver it, put it into the origin and plan again.",
        others=(Remedy("To leave it out of a member:", ("pack repair PACKAGE --remove-extra",)),),
    ),
    Code.EXTRA_FOLDER: Row(
        "This folder was not packaged and is there.",
        "A program or a person made it.",
        "Move it out of the package.",
        others=(Remedy("To leave it out of a member:", ("pack repair PACKAGE --remove-extra",)),),
    ),
    Code.WRONG_TYPE: Row(
        "This is of another type than it was packaged.",
        "A file was replaced by a link or a folder, or a folder by a file; a package holds no links.",
        REPAIR_TEXT,
        _REPAIR,
        _OTHER_REPAIRS,
    ),
    Code.DAMAGED_INSIDE: Row(
        "A file in a tar or compressed file of the package is not as it was packaged.",
        "The tar or compressed file was damaged or made again; its other files are as they were packaged.",
        "Have the whole written again from the files of the origin, or with --from FOLDER taken from another copy of "
        "the package:",
        ("pack repair PACKAGE",),
    ),
    Code.MANIFEST_DAMAGED: Row(
        "The manifest of this member cannot be used.",
        "The file in PACKAGE.pack/manifests was cut short or changed.",
        "Restore it from a backup. If there is none and the member is known to be right, remove the manifest and "
        "make a new one; with --layout where the member is not of cycle0:",
        ("rm PATH", "pack adopt PACKAGE"),
    ),
    Code.MANIFEST_NEWER: Row(
        "The manifest of this member is in a newer format than this program reads.",
        "A newer version of the program made the package. The manifest itself is good.",
        "Install the newest version of qa2pack and type the command again. Do not remove the manifest.",
    ),
    Code.MANIFEST_MISSING: Row(
        "No manifest describes this member, so it cannot be verified.",
        "The old script made it, the package was moved without its control folder, or it was unpacked from tars.",
        "Unpacked from tars, with the .manifest that came with them:",
        ("pack verify PACKAGE --manifest FILE",),
        (
            Remedy(
                "Otherwise, if it is known to be right; it can be verified from then on. With --layout where the "
                "member is not of cycle0:",
                ("pack adopt PACKAGE",),
            ),
        ),
    ),
    Code.TICKET_DAMAGED: Row(
        "A ticket file beside the package does not hold what was packaged.",
        "It was changed or cut short, or the disk returns other bytes; or something else has its name.",
        "Do not send it. What is no regular file is to be moved away. Put right first what else is found in the "
        "files of the package: they go into it. Then have both written again:",
        ("pack readme PACKAGE --take-changes",),
    ),
    Code.SIGNATURE_WRONG: Row(
        "The signature does not fit what it is beside.",
        "One of the two was changed or damaged, or they are of different times; or it was made for another purpose "
        "than `qa2pack`, or is no signature.",
        "Do not trust what it is beside. Ask whoever signed it for both files.",
    ),
    Code.SIGNATURE_UNKNOWN: Row(
        "It is signed, but not by a known signer.",
        "Another key signed it, or the file of known signers has the key no more, not yet, or for other purposes.",
        "Ask by another way, as by telephone, whose key it is, and add it to the file of known signers only then.",
    ),
    Code.SIGNATURE_MISSING: Row(
        "Nobody has signed this.",
        "It was made without --sign, or the file that ends in .sig did not come along.",
        "Ask whoever made it to sign it, and to send the file that ends in .sig",
    ),
}

WARNINGS: Mapping[Code, Row] = {
    Code.W_NAME: Row(
        "Receiving programs refuse this name.",
        "It holds a space, tab, newline, |, `, ; or --, or a letter that is not ASCII.",
        "Rename it in the origin and plan again.",
    ),
    Code.W_README_IN_PATH: Row(
        "Receiving programs take this for a README.",
        "The path holds the letters README.",
        "Rename it in the origin and plan again.",
    ),
    Code.W_CASE: Row(
        "Two paths are the same on disks that ignore case.",
        "They differ only in case, or in how accents are written.",
        "Rename one of them in the origin if the package goes to such a disk.",
    ),
    Code.W_TABLE_UNREADABLE: Row(
        "casacore cannot open this table; it is packaged whole.",
        "The table is damaged or incomplete. In the modes copy, hard and move this is refused without --as-is",
        "Make the table again, or leave it out: --exclude GLOB",
    ),
    Code.W_TABLE_INCOMPLETE: Row(
        "This table is damaged or incomplete.",
        "Its copy or the program that wrote it broke off, or somebody removed a subtable or a table.lock. Looked at "
        "are table.dat, table.lock, the first file of each data manager, and whether the subtables are there; other "
        "damage in a table is not noticed.",
        "Copy or make the table again, or leave it out: --exclude GLOB; else it is packaged as it is. Nothing has "
        "to be done where only table.lock is missing, and the number of rows is right.",
    ),
    Code.W_TABLE_WHOLE: Row(
        "This table is packaged whole, with all its data columns.",
        "It joins or selects from other tables, so it has no columns of its own to drop; or dropping them would "
        "change the values that stay, or casacore cannot write it without them; or it is a measurement set where the "
        "layout expects other tables, or has the name of one and is none.",
        "Nothing, if that is wanted. Else put in its place what CASA's split makes of it, or leave it out: "
        "--exclude GLOB; a measurement set of another name: --include GLOB=ROLE",
    ),
    Code.W_RAW_IS_CALIBRATED: Row(
        "The raw data of this table are not there; what goes into raw is its CORRECTED_DATA.",
        "It holds neither DATA nor FLOAT_DATA: a program dropped or renamed the column that was observed.",
        "Get the measurement set with the observed data. --strict refuses a plan with this.",
    ),
    Code.W_MODEL_ALONE: Row(
        "This table has no visibilities but those of a model; it is packaged as it is.",
        "Its only data column is MODEL_DATA: a program dropped the others, or wrote a model into an empty table.",
        "Get the measurement set with its data, or leave it out: --exclude GLOB. --strict refuses a plan with this.",
    ),
    Code.W_SEVERAL_UIDS: Row(
        "One folder holds tables of several execution blocks.",
        "Tables were copied from another block, or two blocks were reduced in one folder.",
        "Check that everything is put under the right uid; if not, move the tables to folders of their own.",
    ),
    Code.W_NESTED_EB: Row(
        "An execution block lies deeper than one expects, and is not packaged as one.",
        "The reduction folder holds a further reduction, or a folder too much.",
        "Move it up, or leave it out: --exclude GLOB",
    ),
    Code.W_DEEPER_SB: Row(
        "This folder in the origin looks like a scheduling block of its own; it is not packaged as one.",
        "The origin holds several scheduling blocks, or lies one level too high.",
        "Plan each scheduling block by itself, with the options that are typed here, and apply its plan before the "
        "next one:",
        ("pack plan PATH PACKAGE --append member --mode MODE", "pack apply PACKAGE"),
        (Remedy("If it is a copy or does not belong to the project, leave it out: --exclude GLOB"),),
    ),
    Code.W_CHECK: Row(
        "The member is not as its layout says that it should be.",
        "The receivers of such packages may refuse it, or their programs fail.",
        "Change the names in the origin, leave out what is too much: --exclude GLOB, or add what is missing, and "
        "plan again. If it is right so, go on.",
    ),
    Code.W_ROLE_EMPTY: Row(
        "This folder of the package will be empty, and no complete reduction leaves it so.",
        "The files are not in the origin yet, lie in another place, or have names that no rule of the layout takes.",
        "If they are under Left out: --include GLOB=ROLE, or rename them. If they are missing, add them and plan "
        "again. If the reduction never had any, go on.",
    ),
    Code.W_BLOCK_INCOMPLETE: Row(
        "This execution block lacks what its siblings have.",
        "Its reduction is not finished, a transfer broke off, or files have other names than in the other blocks.",
        "Look into the folder of the block: if something is missing, add it and plan again; if a name is the cause: "
        "--include GLOB=ROLE. If the block never had it, go on.",
    ),
    Code.W_PROJECT_CODE: Row(
        "The name of the package is no project code.",
        "The package is called after its project: the archive and the README take the code from its name.",
        "Unless this is a trial, plan again with a package that is called as the project.",
    ),
    Code.W_README_PROJECT: Row(
        "The README names another project than the package.",
        "The header was written for another project, or the package has a wrong name.",
        "Correct the field Project code of the header, or leave it blank: the plan fills it in. If the package has "
        "the wrong name, plan again with the right one.",
    ),
    Code.W_OTHER_DELIVERY: Row(
        "What lies here belongs to another kind of delivery than the one that the layout describes.",
        "The origin is a pipeline run, a package that was made already, or has one in it.",
        "Name the reduction folder of a scheduling block as the origin. If such a thing only lies beside the "
        "reduction, move it away or leave it out: --exclude GLOB; another kind of delivery needs a layout of its "
        "own: --layout FILE.toml",
    ),
    Code.W_LOOKS_LIKE_MS: Row(
        "This looks like data that belongs into the package, and is left out.",
        "Its name is like that of a measurement set, and no rule takes it.",
        "If it belongs in: --include GLOB=ROLE; if not, --exclude GLOB says so.",
    ),
    Code.W_SIZE_ESTIMATED: Row(
        "The size of this table after the split is an estimate.",
        "Its storage managers mix dropped and kept columns, so the table is rewritten.",
        "Nothing; the manifest will hold the exact size.",
    ),
    Code.W_COPIED: Row(
        "Files on another file system are copied where others are linked.",
        "A hard link cannot lead to another file system.",
        "Nothing, if there is room for the copies. Else choose a destination on the disk of the origin.",
    ),
    Code.W_SET_ID: Row(
        "Files have the set-user-id or set-group-id bit, which the package does not take over.",
        "A file of a reduction needs no such bit; it may have been inherited from its folder.",
        "Nothing; chmod ug-s at the origin takes it away there.",
    ),
    Code.W_OWNER: Row(
        "Files belong to another user.",
        "Several people worked in the reduction folder. Copies will belong to you, hard links to their owner.",
        "Nothing, if everybody who needs it may read the package.",
    ),
    Code.W_BACK_IN_PART: Row(
        "A rollback would bring back these files with content, name, permissions and times only.",
        "They are moved to another file system, as copies, and have more: another owner, set-id bits, extended "
        "attributes or an ACL, or further hard links.",
        "Nothing, if that may get lost. Else choose a destination on the disk of the origin, or --mode copy.",
    ),
    Code.W_NEW_PACKAGE: Row(
        "There is nothing to append to: this makes a new package.",
        "The destination is empty or does not exist yet.",
        "If a package should be there, check the path.",
    ),
    Code.W_SAME_ORIGIN: Row(
        "The package has a member of this origin already; this makes another one.",
        "The same reduction folder was named again, with --append, or with --replace-member and the name of another "
        "member.",
        "If it is to replace the old member, name that one: --replace-member NAME. If another folder was meant, name "
        "that one.",
    ),
    Code.W_PLAN_REPLACED: Row(
        "A plan that waited to be applied is replaced by this one.",
        "It is of another origin, which is the path here, or somebody else made it. A package has one plan only.",
        "Nothing, if it is not wanted any more; agree with another person who made it. If it is: apply this one, "
        "then make the other one again with --append, or for another package.",
    ),
    Code.W_MEMBER_GOES: Row(
        "This member goes, and is not made again.",
        "It is of another origin, and the plan replaces the whole package, or --replace-member names this member.",
        "To keep it and add to it, in a layout that counts members: --append member. To make only another member "
        "again: --replace-member NAME, with its origin. If the whole package is to be made again, append the other "
        "members again after it. Where the folder of a member is missing, put it back first.",
    ),
    Code.W_BECOMES_EMPTY: Row(
        "Files of the package that have content would be replaced by placeholders.",
        "The modes fake and ticket make placeholders; without --mode the mode is fake.",
        "Unless placeholders are wanted: --mode MODE, with the mode that the package was made with.",
    ),
    Code.W_LAST_COPY: Row(
        "The package that is replaced has files that are not at their origin any more, nor in the new plan.",
        "They were removed or changed at the origin after they were packaged; the path is the first of them.",
        "If they are wanted, apply with --keep-previous, which keeps the old package, or plan with --append, "
        "which adds to it.",
    ),
    Code.W_EXTRA_GOES: Row(
        "What is replaced has files that no manifest knows, and they go with it.",
        "Somebody put them into the package after it was made; the path is the first of them.",
        "If they are wanted, move them to the reduction, or out of the package, before the plan is applied. To list "
        "those of a package:",
        ("pack verify PACKAGE",),
    ),
    Code.W_CHANGED_GOES: Row(
        "What is replaced has files that are not as they were packaged, and they go with it.",
        "Size or time of these files are not as the manifest says: somebody changed them in the package. The path is "
        "the first of them. Files that the new member has as hard links do not count.",
        "If the changes are wanted, take them over into the reduction before the plan is made, or apply with "
        "--keep-previous, which keeps the old package. To see which files have another content:",
        ("pack verify PACKAGE",),
    ),
    Code.W_NO_MATCH: Row(
        "Nothing in the origin matches this.",
        "The glob is mistyped, or the shell put file names in its place. One without a / is compared with names, one "
        "with a / with whole paths in the origin.",
        "Correct the glob, and put it into quotes.",
    ),
    Code.W_EMPTY: Row(
        "This file is empty, and a file with such a name never is.",
        "The program that should write it was stopped, the disk was full, or its transfer did not begin.",
        "Make it again, or leave it out: --exclude GLOB; else it is packaged as it is.",
    ),
    Code.W_BROKEN: Row(
        "This file is not what its name says.",
        "Its transfer or the program that wrote it broke off, or it is of another format. Looked at are the first "
        "bytes of compressed files, gzip files up to 4 MiB to their end, and whether FITS files are as long as their "
        "headers say. A larger gzip file that is cut is noticed if it is a tar or FITS, by its last bytes, "
        "which one tar in 512 escapes; other damage in it is not: unpacking takes fifty times as long as hashing.",
        "Make or fetch it again, rename it, or leave it out: --exclude GLOB; else it is packaged as it is.",
    ),
    Code.W_TICKET_MISSING: Row(
        "This ticket file is not beside the package; the package itself does not need it.",
        "It was not copied along with the package, or was removed or renamed.",
        "If it is to be sent, copy it from where the package was, or have both written again:",
        ("pack readme PACKAGE --take-changes",),
    ),
}

WORDS: Mapping[Code, Row] = {**PLANNING, **REQUESTS, **STOPS, **VERIFYING, **WARNINGS}


def problems_page() -> str:
    """Return the page that lists every problem."""
    return "\n".join(_page_lines()) + "\n"


def _page_lines() -> Iterator[str]:
    yield "# Problems and what to do"
    yield ""
    yield "Every problem has a code that does not change. The path it is about is printed with it. `PACKAGE` and"
    yield "`ORIGIN` stand for the paths of your command, `MODE` for the mode that the package was made with."
    yield "This page is made by `python -m qa2pack.pack.errors.problem_texts`."
    for title, rows in (
        ("Planning and applying: the plan is refused and nothing is changed", PLANNING),
        ("Requests: the command cannot do what it is asked for, and nothing is changed", REQUESTS),
        ("Stops: the command ended early; the message says in which state the package is", STOPS),
        ("Verifying: the package is not as its manifests say", VERIFYING),
        ("Warnings: the plan is made, and `--strict` refuses it; a package that is verified is good", WARNINGS),
    ):
        yield ""
        yield f"## {title}"
        yield ""
        yield "| code | what it is | where it comes from | what to do |"
        yield "|---|---|---|---|"
        for code, row in rows.items():
            cells = (f"`{code}`", _cell(row.what), _cell(row.cause), "<br>".join(_remedy_parts(row)))
            yield f"| {' | '.join(cells)} |"


def _remedy_parts(row: Row) -> Iterator[str]:
    for remedy in row.remedies:
        yield _cell(remedy.text)
        yield from (f"`{command}`" for command in remedy.commands)


def _cell(text: str) -> str:
    """Return the text so that Markdown shows it as it is."""
    return text.replace("|", "\\|").replace("`", "\\`").replace("*", "\\*").replace("_", "\\_")


if __name__ == "__main__":
    print(problems_page(), end="")
