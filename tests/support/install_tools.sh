#!/bin/sh
# Install what the tests use and Debian has; `make test-tools`. Says nothing and changes nothing where all is there.
# Needs root, or sudo without a password.
set -eu
PATH=$PATH:/usr/sbin:/sbin

missing=
while read -r program package; do
    command -v "$program" >/dev/null 2>&1 || missing="$missing $package"
done <<END
xxhsum xxhash
bsdtar libarchive-tools
unzip unzip
git git
gcc gcc
strace strace
mkfs.ext4 e2fsprogs
mkfs.xfs xfsprogs
mkfs.btrfs btrfs-progs
btrfs btrfs-progs
mkfs.exfat exfatprogs
mount.exfat-fuse exfat-fuse
mount mount
rclone rclone
fusermount3 fuse3
ssh-keygen openssh-client
sshd openssh-server
zsh zsh
fish fish
groff groff-base
systemd-analyze systemd
munged munge
slurmctld slurmctld
slurmd slurmd
sbatch slurm-client
END
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null \
    || missing="$missing chromium"
[ -n "$(ls /usr/share/fonts 2>/dev/null)" ] || missing="$missing fonts-dejavu-core"
[ -n "$missing" ] || exit 0

command -v apt-get >/dev/null || { echo "There is no apt-get here. Install by other means:$missing" >&2; exit 1; }
as_root=
if [ "$(id -u)" != 0 ]; then
    sudo -n true 2>/dev/null || { echo "Only root can install:$missing" >&2; exit 1; }
    as_root="sudo -n"
fi
echo "Installing$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# An index of packages that cannot be fetched anew may still do; what cannot be installed is told.
$as_root apt-get -q update >"$log" 2>&1 || { tail -n 5 "$log" >&2; }
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get -q -y -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 install --no-install-recommends $missing >"$log" 2>&1 \
    || { tail -n 20 "$log" >&2; echo "These could not be installed:$missing" >&2; exit 1; }
