# Debian's and Ubuntu's packages, unpacked into the target folder: apt on package lists of our own, so
# that the machine's stay as they are and no root is needed. Sourced by drivers.sh and web.sh.
# shellcheck shell=bash disable=SC2154  # target comes from shared.sh

own_lists="$target/apt"

os_release() { # KEY
    sed -n "s/^$1=//p" /etc/os-release 2>/dev/null | tr -d '"'
}

own_apt() { # apt-get|apt-cache ARGUMENT...
    local tool="$1"
    shift
    "$tool" -q -o "Dir::Etc::sourcelist=$own_lists/sources.list" -o Dir::Etc::sourceparts=- \
        -o "Dir::Etc::preferences=$own_lists/preferences" -o "Dir::Etc::preferencesparts=$own_lists/none" \
        -o "Dir::State::lists=$own_lists/lists" -o "Dir::Cache=$own_lists/cache" \
        -o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Retries=1 \
        -o Acquire::http::Timeout=20 -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false "$@"
}

# The mirror that the machine's own package lists come from.
mirror() {
    # shellcheck disable=SC2016  # apt's variables
    apt-get indextargets --format '$(RELEASE) $(CODENAME) $(REPO_URI)' 'Created-By: Packages' |
        awk -v name="$(codename)" '!found && ($1 == name || $2 == name) && $NF !~ /^cdrom/ { print $NF; found = 1 }'
}

codename() {
    local name
    name="$(os_release UBUNTU_CODENAME)"
    echo "${name:-$(os_release VERSION_CODENAME)}"
}

# update_lists SUITE...: a suite that the mirror does not have is left out; fails if none could be fetched.
update_lists() {
    local mirror keyring signed="" suite
    mirror="$(mirror)"
    [ -n "$mirror" ] || return 1
    keyring="/usr/share/keyrings/$(os_release ID)-archive-keyring.gpg"
    if [ -e "$keyring" ]; then signed="[signed-by=$keyring] "; fi
    rm -rf "$own_lists"
    mkdir -p "$own_lists/lists/partial" "$own_lists/cache/archives/partial" "$own_lists/none"
    for suite in "$@"; do echo "deb $signed$mirror $suite main"; done >"$own_lists/sources.list"
    # One priority for all, so that the highest version wins; what is installed is kept if it will do.
    printf 'Package: *\nPin: release *\nPin-Priority: 500\n' >"$own_lists/preferences"
    own_apt apt-get update >&2 || true
    compgen -G "$own_lists/lists/*Packages*" >/dev/null
}

candidate() { # PACKAGE: the highest version on the lists
    own_apt apt-cache madison "$1" | awk -F ' *[|] *' 'NR == 1 { print $2 }'
}

# Prints `PACKAGE=VERSION` of packages and of whatever of theirs the machine lacks.
lacking() { # PACKAGE...
    own_apt apt-get -s --no-install-recommends install "$@" 2>/dev/null |
        sed -n 's/^Inst \([^ ]*\) [^(]*(\([^ ]*\) .*/\1=\2/p'
}

# unpack NAME PRUNE PACKAGE...: unpacks packages into $target/drivers/NAME; `PRUNE FOLDER` then removes
# what is not needed. All or nothing.
unpack() {
    local name="$1" prune="$2" folder="$target/drivers/$1.$$"
    shift 2
    [ $# -gt 0 ] || return 1
    say "unpacking $*"
    # Another run may have been faster.
    if download "$folder" "$@" && "$prune" "$folder"; then mv -T "$folder" "$target/drivers/$name" 2>/dev/null || true; fi
    rm -rf "$folder"
    [ -e "$target/drivers/$name" ]
}

download() { # FOLDER PACKAGE...
    local folder="$1" file
    shift
    mkdir -p "$folder/packages" || return 1
    (cd "$folder/packages" && own_apt apt-get download "$@") >&2 || return 1
    for file in "$folder"/packages/*.deb; do dpkg-deb -x "$file" "$folder" || return 1; done
    rm -rf "$folder/packages"
}
