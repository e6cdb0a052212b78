#!/usr/bin/env bash
# Tries the library at random for a while, on every adapter that scripts/drivers.sh has set up, and
# writes what was tried into docs/reliability.md. What CI runs of each campaign is a second or two.
#
#   scripts/campaign.sh                         # 60 minutes, shared by the campaigns
#   scripts/campaign.sh 5
#   scripts/campaign.sh 5 mutated kills         # only those with one of these in their names
#   SPARSE_ADAM_SEED=7 scripts/campaign.sh 5    # a given seed in place of a fresh one
#   SPARSE_ADAM_CAMPAIGN_REPORT=FILE            # another file than docs/reliability.md
#
# A campaign is a test of the library or its suite that is named campaign_SOMETHING. It
# - goes on for SPARSE_ADAM_CAMPAIGN_SECONDS, a number of seconds for all adapters together; without it,
#   for one or two,
# - takes its random inputs from SPARSE_ADAM_SEED, a decimal u64; without it, from a seed of its own,
# - prints what it did to stdout, a line a subject: `campaign: SUBJECT: key value, key value, ...`,
# - fails at the first thing that is wrong, and tells the seed that repeats it.
# scripts/fuzz.sh SECONDS is one too; its lines are `SUBJECT: key value, ...`.
#
# A campaign that fails, hangs or tells nothing is in the table as FAILED; the others still run, and
# the exit status is 1. Logs are in target/campaign.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/shared.sh"
cd "$repo"

minutes="${1:-60}"
if [ $# -gt 0 ]; then shift; fi
case "$minutes" in
    "" | *[!0-9]* | 0) die "expected a number of minutes from 1; found '$minutes'" ;;
esac
seed="${SPARSE_ADAM_SEED:-$(($(date +%s) * 1000 + RANDOM % 1000))}"
case "$seed" in
    *[!0-9]*) die "SPARSE_ADAM_SEED: expected a decimal number; found '$seed'" ;;
esac
report="${SPARSE_ADAM_CAMPAIGN_REPORT:-$repo/docs/reliability.md}"
begin='<!-- campaign: begin -->'
end='<!-- campaign: end -->'
for marker in "$begin" "$end"; do
    [ "$(grep -cxF -- "$marker" "$report")" = 1 ] || die "$report: expected one line '$marker'"
done
logs="$target/campaign"
rm -rf "$logs"
mkdir -p "$logs"

is_wanted() { # NAME PART...
    local name="$1" part
    shift
    [ $# -gt 0 ] || return 0
    for part in "$@"; do
        case "$name" in *"$part"*) return 0 ;; esac
    done
    return 1
}

# `BINARY<TAB>TEST` of each campaign, `fuzz` for the fuzzer.
find_campaigns() { # PART...
    local binary name
    while IFS= read -r binary; do
        while IFS= read -r name; do
            if is_wanted "$name" "$@"; then printf '%s\t%s\n' "$binary" "$name"; fi
        done < <("$binary" --list 2>/dev/null | sed -n 's/^\(.*campaign_[a-z0-9_]*\): test$/\1/p')
    done <<<"$binaries"
    if [ -x "$repo/scripts/fuzz.sh" ] && is_wanted fuzz "$@"; then printf '%s\tfuzz\n' "$repo/scripts/fuzz.sh"; fi
}

# Ends what hangs, where the machine can.
with_limit() { # SECONDS COMMAND...
    local limit="$1"
    shift
    if command -v timeout >/dev/null; then timeout --foreground -k 10 "$limit" "$@"; else "$@"; fi
}

# Runs one campaign; its rows of the table go to $logs/rows.
run_campaign() { # BINARY NAME
    local log status=0 began=$SECONDS lines short="${2##*::}"
    # Tests of one name in two modules, or in two binaries.
    log="$logs/$(tr -c 'A-Za-z0-9\n' '_' <<<"$(basename "$1")-$2")"
    short="${short#campaign_}"
    say "$2, $share s"
    if [ "$2" = fuzz ]; then
        with_limit "$limit" "$1" "$share" >"$log.out" 2>"$log.err" </dev/null || status=$?
        lines="$(sed -n '/^[^ ]*: /p' "$log.out")"
    else
        with_limit "$limit" "$1" --exact "$2" --nocapture >"$log.out" 2>"$log.err" </dev/null || status=$?
        lines="$(sed -n 's/.*campaign: //p' "$log.out")"
    fi
    if [ "$status" = 0 ] && [ -z "$lines" ]; then status="no figures"; fi
    awk -v short="$short" -v seconds="$((SECONDS - began))" 'NF {
        gsub(/[|]/, "/")
        at = index($0, ": ")
        print "| " short " | " substr($0, 1, at - 1) " | " seconds " | " substr($0, at ? at + 2 : 1) " |"
    }' <<<"$lines" >>"$logs/rows"
    if [ "$status" != 0 ]; then
        echo "| $short | | $((SECONDS - began)) | **FAILED** ($status) |" >>"$logs/rows"
        say "$2 FAILED ($status), with SPARSE_ADAM_SEED=$seed; its output is in $log.out and $log.err:"
        tail -n 20 "$log.err" >&2
        failed=$((failed + 1))
    fi
}

# What is between the markers.
section() {
    local adapter
    echo "$begin"
    echo
    echo "$(date -u +%Y-%m-%d), $minutes minutes asked for, seed $seed, $failed of $count campaigns failed."
    echo "$(uname -s) $(uname -m), $(getconf _NPROCESSORS_ONLN) cores; adapters:"
    echo
    while IFS= read -r adapter; do echo "- $adapter"; done <<<"$adapters"
    echo
    echo "| campaign | subject | seconds | figures |"
    echo "|---|---|---:|---|"
    cat "$logs/rows"
    echo
    echo "$end"
}

write_report() {
    section >"$logs/section"
    awk -v begin="$begin" -v end="$end" -v section="$logs/section" '
        $0 == begin { while ((getline line < section) > 0) print line; skip = 1 }
        !skip { print }
        $0 == end { skip = 0 }' "$report" >"$logs/report"
    cat "$logs/report" >"$report"
}

# All adapters at once, where there is a name for them.
use_drivers all
binaries="$(build_tests --lib --test suite --test cached)"
adapters="$(cargo run --quiet --release "${workspace[@]}" --example conformance -- --list | awk -F '\t' '{ print $2 ", " $1 ", " $3 }')"
campaigns="$(find_campaigns "$@")"
[ -n "$campaigns" ] || die "no campaign found${1:+ with one of '$*' in its name}"
count="$(wc -l <<<"$campaigns" | tr -d ' ')"
share=$((minutes * 60 / count))
if [ "$share" = 0 ]; then share=1; fi
# A campaign finishes what it began.
limit=$((share * 2 + 600))
export SPARSE_ADAM_CAMPAIGN_SECONDS="$share" SPARSE_ADAM_SEED="$seed"
say "SPARSE_ADAM_SEED=$seed, $count campaigns of $share s"

failed=0
: >"$logs/rows"
while IFS=$'\t' read -r binary name; do run_campaign "$binary" "$name"; done <<<"$campaigns"
write_report
cat "$logs/section"
[ "$failed" = 0 ]
