#!/usr/bin/env bash
# Ranks on four hosts, which are network and UTS namespaces of this machine behind a bridge: the bits of threads; a
# rank that is killed and a link that is cut end the job, and what was saved last goes on with the same bits.
#
#   scripts/mpi-hosts.sh SHARDED_WORDNET    # the example, built with its feature `mpi`
#
# Needs root, and a kernel that allows namespaces.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/shared.sh"

wordnet="${1:?expected the path of the example sharded_wordnet}"
[ "$(id -u)" = 0 ] || die "four namespaces as hosts need root: run this as root"
need ip iproute2
need mpirun openmpi-bin
use_drivers
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
unshare --net --uts true ||
    die "this kernel or container forbids network namespaces, so ranks on several hosts cannot be tested here: allow them (CAP_SYS_ADMIN)"

# --- Hosts ----------------------------------------------------------------------------------------

net="sa$$"
folder="$(mktemp -d)"

remove() {
    local host pid
    for host in h0 h1 h2 h3 sw; do
        # Processes of these namespaces alone.
        for pid in $(ip netns pids "$net-$host" 2>/dev/null); do kill -9 "$pid" 2>/dev/null || true; done
        ip netns del "$net-$host" 2>/dev/null || true
        rm -rf "/etc/netns/$net-$host"
    done
    rm -rf "$folder"
}
trap remove EXIT

ip netns add "$net-sw"
ip -n "$net-sw" link add br0 type bridge
ip -n "$net-sw" link set br0 up
for number in 0 1 2 3; do
    host="$net-h$number"
    ip netns add "$host"
    ip link add eth0 netns "$host" type veth peer name "p$number" netns "$net-sw"
    ip -n "$net-sw" link set "p$number" master br0 up
    ip -n "$host" addr add "10.77.0.$((number + 1))/24" dev eth0
    ip -n "$host" link set eth0 up
    ip -n "$host" link set lo up
    mkdir -p "/etc/netns/$host"
    { echo 127.0.0.1 localhost; for other in 0 1 2 3; do echo "10.77.0.$((other + 1)) h$other"; done; } >"/etc/netns/$host/hosts"
done

# In place of ssh. With one host name, Open MPI would take the four for one machine and use no network.
cat >"$folder/on" <<AGENT
#!/bin/sh
host=\$1
shift
exec ip netns exec "$net-\$host" unshare --uts sh -c 'hostname "\$0"; exec sh -c "\$*"' "\$host" "\$@"
AGENT
chmod +x "$folder/on"

# Each host believes that it has a machine of its own, so ranks would not yield. Without the keepalives a lost host is found
# after minutes.
alive="--mca oob_tcp_keepalive_time 3 --mca oob_tcp_keepalive_intvl 1 --mca oob_tcp_keepalive_probes 3"
over_hosts() { # ARGUMENT... of the example
    timeout 120 "$folder/on" h0 "mpirun --mca plm_rsh_agent $folder/on --mca mpi_yield_when_idle 1 $alive \
        --host h0,h1,h2,h3 -n 4 $wordnet $*"
}

# --- What is tried --------------------------------------------------------------------------------

small=(--dim 4 --batch 32768)
hash_of() { sed -n 's/^embedding  fnv1a //p' <<<"$1"; }
over_threads() { "$wordnet" "${small[@]}" --threads "$@" 2>/dev/null; }
same() { # FOUND EXPECTED
    [ -n "$2" ] && [ "$1" = "$2" ]
}

expected="$(hash_of "$(over_threads --ranks 1 --epochs 1)")"
found="$(hash_of "$(over_hosts "${small[@]}" --epochs 1 2>/dev/null)")"
same "$found" "$expected" || die "four hosts end with '$found', one rank with '$expected'"
echo "four hosts: $found, as one rank"

# ended_by WHAT COMMAND...: while four hosts train and save, does something; that must end the job.
ended_by() {
    local what="$1" saved="$folder/$1" job began status=0
    shift
    over_hosts "${small[@]}" --epochs 1000 --save "$saved" >"$folder/$what.log" 2>&1 &
    job=$!
    began=$SECONDS
    until [ -e "$saved/index.json" ]; do
        [ $((SECONDS - began)) -lt 90 ] || die "$what: nothing was saved: $(cat "$folder/$what.log")"
        sleep 0.2
    done
    "$@"
    began=$SECONDS
    wait "$job" || status=$?
    # 124: it hung.
    if [ "$status" = 0 ] || [ "$status" = 124 ]; then die "$what did not end the job ($status): $(cat "$folder/$what.log")"; fi
    echo "$what: ended after $((SECONDS - began)) s with $status: $(grep -m 1 -E 'exited on signal|lost communication|is gone|has waited' "$folder/$what.log")"
    goes_on "$what" "$saved"
}

# What was saved last, on another number of ranks, ends as a training that was never stopped.
goes_on() { # WHAT FOLDER
    local steps epochs whole resumed
    steps="$(sed -n 's/.*"steps":\([0-9]*\).*/\1/p' "$2/index.json")"
    # 23 batches are an epoch; a part of one is refused by the example.
    epochs=$((steps / 23 + 1))
    # The same for every event after as many steps.
    if [ ! -e "$folder/whole-$epochs" ]; then hash_of "$(over_threads --ranks 1 --epochs "$epochs")" >"$folder/whole-$epochs"; fi
    whole="$(cat "$folder/whole-$epochs")"
    resumed="$(hash_of "$(over_threads --ranks 3 --epochs "$epochs" --resume "$2")")"
    same "$resumed" "$whole" || die "$1: what was saved goes on to '$resumed', expected '$whole'"
    echo "$1: what was saved after $steps steps goes on on 3 ranks: $resumed"
}

kill_rank() {
    local pid killed=""
    for pid in $(ip netns pids "$net-h2"); do
        if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = sharded_wordnet ]; then kill -9 "$pid" && killed=1; fi
    done
    [ -n "$killed" ] || die "there was no rank to kill on h2"
}
cut_link() { ip -n "$net-sw" link set p2 down; }

ended_by "killed" kill_rank
ended_by "cut" cut_link
