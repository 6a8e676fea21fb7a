"""Files of other programs that every layout leaves out unless it says `foreign = false`, and those of this one.

What desktops, editors, file servers and the like leave in the folders they touch: no part of what is packaged, often
hidden, and named like a part of it. Names of folders are here only if nobody gives them to a folder of data.
"""

from qa2pack.manifest.layout.rules import Foreign

# Also of a layout that takes everything: it goes when the run that was killed is resumed, and was never the user's.
OWN = Foreign(
    (".qa2pack.*",),
    "what this program prepares in an origin for an instant, left by a run that was killed",
)

KNOWN = (
    OWN,
    Foreign(
        (".Trash", ".Trash-*", ".Trashes", "$RECYCLE.BIN", "#recycle"),
        "wastebasket: it was thrown away",
    ),
    Foreign(
        ("lost+found", "System Volume Information"),
        "folder of the file system itself",
    ),
    Foreign(
        (".snapshot", ".snapshots", ".zfs", "#snapshot", "~snapshot"),
        "older states of the same files, kept by the file server",
    ),
    Foreign(
        (".nfs*", ".fuse_hidden*", ".smbdelete*", ".panfs.*", ".glusterfs"),
        "removed, and kept by the file system for a process that has it open",
    ),
    Foreign(
        (
            *("._*", ".DS_Store", "__MACOSX", ".AppleDouble", ".AppleDB", ".AppleDesktop", ".Spotlight-V100"),
            *(".fseventsd", ".TemporaryItems", ".DocumentRevisions-V100", ".apdisk", ".localized", "Icon\r"),
            *("Thumbs.db", "thumbs.db", "ehthumbs.db", "Desktop.ini", "desktop.ini", "@eaDir", ".directory"),
            ".thumbnails",
        ),
        "what a desktop keeps beside the files of others",
    ),
    Foreign(
        (
            *(".#*", "#*#", "*~", "*.swp", "*.swo", ".*.swn", ".*.swx", "*.kate-swp", ".~lock.*#", "~$*"),
            ".goutputstream-*",
        ),
        "lock, backup or unsaved state of an editor",
    ),
    Foreign(
        (".ipynb_checkpoints", ".virtual_documents", "__pycache__", "*.pyc", ".vscode", ".idea"),
        "copies that Jupyter, Python or an editor keeps for itself",
    ),
    Foreign(
        (
            *(".git", ".gitignore", ".gitattributes", ".gitmodules", ".git-annex", ".svn", ".hg", ".hgignore"),
            *(".hgtags", ".bzr", ".jj", "_darcs", "CVS"),
        ),
        "bookkeeping of a version control system",
    ),
    Foreign(
        (
            *(".stversions", ".stfolder", ".stignore", ".syncthing.*.tmp", "~syncthing~*.tmp"),
            *(".dropbox", ".dropbox.cache", ".dropbox.attr", ".owncloudsync.log*", ".nextcloudsync.log*"),
            *(".sync_*.db*", ".tmp.drivedownload", ".tmp.driveupload"),
        ),
        "older states and bookkeeping of a program that keeps folders alike",
    ),
    Foreign(
        (".rsync-partial", ".~tmp~", "*.part", "*.crdownload", "*.filepart", "*.aria2"),
        "half of a file whose transfer did not end",
    ),
)
