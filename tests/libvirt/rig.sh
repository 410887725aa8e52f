#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Two hosts with a libvirt each, a and b, on one machine: for tests and
# demonstrations.
#   rig.sh up DIR                 makes them and returns; DIR must not exist, or
#                                 be the rest of a rig that has died
#   rig.sh run DIR                the same, but stays until it is killed
#   rig.sh down DIR               ends all that runs in them, and removes DIR
#   rig.sh exec DIR a|b CMD...    runs CMD on a host
#   rig.sh virsh DIR a|b ARGS...  virsh on a host
# a reaches b as "qemu+tcp://host-b/system", and b reaches a likewise.
#
# Each host has its own network, mount and UTS namespace: /run, /var, /dev/shm,
# /etc/libvirt and /etc/hosts are its own, all else is the machine's. DIR/a and
# DIR/b hold them, so that they can be read from outside (run, var, libvirt for
# /etc/libvirt). DIR/shared has one path on both hosts. DIR/bin is first in PATH.
#
# Environment: POSTLUDE is "postlude" in DIR/bin. POSTLUDE_BUILD is a build
# directory whose hook both hosts have, but for those in RIG_WITHOUT_HOOK; the
# shell file DIR/a/before, if there is one, runs first in it. RIG_QEMU_USER is
# who QEMU runs as (default libvirt-qemu, as on Debian), RIG_LOG_LEVEL what
# libvirtd logs (default 2).
#
# Both live in one PID namespace, whose first process is this script: whatever
# way it ends, the kernel kills all that runs in there, and namespaces, mounts
# and the network between them go with the last process. None of them has a
# name that could be left behind. So a rig cannot be stale, only its DIR.
set -u
self=$(cd "$(dirname "$0")" && pwd)/$(basename "$0")
case :$PATH: in
*:/usr/sbin:*) ;;
*) PATH=$PATH:/usr/sbin:/sbin ;;
esac

say() {
    echo "rig.sh: $*" >&2
}

die() {
    say "$*"
    exit 1
}

# The number this process has outside; before /proc is mounted anew.
note_pid() { # FILE
    read -r outer _ </proc/self/stat
    echo "$outer" >"$1.new" && mv "$1.new" "$1"
}

wait_for() { # TENTHS COMMAND...
    tries=$1
    shift
    until "$@"; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 0.1
    done
}

# True if the rig of DIR runs: numbers are used again, so it must be ours.
is_alive() {
    [ -s "$1/pid" ] &&
        { tr "\0" " " <"/proc/$(cat "$1/pid")/cmdline"; } 2>/dev/null |
        grep -qF " init $1 "
}

number() { # a|b
    case $1 in a) echo 1 ;; *) echo 2 ;; esac
}

write_configuration() { # DIR/HOST a|b
    mkdir -p "$1/libvirt/hooks/qemu.d" "$1/libvirt/pki" "$1/run/libvirt" \
        "$1/run/lock" "$1/run/postlude" "$1/var/lib/libvirt" "$1/var/log/libvirt" \
        "$1/var/cache/libvirt" "$1/var/tmp"
    chmod 700 "$1/run/postlude" # or no helper would keep its journal there
    ln -s /run "$1/var/run"
    n=$(number "$2")
    printf '127.0.0.1 localhost\n10.77.0.1 host-a\n10.77.0.2 host-b\n' \
        >"$1/hosts"
    cat >"$1/libvirt/libvirtd.conf" <<END
listen_tls = 0
listen_tcp = 1
listen_addr = "10.77.0.$n"
auth_tcp = "none"
auth_unix_rw = "none"
auth_unix_ro = "none"
unix_sock_group = "root"
host_uuid = "0000000$n-0000-4000-8000-00000000000$n"
log_outputs = "${RIG_LOG_LEVEL:-2}:file:/var/log/libvirt/libvirtd.log"
END
    # Cgroups are the machine's, and so are the guests' kernels: nobody is to
    # change their owners. QEMU's own sandbox stays on.
    cat >"$1/libvirt/qemu.conf" <<END
security_driver = "none"
user = "${RIG_QEMU_USER:-libvirt-qemu}"
group = "${RIG_QEMU_USER:-libvirt-qemu}"
namespaces = []
cgroup_controllers = []
dynamic_ownership = 0
stdio_handler = "file"
default_tls_x509_cert_dir = "/etc/libvirt/pki"
default_tls_x509_verify = 1
migration_address = "10.77.0.$n"
END
    echo 'uri_default = "qemu:///system"' >"$1/libvirt/libvirt.conf"
    # libvirt of Debian does not start without its user, which a package makes
    # that would also start the daemon.
    cp /etc/passwd /etc/group "$1"
    grep -q '^libvirt-qemu:' /etc/passwd || {
        echo 'libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin' \
            >>"$1/passwd"
        echo 'libvirt-qemu:x:64055:' >>"$1/group"
    }
}

