#!/usr/bin/env bash
# fresh_debian.sh [FOLDER] - the README's two commands on a Debian 12 with nothing installed, timed.
#
# Makes a minimal Debian in FOLDER by debootstrap, copies the checkout's committed files into it and runs there
# ./dev demo (twice), pip install with a program of transformers' users, and ./dev test; SHARED=FOLDER is mounted beside the checkout for a second ./dev test.  Needs root.
set -euo pipefail
source_root=$(cd "$(dirname "$0")/.." && pwd)
root=${1:-$(mktemp -d)/debian}
mirror=${MIRROR:-$({ cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null || true; } |
    sed -n 's/^URIs: *//p; s/^deb \(\[.*\] \)\?\(http[^ ]*\) .*/\2/p' | head -1)}

[ -d "$root/usr" ] || debootstrap --variant=minbase bookworm "$root" ${mirror:-}
cp /etc/resolv.conf "$root/etc/" 2>/dev/null || true
rm -rf "$root/src" && mkdir -p "$root/src/whinchat" "$root/proc" "$root/dev/shm"
git -C "$source_root" archive HEAD | tar -x -C "$root/src/whinchat"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mount -t devpts -o ptmxmode=666 devpts "$root/dev/pts" # the chat's tests type on terminals
trap 'umount "$root/proc" "$root/dev/pts" "$root/dev"; umount "$root/src/shared" 2>/dev/null || true' EXIT

inside() {
    echo "== $*"
    local start=$SECONDS
    chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
        http_proxy="${http_proxy-}" https_proxy="${https_proxy-}" \
        bash -c "cd /src/whinchat && $*" 2>&1 | tail -25
    echo "== $((SECONDS - start)) s"
}

inside ./dev demo
inside ./dev demo
inside "apt-get install -q -y --no-install-recommends python3-venv >/dev/null && python3 -m venv /venv"
inside "/venv/bin/pip install -q . pillow && cd / && /venv/bin/python /src/whinchat/python/tests/test_program.py"
inside ./dev test
if [ -n "${SHARED-}" ]; then
    mkdir -p "$root/src/shared"
    mount --bind "$SHARED" "$root/src/shared"
    inside ./dev test
fi
