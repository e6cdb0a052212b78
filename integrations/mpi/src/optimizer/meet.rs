//! Where ranks meet: each tells whether it can go on and what it is about to do.

use super::ShardedOptimizer;
use crate::words::{Reader, push_text, push_wide};
use crate::{Blocks, Error, Transport};

impl<T: Transport> ShardedOptimizer<T> {
    /// Goes on with `mine` where every rank can, and all are about to do the same with the same tables and options.
    ///
    /// # Errors
    /// This rank's own, else the first rank's that failed, else what the first rank that differs does.
    pub(super) fn meet<V>(&mut self, doing: &str, mine: Result<V, Error>) -> Result<V, Error> {
        let mine = self.broken.clone().map_or(mine, Err);
        self.doing = doing.into();
        let settings = self.settings();
        let mut words = vec![u32::from(mine.is_err())];
        push_wide(&mut words, settings);
        match &mine {
            Ok(_) => push_text(&mut words, doing),
            Err(error) => push_text(&mut words, &error.to_string()),
        }
        let received = self.exchange(vec![words; self.ranks.get() as usize])?;
        let mine = mine?;
        let told: Result<Vec<_>, _> =
            (0..).zip(&received).map(|(rank, words)| told(rank, words)).collect();
        let told = told?;
        let failed = (0..).zip(&told).find(|(_, told)| told.has_failed);
        if let Some((rank, told)) = failed {
            return Err(Error::Peer { rank, reason: told.text.clone() });
        }
        let differs = |told: &Told| told.text != doing || told.settings != settings;
        match (0..).zip(told).find(|(_, told)| differs(told)) {
            None => Ok(mine),
            Some((rank, told)) => {
                let line =
                    |text: &str, settings| format!("{text}, tables and options {settings:016x}");
                let (here, there) = (line(doing, settings), line(&told.text, told.settings));
                Err(Error::Disagree { rank, here, there })
            }
        }
    }

    /// As [`Transport::exchange`]. One that failed is the last: ranks no longer know what the others wait for.
    pub(super) fn exchange(&mut self, send: Blocks) -> Result<Blocks, Error> {
        use Error::{Garbled, RankLost, Silent};
        if let Some(error @ (RankLost { .. } | Garbled { .. } | Silent { .. })) = &self.broken {
            return Err(error.clone());
        }
        let received = self.transport.exchange(&self.doing, send);
        if let Err(error) = &received {
            self.broken = Some(error.clone());
        }
        received
    }

    /// What was made of messages; where they cannot be read, this is the last.
    pub(super) fn or_broken<V>(&mut self, read: Result<V, Error>) -> Result<V, Error> {
        if let Err(error) = &read {
            self.broken = Some(error.clone());
        }
        read
    }

    /// A number that ranks with other tables, options or sums do not share.
    fn settings(&self) -> u64 {
        let mut text = format!("{:?}", self.sums);
        for (group, tables) in &self.groups {
            text += &format!("{tables} {:?}", self.core.options(*group));
        }
        // FNV-1a.
        let hash = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        text.bytes().fold(0xcbf2_9ce4_8422_2325, hash)
    }
}

/// What a rank told of itself.
struct Told {
    has_failed: bool,
    settings: u64,
    /// What it is about to do, or why it cannot.
    text: String,
}

fn told(rank: u32, words: &[u32]) -> Result<Told, Error> {
    let mut reader = Reader::new(rank, words);
    let has_failed = reader.take(1)? != [0];
    let (settings, text) = (reader.wide()?, reader.text()?);
    reader.end()?;
    Ok(Told { has_failed, settings, text })
}
