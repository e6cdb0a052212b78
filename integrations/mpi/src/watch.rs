//! Who has been heard in an exchange, to be told where it goes on for too long.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Shared by the thread that exchanges and the one that waits for it.
#[derive(Debug)]
pub(crate) struct Watch {
    /// The name of this machine.
    host: String,
    heard: Vec<AtomicBool>,
}

impl Watch {
    pub fn new(host: String, ranks: u32) -> Self {
        Self { host, heard: (0..ranks).map(|_| AtomicBool::new(false)).collect() }
    }

    /// A new exchange begins.
    pub fn begin(&self) {
        self.heard.iter().for_each(|heard| heard.store(false, Ordering::Relaxed));
    }

    /// A rank takes part in it.
    pub fn heard(&self, rank: usize) {
        self.heard[rank].store(true, Ordering::Relaxed);
    }

    /// What `rank` says before it ends the job.
    pub fn told(&self, rank: u32, doing: &str, waited: Duration) -> String {
        let silent = self.heard.iter().enumerate();
        let silent = silent.filter(|(_, heard)| !heard.load(Ordering::Relaxed));
        let silent: Vec<_> = silent.map(|(rank, _)| rank.to_string()).collect();
        let host = &self.host;
        let whom = match silent[..] {
            [] => "what all ranks have begun to send".into(),
            _ => format!("rank {}, which sent nothing", silent.join(", ")),
        };
        format!(
            "rank {rank} (host {host}) has waited {} s for {whom}, in {doing}; it ends the job, load the last checkpoint",
            waited.as_secs()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_have_not_come_are_named() {
        let watch = Watch::new("h1".into(), 4);
        let told = || watch.told(3, "step 7", Duration::from_secs(600));
        watch.heard(0);
        watch.heard(3);
        assert!(told().starts_with("rank 3 (host h1) has waited 600 s for rank 1, 2, which"));
        assert!(told().contains("in step 7;"));
        watch.heard(1);
        watch.heard(2);
        assert!(told().contains("for what all ranks have begun to send"), "{}", told());
        watch.begin();
        assert!(told().contains("rank 0, 1, 2, 3"));
    }
}