# libvirt looks for hooks when it starts and never again. An installed postlude
# must not stand in for that of the build.
write_hook() { # DIR a|b
    case " ${RIG_WITHOUT_HOOK:-} " in *" $2 "*) return 0 ;; esac
    [ -n "${POSTLUDE_BUILD:-}" ] || return 0
    cat >"$1/$2/libvirt/hooks/qemu.d/postlude" <<END
#!/bin/sh
export POSTLUDE=$1/bin/postlude POSTLUDE_CONF=/etc/libvirt/postlude.conf
hook=$1/bin/postlude-hook-script
[ ! -e $1/$2/before ] || . $1/$2/before
exec \$hook "\$@"
END
    chmod 755 "$1/$2/libvirt/hooks/qemu.d/postlude"
}

# What lies below /var on the machine and is wanted on a host all the same.
keep_of_var() { # HOST-DIRECTORY DIR
    for path in "$2" "$(dirname "$(dirname "$(dirname "$self")")")" \
        /var/cache/postlude-tests "${POSTLUDE_TEST_CACHE:-}"; do
        case $path in
        /var/*)
            [ -d "$path" ] || continue
            mkdir -p "$1$path"
            mount --rbind "$path" "$1$path"
            ;;
        esac
    done
}

# In the namespaces of a host. /run is its own as a whole: there must be no way
# to the machine's systemd, dbus or libvirt.
furnish() { # HOST-DIRECTORY DIR a|b
    mount -t proc -o nosuid,nodev,noexec proc /proc &&
        mount -t tmpfs -o mode=1777 shm /dev/shm &&
        mount --bind "$1/libvirt" /etc/libvirt &&
        mount --bind "$1/hosts" /etc/hosts &&
        mount --bind "$1/passwd" /etc/passwd &&
        mount --bind "$1/group" /etc/group &&
        keep_of_var "$1" "$2" &&
        mount --rbind "$1/var" /var &&
        mount --bind "$1/run" /run || return 1
    # Without cgroups, which libvirt then does without, and with the network
    # devices of this host.
    mount -t sysfs sysfs /sys || umount -R /sys/fs/cgroup
    # Open to QEMU's user, as on Debian. Where it is not, libvirt holds what it
    # knows of QEMU for outdated each time, and asks anew for seconds.
    [ ! -c /dev/kvm ] || {
        mknod -m 666 "$1/kvm" c 10 232 && mount --bind "$1/kvm" /dev/kvm
    }
    hostname "host-$3"
}

# One host: a process that holds its namespaces, and libvirtd.
host() { # DIR a|b
    note_pid "$1/$2/pid"
    furnish "$1/$2" "$1" "$2" || die "cannot furnish host $2"
    : >"$1/$2/furnished"
    # Until init has plugged in the cable.
    wait_for 300 test -e "$1/connected" || die "host $2 has no network"
    PATH=$1/bin:$PATH setsid libvirtd --listen -p /run/libvirt/libvirtd.pid \
        </dev/null >"$1/$2/libvirtd.out" 2>&1
    echo "libvirtd ended with status $?" >>"$1/$2/libvirtd.out"
    exec sleep infinity
}

connect() { # PID-OF-A PID-OF-B
    nsenter -t "$1" -n ip link add veth0 type veth peer name veth0 netns "$2" ||
        return 1
    for n in 1 2; do
        eval "pid=\$$n"
        nsenter -t "$pid" -n ip link set lo up &&
            nsenter -t "$pid" -n ip address add 10.77.0.$n/24 dev veth0 &&
            nsenter -t "$pid" -n ip link set veth0 up || return 1
    done
}

# Process 1 of the PID namespace. It reaps: to libvirt a QEMU that ended but is
# not reaped still lives, and each migration waits for it.
init() { # DIR
    trap 'exit 1' INT TERM HUP
    note_pid "$1/pid"
    for name in a b; do
        unshare --mount --uts --net "$self" host "$1" $name &
        eval "$name=\$!"
    done
    for name in a b; do
        wait_for 100 test -e "$1/$name/furnished" ||
            die "host $name did not come up"
    done
    # Not before: the hosts have read their numbers in the old one.
    mount -t proc proc /proc || die "cannot mount /proc"
    # shellcheck disable=SC2154
    connect "$a" "$b" || die "cannot connect the hosts"
    : >"$1/connected"
    for name in a b; do
        eval "pid=\$$name"
        wait_for 300 nsenter -t "$pid" -m -u -n virsh -q \
            -c qemu:///system uri >/dev/null 2>&1 || {
            cat "$1/$name/libvirtd.out" >&2
            die "libvirt of host $name does not answer"
        }
    done
    : >"$1/ready"
    while :; do
        wait
        sleep 1
    done
}

prepare() { # DIR
    [ "$(id -u)" = 0 ] || die "namespaces and mounts need root"
    for program in libvirtd virsh ip unshare nsenter setpriv; do
        command -v $program >/dev/null ||
            die "there is no $program (tests/support/packages.sh)"
    done
    is_alive "$1" && die "there is a rig in $1 already"
    if [ -e "$1/rig" ]; then
        rm -rf --one-file-system "$1"
    fi
    mkdir -p "$1/bin" "$1/shared" || die "cannot make $1"
    chmod 1777 "$1/shared"
    : >"$1/rig"
    for name in a b; do
        write_configuration "$1/$name" $name
        write_hook "$1" $name
    done
    [ -z "${POSTLUDE:-}" ] || ln -s "$POSTLUDE" "$1/bin/postlude"
    [ -n "${POSTLUDE_BUILD:-}" ] || return 0
    ln -s "$POSTLUDE_BUILD/libvirt/postlude-hook" "$1/bin"
    # It becomes executable when it is installed.
    cp "$POSTLUDE_BUILD/data/postlude-hook-script" "$1/bin" &&
        chmod 755 "$1/bin/postlude-hook-script"
}

# Replaces this process; dies with it, for --kill-child.
run() { # DIR
    exec unshare --pid --fork --kill-child --mount "$self" init "$1" rig
}

up() { # DIR
    setsid "$self" run "$1" </dev/null >"$1.log" 2>&1 &
    wait_for 600 test -e "$1/ready" -o ! -d "/proc/$!"
    if [ ! -e "$1/ready" ]; then
        cat "$1.log" >&2
        down "$1"
        die "the rig did not come up"
    fi
    mv "$1.log" "$1/log"
}

down() { # DIR
    if is_alive "$1"; then
        pid=$(cat "$1/pid")
        kill -KILL "$pid"
        wait_for 200 test ! -d "/proc/$pid" || die "process $pid does not end"
    fi
    rm -f "$1.log"
    [ ! -e "$1/rig" ] || rm -rf --one-file-system "$1"
}

# COMMAND dies with us: killing nsenter alone would leave it behind. PATH as
# libvirtd has it.
enter() { # DIR a|b COMMAND...
    is_alive "$1" || die "there is no rig in $1"
    target=$(cat "$1/$2/pid") || die "no such host: $2"
    PATH=$1/bin:$PATH
    shift 2
    exec nsenter -t "$target" -m -u -n -p -- \
        setpriv --pdeathsig KILL -- "$@"
}

[ $# -ge 2 ] || {
    sed -n '4,12s/^# \{0,1\}//p' "$self" >&2
    exit 2
}
verb=$1
case $2 in
/*) dir=$2 ;;
*) dir=$PWD/$2 ;;
esac
shift 2
case $verb in
up | run)
    prepare "$dir"
    "$verb" "$dir"
    ;;
down) down "$dir" ;;
exec) enter "$dir" "$@" ;;
virsh)
    name=$1
    shift
    enter "$dir" "$name" virsh -c qemu:///system "$@"
    ;;
init) init "$dir" ;;
host) host "$dir" "$1" ;;
*) die "unknown verb $verb" ;;
esac
