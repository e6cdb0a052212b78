//! What the process holds of the machine's memory.

/// MiB of the process in memory, and of those the ones that are no pages of files; None where the system does not tell.
pub fn resident() -> Option<[u64; 2]> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let of = |key: &str| {
        let line = status.lines().find(|line| line.starts_with(key))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib / 1024)
    };
    Some([of("VmRSS:")?, of("RssAnon:")?])
}

/// The same, as text.
pub fn told() -> String {
    resident().map_or("unknown".into(), |[all, own]| format!("{all} MiB ({own} its own)"))
}
