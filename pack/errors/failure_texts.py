"""Texts of the problems of a request (an option, an output, a rollback), and of what stops a command on its way.

Planning and verifying find problems of a tree; these are of the command itself. Part of the table in `problem_texts`.
"""

from collections.abc import Mapping

from qa2pack.manifest.problem import Code, Remedy
from qa2pack.pack.errors.problem_row import Row

_ROLL_BACK = "pack rollback PACKAGE"
_PLAN = "pack plan ORIGIN PACKAGE --mode MODE"
_AGAIN = "Then give the same command again."

REQUESTS: Mapping[Code, Row] = {
    Code.USAGE: Row(
        "The command line, a variable or a pack.toml is not understood.",
        "An option, an argument or a value is misspelt or missing. `error` of --json and the message say which.",
        "Correct it. The options of a command are listed by:",
        ("pack COMMAND --help",),
    ),
    Code.PATH_EMPTY: Row("A path is empty.", "A variable of the calling script is not set.", "Give both paths."),
    Code.SETTINGS_UNUSABLE: Row(
        "A setting is not understood.",
        "A pack.toml or an environment variable holds a key or a value that does not exist.",
        "Correct the file or the variable.",
    ),
    Code.NOT_ENCRYPTED: Row(
        "The connection to this cluster is not encrypted, so whoever can write into it can run programs as you.",
        "The scheduler runs on another machine, and its address does not begin with tls://",
        "Start the cluster with certificates and give its address as tls://HOST:PORT; or, in a network that only "
        "people use whom you trust with your account, add --insecure-cluster",
    ),
    Code.NO_PACKAGE_BELOW: Row(
        "There is no package below this folder.",
        "Packages are found by their control folders (PACKAGE.pack), in the folder and two levels below it.",
        "Change to the folder that holds the packages, or name them. One without a control folder, as the "
        "old script left it, is given one by adopting it.",
    ),
    Code.LIST_UNUSABLE: Row(
        "The list of jobs cannot be used, so none of them was begun.",
        "A key or value is misspelt, a job has no origin or package, two jobs want the same place, or it is no file.",
        "Correct the list. Its keys are the options of:",
        ("pack plan --help",),
    ),
    Code.CATALOGUE_UNUSABLE: Row(
        "The catalogue of packages cannot be used.",
        "The file is damaged, or of another program.",
        "Move it away, with its .lock, -wal and -shm, or name another file by --catalogue; the next audit begins a "
        "new one, in which no package is verified yet.",
    ),
    Code.CATALOGUE_NEWER: Row(
        "The catalogue of packages was written by a newer version of this program.",
        "Another version of this program was installed, or runs elsewhere.",
        "Use that version, or name another file by --catalogue",
    ),
    Code.EARLIER_JOB: Row(
        "The job adds to a package that an earlier job of the list makes, and that one is not applied.",
        "The earlier job failed, or is not planned. It would replace what is added before it.",
        "See what the earlier job failed with, correct that, and give the same command again.",
    ),
    Code.MADE_OTHERWISE: Row(
        "The package has a member of this origin already, made with other options than the job has now.",
        "The list, the options or a pack.toml were changed after the job was applied. It is not added a second time.",
        "Take the change back; or make the member again with the new options, replacing NAME by its name:",
        ("pack plan ORIGIN PACKAGE --replace-member NAME",),
    ),
    Code.MEMBER_UNKNOWN: Row(
        "There is no member of this name.",
        "The name is mistyped, or it is of another package or delivery.",
        "Name one of those that are there.",
    ),
    Code.NAME_TAKEN: Row(
        "Something has this name already, so it cannot be given.",
        "There is another package of this code, its control folder or ticket files; or, where an apply was stopped "
        "or a renaming is rolled back, something got the name since.",
        "If it is not needed any more, move it away; else give the package another code. Then give the same command "
        "again.",
    ),
    Code.ONLY_MEMBER: Row(
        "This is the only member: without it there would be no package.",
        "A package has at least one member.",
        "Roll back the transaction that made it, or remove the whole package by hand, with its control folder and "
        "its ticket files.",
    ),
    Code.UNKNOWN_FIELD: Row(
        "The header of the README has no field of this name.",
        "A field is a line that begins with its name and a colon.",
        "Name one of the fields, or give a header that has it: --header FILE.",
    ),
    Code.NO_README: Row(
        "The program makes no README in this member.",
        "Its layout has readme = false, and no template with the header in it.",
        "If the member has a file of this name, it came from the origin: change it there, and make the member again:",
        ("pack plan --again PACKAGE", "pack apply PACKAGE"),
    ),
    Code.MEMBER_NOT_NAMED: Row(
        "The package has several members, and none is named.",
        "The command is for one member.",
        "Name it: --member NAME",
    ),
    Code.MEMBER_AMBIGUOUS: Row(
        "More than one member of the package has this name.",
        "Members of several groups have the same name.",
        "Write more of its path in the package, as group/member.",
    ),
    Code.ORIGIN_UNKNOWN: Row(
        "No member of the package was made from this origin.",
        "The path is mistyped, the reduction was moved, or the package was adopted or received.",
        "Name the member to compare with: --member NAME. They are listed, with their origins, by:",
        ("pack show PACKAGE",),
    ),
    Code.PLACEHOLDERS: Row(
        "This member is made of placeholders, which have no content.",
        "It was packaged in mode fake or ticket.",
        "Package it again with --mode hard or copy. To cut the placeholders into tars, add --allow-dummies; to list "
        "them, export with --format json",
    ),
    Code.OUTPUT_PROTECTED: Row(
        "The output would go into a folder that must not change.",
        "Package, control folder and origin hold what is packaged, and nothing else.",
        "Name another place for it.",
    ),
    Code.OUTPUT_FOLDER_MISSING: Row(
        "There is no folder for the output.",
        "The path is mistyped, or the folder was not made yet.",
        "Check the path, or make the folder.",
    ),
    Code.OUTPUT_EXISTS: Row(
        "Something else has the name of the output.",
        "It was made by an earlier run, by another program or by a person.",
        "Name another place, or move it away.",
    ),
    Code.OUTPUT_BUSY: Row(
        "Another process writes the same delivery.",
        "The command was given twice, here or on another machine.",
        "Wait for it, or choose another folder with --output or --to",
    ),
    Code.STORE_BUSY: Row(
        "Another run sends the same delivery to this store.",
        "The command was given twice; or a run was killed on another machine, or before this one was restarted, "
        "and so nobody knows that it has ended.",
        "Wait for it, or choose another folder with --to. If it has ended, go on in its place with --take-over",
    ),
    Code.EXPORT_UNFINISHED: Row(
        "Another export works on this bag, or one was stopped.",
        "An unfinished bag has the ending .qa2pack-partial",
        "If no export is running, remove it.",
    ),
    Code.DIGEST_MISSING: Row(
        "The manifest holds no digest of this file.",
        "The member was packaged in a mode that does not read files.",
        "Export with --format md5sum, which reads the files.",
    ),
    Code.BAG_NAME: Row(
        "A bag or an OCFL object cannot hold this name.",
        "In its list of files names are text, and a bag has no way to write some of them.",
        "Rename the file in the origin and package it again, or give the delivery set another form, or export a "
        "checksum list: --format sha256sum",
    ),
    Code.BAG_LINK: Row(
        "This file cannot get another hard link, and a bag is made of them.",
        "It belongs to another user, or has as many links as its file system takes.",
        "Export a checksum list (--format sha256sum) and copy the package with it.",
    ),
    Code.DELIVERY_MISSING: Row(
        "This is no folder with a delivery: no name in it ends in .manifest",
        "The path is mistyped, or the .manifest did not come with the tars.",
        "Name the folder of the tars; if their .manifest did not come with them, have it sent.",
    ),
    Code.DELIVERY_OTHER: Row(
        "The delivery is of another project.",
        "Package and delivery were named that do not belong together.",
        "Name the package of this delivery, or the folder with the tars of that package.",
    ),
    Code.DELIVERY_IN_THE_WAY: Row(
        "Another delivery of that name is there, from a different state of the package or with different options.",
        "The package has changed since, or other options were given.",
        "Give --replace to remove it, or choose another folder with --output or --to",
    ),
    Code.FOLDER_IN_THE_WAY: Row(
        "Something that this delivery is not known to have written, as it is now, has the name of one of its files "
        "or sets, or is in one of its folders.",
        "The set is called as something else there; or files were put into the delivered folder, or changed; or the "
        "folder is of another delivery, as of another date, which may be unfinished.",
        "Look what it is, and move it away; then the same command writes what is missing. Nothing removes it, not "
        "even --replace. What is of another delivery, the command of that one goes on with.",
    ),
    Code.NOT_A_DELIVERY_MANIFEST: Row(
        "This is not the .manifest of a delivery.",
        "The folder of the tars was named instead of the file in it, or a manifest of a package.",
        "Name the file: --manifest FILE",
    ),
    Code.DELIVERY_SEVERAL: Row(
        "There are several deliveries in this folder.",
        "Deliveries of several dates or projects came into one folder.",
        "Name the .manifest of one after the other, in place of the folder.",
    ),
    Code.MEMBER_DIFFERS: Row(
        "The package has this member, and its files are not those of the delivery.",
        "The member was delivered again after a change, this is an older delivery, or another member got its name; or"
        " a file was made on purpose to have the digest of the one that was signed.",
        "Nothing is replaced on its own. Give --replace to have the delivered member in its place, or receive the "
        "delivery in another folder, and compare the two.",
    ),
    Code.MEMBERS_APART: Row(
        "The delivery has several members that the package lacks or has otherwise, and one rename cannot make all.",
        "The sender did not choose one member for each delivery.",
        "Receive one after the other, each with --member. Or receive the delivery where there is no package yet.",
    ),
    Code.LABELS_MERGE: Row(
        "With --label-member this member cannot be called after the date of the delivery.",
        "Several members would have the same name in the tars, or it is one whose name is made of other things.",
        "Choose one of several with --member, or leave --label-member out.",
    ),
    Code.NO_DELIVERY_SET: Row(
        "The member has no delivery set.",
        "Its layout has no [[delivery]], or it was packaged before its layout had one.",
        "Cut all of it into tars with tarsplit, or package it again with a layout that has delivery sets.",
    ),
    Code.DELIVERY_SET_UNKNOWN: Row(
        "No member has a delivery set of this name.",
        "The name is mistyped, or the set is of another layout.",
        "Name one of those that are there, or leave --set out.",
    ),
    Code.DELIVERY_SETS_MERGE: Row(
        "This cannot be the name of a file of the delivery.",
        "Several would have it: nothing in `name` of [[delivery]] tells the members apart, or two sets of one. Or "
        "it ends as what is written beside files does, in .manifest, .md5sum and the like, or is too long for these.",
        "Choose another name in [[delivery]], and package again; put {member} into it, or a variable that tells "
        "members apart. Or deliver one member at a time with --member, each into a folder of its own.",
    ),
    Code.DELIVERY_DATE_MISSING: Row(
        "The name of the files of this delivery set has a date in it.",
        "The layout says {date}, and no date was given.",
        "Give the date of the delivery, as in -n 2012-06-20",
    ),
    Code.STORE_UNUSABLE: Row(
        "The store cannot be used.",
        "The address is mistyped, access is not given, the service does not answer, or a library for it is missing.",
        "Check the address, and the access as other programs of the service have it (for S3 AWS_PROFILE or "
        "AWS_ENDPOINT_URL, for SFTP the keys of ssh). The libraries come with: pip install 'qa2pack[remote]'",
    ),
    Code.COPIES_MISSING: Row(
        "Nothing is at this address: no delivery, and no files.",
        "The address is mistyped, or what was there is gone.",
        "Correct the address of --from",
    ),
    Code.CHUNK_TOO_SMALL: Row(
        "The size limit is smaller than the smallest tar.",
        "A unit is missing in --size",
        "Give a larger --size",
    ),
    Code.TOO_MANY_CHUNKS: Row(
        "More tars would be needed than their names allow.",
        "The size limit is small for a package of this size.",
        "Give a larger --size",
    ),
    Code.KEY_UNUSABLE: Row(
        "This key cannot sign.",
        "The path is mistyped, or no SSH key is there; or others may read the key (chmod 600 KEY); or it has a "
        "passphrase, and no agent holds it.",
        "Name the file of an SSH key, private or public. Nothing here asks for a passphrase; an agent does, once: "
        "ssh-add KEY",
    ),
    Code.SIGNERS_UNUSABLE: Row(
        "The file of known signers cannot be used.",
        "The path is mistyped, or the file is empty. Each line has who signs and a public key, as in "
        "`alice@example.org ssh-ed25519 AAAA...`",
        "Name a file in the format of allowed_signers, which the manual of ssh-keygen explains.",
    ),
    Code.SIGNATURE_WEAK: Row(
        "It is signed, but knows its tars by checksums that do not exclude a forgery.",
        "Its manifest was signed by hand, and the delivery was made with md5 alone, or without checksums.",
        "Ask whoever made it to make it again, with --sign and --replace: it has sha256 then.",
    ),
    Code.SSH_KEYGEN_MISSING: Row(
        "The program ssh-keygen, which makes and checks signatures, is not on this machine, or is too old.",
        "It is a part of OpenSSH, from version 8.2 on, and is not installed or not in PATH.",
        "Install OpenSSH's client; its package is openssh-client on Debian, openssh-clients on Red Hat. "
        "Or leave out the options about signatures.",
    ),
    Code.ROLLBACK_TOO_LATE: Row(
        "The replaced package is already being removed, so only finishing is possible.",
        "An apply was stopped in its last steps.",
        "Finish it:",
        ("pack apply PACKAGE",),
    ),
    Code.PLAN_WAITS: Row(
        "A plan waits that is newer than the last apply, as after a rollback.",
        "Rollback was given twice, or after a new plan.",
        "To roll back that older apply nevertheless:",
        ("pack rollback PACKAGE --further",),
        (Remedy("To apply the plan:", ("pack apply PACKAGE",)),),
    ),
    Code.PLAN_OTHER: Row(
        "The plan is not the one that was expected.",
        "Another plan was made since, perhaps of another origin by another person: a package has one plan at a time.",
        "To look at the plan that waits:",
        ("pack show --plan PACKAGE",),
        (
            Remedy(
                "To make yours again, and apply it with no other in between:",
                ("pack package ORIGIN PACKAGE --mode MODE",),
            ),
        ),
    ),
    Code.CONTROL_MISSING: Row(
        "Nothing can be rolled back without this folder, which is missing.",
        "It was moved or removed; or the old script made the package, then there is nothing to roll back.",
        "Bring it back, then:",
        (_ROLL_BACK,),
    ),
    Code.ORIGIN_AWAY: Row(
        "The origin, or a disk in it, is not there, so moved files cannot be replaced by links or put back.",
        "It is not mounted, or it was renamed, moved or removed.",
        f"Mount it, or bring it back to this path. {_AGAIN}",
    ),
    Code.ORIGIN_IN_THE_WAY: Row(
        "Moved files cannot go back, because other files are in their place now, or their folder is gone.",
        "A program or a person wrote or removed something at the origin after the move.",
        "Move the other files at the origin away and make its folders again, then:",
        (_ROLL_BACK,),
    ),
    Code.MOVED_LOST: Row(
        "The package does not have these files as they were moved, so they cannot go back.",
        "They were removed from the package or changed in it after the move, or its disk damaged them.",
        "Put them back into the package, from a backup, then:",
        (_ROLL_BACK,),
        (
            Remedy(
                "Or, if there is no backup, give them up: remove the symlinks of the origin that lead to them, and "
                "what is damaged out of the package, then:",
                (_ROLL_BACK,),
            ),
        ),
    ),
    Code.NOT_AS_APPLIED: Row(
        "The package is not the one that the last apply left.",
        "It was removed, replaced or renamed since.",
        "Bring back what the apply left, then:",
        (_ROLL_BACK,),
        (Remedy("Or leave it as it is and make a new plan:", (_PLAN,)),),
    ),
    Code.PREVIOUS_GONE: Row(
        "The package that was replaced was not kept.",
        "It was applied with --keep-previous=no, or what it replaced took more than 64 MiB of its own; or it was "
        "removed from PACKAGE.pack by hand.",
        "To have the earlier state again, bring its files back at the origin, and make it again from there:",
        ("pack plan --again PACKAGE", "pack apply PACKAGE --keep-previous"),
        (
            Remedy(
                "If it was made from another origin, plan with that one. All are listed by:", ("pack log PACKAGE",)
            ),
        ),
    ),
    Code.CHANGED_SINCE: Row(
        "The package was changed since, and a rollback would lose that.",
        "Files were added to the package, or changed in it.",
        "Move away what is new, put back what was changed, then:",
        (_ROLL_BACK,),
    ),
    Code.NOT_COMPARABLE: Row(
        "A part of the package cannot be read, so it is not known whether it was changed since.",
        "It belongs to another user, or the disk has an error.",
        "When it can be read again:",
        (_ROLL_BACK,),
    ),
    Code.ORIGIN_LOST: Row(
        "The origin does not have these files any more, the package may be their only copy.",
        "They were removed or changed at the origin after they were packaged.",
        "Keep the package; or bring the files back at the origin, then:",
        (_ROLL_BACK,),
    ),
    Code.TICKET_LOST: Row(
        "The ticket files of before would hold a file that was changed since, as no manifest knows it.",
        "A file of another member was changed after it was packaged.",
        "Put back what was changed, then:",
        (_ROLL_BACK,),
    ),
    Code.TREE_UNKNOWN: Row(
        "It is not known whether the new package is in place or still in staging.",
        "Neither folder holds exactly what its manifest says, or both do: one was changed or moved away since the "
        "stop.",
        "Put back what was changed in these two folders since the stop, or moved away, from a backup if need be, and "
        "give the same command again. PACKAGE.pack is needed for that: leave it as it is.",
        others=(
            Remedy(
                "If that can never be, give this apply up by hand. Remove nothing: what was replaced may be in the "
                "folders previous and staging of PACKAGE.pack, and only there.",
                ("mv PACKAGE.pack PACKAGE.given-up",),
            ),
        ),
    ),
}

STOPS: Mapping[Code, Row] = {
    Code.STORE_FAILED: Row(
        "The store failed while it was used.",
        "The network or the service was interrupted for longer than is waited for, or the store is full or cannot be "
        "written.",
        "Make room or get permission there, if that is it. Then give the same command again: what the store has is "
        "not sent again.",
    ),
    Code.UNFINISHED: Row(
        "An apply was begun and has not ended.",
        "It was interrupted, or the disk or the machine failed.",
        "To finish it:",
        ("pack apply PACKAGE",),
        (Remedy("To roll back:", (_ROLL_BACK,)),),
    ),
    Code.LOCKED: Row(
        "The package is locked by another process.",
        "Another run works on it, here or on another machine.",
        f"Wait for it. {_AGAIN}",
    ),
    Code.INTERRUPTED: Row(
        "The command was interrupted.", "Ctrl-C, or the signal SIGTERM.", "Give the same command again to go on."
    ),
    Code.DISK_FULL: Row(
        "The disk is full, or your quota is used up.",
        "Others write to the disk too, or more is written than was planned for.",
        f"Make room, or ask for more. {_AGAIN}",
    ),
    Code.MEMORY_SHORT: Row(
        "Memory is short.",
        "A limit of the shell or of a batch job leaves too little, or others use the memory of the machine.",
        f"Raise the limit (ulimit -a shows it) or ask the batch system for more; fewer workers (--jobs) take less. "
        f"{_AGAIN}",
    ),
    Code.ACCESS_DENIED: Row(
        "Permission was denied, or the system does not allow it.",
        "It belongs to another user, or is protected.",
        f"Get permission. {_AGAIN}",
    ),
    Code.READ_ONLY: Row(
        "The file system is read-only.",
        "It is mounted so, or the kernel made it so after an error.",
        f"Have it mounted writable. {_AGAIN}",
    ),
    Code.DISK_ERROR: Row(
        "The disk reports an error.",
        "The disk, its controller or its server is failing.",
        f"Have the disk checked; the kernel log has the details (dmesg). {_AGAIN}",
    ),
    Code.PATH_MISSING: Row(
        "There is no such file or folder.",
        "The path is mistyped, or something was removed while the command ran.",
        "Check the path.",
    ),
    Code.PATH_OTHER: Row(
        "There is something else at this path.",
        "The path is mistyped, or a file was named for a folder, or a folder for a file.",
        "Check the path: name what is expected.",
    ),
    Code.SYSTEM_ERROR: Row(
        "The system reports an error.",
        "What was found is the text of the system.",
        f"Remove its cause. {_AGAIN}",
    ),
    Code.PLAN_DAMAGED: Row(
        "The plan cannot be used.",
        "The file was cut short or changed, or another program wrote it.",
        "Make a new plan:",
        (_PLAN,),
    ),
    Code.PLAN_NEWER: Row(
        "The plan is in a newer format than this program reads.",
        "A newer version of the program made it. The plan itself is good.",
        "Install the newest version of qa2pack and type the command again. A plan that this one makes replaces it.",
    ),
    Code.JOURNAL_NEWER: Row(
        "The journal of the package has a record that this program does not know.",
        "A newer version of this program wrote it.",
        "Use the version of this program that wrote it.",
    ),
    Code.PYTHON_PACKAGE: Row(
        "A Python package that the program needs is missing, or cannot be loaded.",
        "It was not installed, or is of another Python or machine.",
        "Install it again, as the message shows.",
    ),
    Code.NO_WORKERS: Row(
        "The cluster has no worker that can be used.",
        "The scheduler does not run, or its workers do not see the same folders or run another version.",
        "See that the scheduler runs and that its workers see the same folders and run this program.",
    ),
    Code.CLUSTER_LOST: Row(
        "The connection to the cluster was lost.",
        "The scheduler or its workers ended, or the network failed.",
        f"Start the cluster again. {_AGAIN}",
    ),
    Code.WORKERS_DIED: Row(
        "Worker processes were killed again and again.",
        "Memory may be short.",
        "Give the same command again with --jobs 1",
    ),
    Code.PROGRAM_FAULT: Row(
        "A fault of this program.",
        "It is a bug; a report with its details is in the file that the message names.",
        "Send that file to those who look after the program.",
    ),
}
