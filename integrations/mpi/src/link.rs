//! Where ranks meet: in one exchange each tells whether it can go on and what it is about to do, and sends what is needed for that.

use crate::words::{Reader, push_text, push_wide};
use crate::{Blocks, Error, Transport};

/// What carries words to the other ranks, and what has become of it.
#[derive(Debug)]
pub(crate) struct Link<T> {
    transport: T,
    /// What it last met the other ranks for.
    doing: String,
    /// What made the optimizer useless.
    broken: Option<Error>,
}

/// What a rank is about to do, and a number that ranks with other tables or options do not share.
pub(crate) type About<'a> = (&'a str, u64);

impl<T: Transport> Link<T> {
    pub fn new(transport: T) -> Self {
        Self { transport, doing: String::new(), broken: None }
    }

    pub fn rank(&self) -> u32 {
        self.transport.rank()
    }

    /// Of no words for each rank.
    pub fn no_words(&self) -> Blocks {
        vec![Vec::new(); self.transport.size() as usize]
    }

    /// Goes on with `mine` where every rank can, and all are about to do the same with the same tables and options; with the blocks
    /// that they sent. Of a rank that cannot, or does something else, nothing is used.
    ///
    /// # Errors
    /// This rank's own, else the first rank's that failed, else what the first rank that differs does.
    pub fn meet<V>(
        &mut self,
        (doing, settings): About<'_>,
        mine: Result<(V, Blocks), Error>,
    ) -> Result<(V, Blocks), Error> {
        let mine = self.broken.clone().map_or(mine, Err);
        self.doing = doing.into();
        let (mine, mut blocks) = match mine {
            Ok((mine, blocks)) => (Ok(mine), blocks),
            Err(error) => (Err(error), self.no_words()),
        };
        let text = mine.as_ref().err().map_or(doing.into(), Error::to_string);
        let told = Told { has_failed: mine.is_err(), settings, text };
        blocks.iter_mut().for_each(|words| told.push(words));
        let mut received = self.exchange(blocks)?;
        let mine = mine?;
        let told = (0..).zip(&mut received).map(|(rank, words)| Told::take(rank, words));
        let told = self.or_broken(told.collect::<Result<Vec<_>, _>>())?;
        agreed((doing, settings), &told)?;
        Ok((mine, received))
    }

    /// As [`Transport::exchange`]. One that failed is the last: ranks no longer know what the others wait for.
    pub fn exchange(&mut self, send: Blocks) -> Result<Blocks, Error> {
        use Error::{Garbled, RankLost, Silent};
        if let Some(error @ (RankLost { .. } | Garbled { .. } | Silent { .. })) = &self.broken {
            return Err(error.clone());
        }
        let received = self.transport.exchange(&self.doing, send);
        self.or_broken(received)
    }

    /// What was made of messages, or of what all ranks were ready for; where that failed, this is the last.
    pub fn or_broken<V>(&mut self, made: Result<V, Error>) -> Result<V, Error> {
        if let Err(error) = &made {
            self.broken = Some(error.clone());
        }
        made
    }
}

/// That no rank has failed, and all do the same.
fn agreed((doing, settings): About<'_>, told: &[Told]) -> Result<(), Error> {
    let failed = (0..).zip(told).find(|(_, told)| told.has_failed);
    if let Some((rank, told)) = failed {
        return Err(Error::Peer { rank, reason: told.text.clone() });
    }
    let differs = |told: &Told| told.text != doing || told.settings != settings;
    match (0..).zip(told).find(|(_, told)| differs(told)) {
        None => Ok(()),
        Some((rank, told)) => {
            let line = |text: &str, settings| format!("{text}, tables and options {settings:016x}");
            let (here, there) = (line(doing, settings), line(&told.text, told.settings));
            Err(Error::Disagree { rank, here, there })
        }
    }
}

/// What a rank tells of itself, behind what it sends.
#[derive(Clone, Debug, PartialEq)]
struct Told {
    has_failed: bool,
    settings: u64,
    /// What it is about to do, or why it cannot.
    text: String,
}

impl Told {
    /// Adds it to a message, and at last its length.
    fn push(&self, words: &mut Vec<u32>) {
        let sent = words.len();
        words.push(self.has_failed.into());
        push_wide(words, self.settings);
        push_text(words, &self.text);
        words.push((words.len() - sent) as u32);
    }

    /// Takes it off the end of a message.
    fn take(rank: u32, words: &mut Vec<u32>) -> Result<Self, Error> {
        let garbled = Error::Garbled { rank };
        let length = words.pop().ok_or(garbled.clone())? as usize;
        let sent = words.len().checked_sub(length).ok_or(garbled)?;
        let mut reader = Reader::new(rank, &words[sent..]);
        let has_failed = reader.take(1)? != [0];
        let (settings, text) = (reader.wide()?, reader.text()?);
        reader.end()?;
        words.truncate(sent);
        Ok(Self { has_failed, settings, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Ranks, World};

    #[test]
    fn what_a_rank_tells_lies_behind_what_it_sends() {
        let told = Told { has_failed: true, settings: 1 << 40, text: "no room".into() };
        let mut words = vec![7, 8, 9];
        told.push(&mut words);
        assert_eq!(Told::take(0, &mut words), Ok(told));
        assert_eq!(words, [7, 8, 9]);
        for words in [&[][..], &[1], &[0, 0, 0, 0, 0, 9], &[0, 0, 0, 1, 0, 0]] {
            assert_eq!(Told::take(3, &mut words.to_vec()), Err(Error::Garbled { rank: 3 }));
        }
    }

    /// Blocks arrive where all go on; where one does not, the next exchange of all is the same one.
    #[test]
    fn an_error_of_one_rank_reaches_all_in_the_exchange_that_it_was_to_send_in() {
        World::run(Ranks::new(3).unwrap(), |end| {
            let mut link = Link::new(end);
            let rank = link.rank();
            let blocks = |rank: u32| (0..3).map(|to| vec![10 * rank + to; to as usize]).collect();
            for turn in 0..9 {
                let own = Error::RankCount { found: turn };
                let (fails, differs) = (turn % 3 == 1 && rank == 1, turn % 3 == 2 && rank == 2);
                let mine = if fails { Err(own.clone()) } else { Ok((rank, blocks(rank))) };
                let doing = if differs { "another" } else { "one" };
                let found = link.meet((doing, 5), mine);
                match turn % 3 {
                    0 => {
                        let from = |from: u32| vec![10 * from + rank; rank as usize];
                        assert_eq!(found, Ok((rank, (0..3).map(from).collect())));
                    }
                    1 if fails => assert_eq!(found, Err(own)),
                    1 => assert_eq!(found, Err(Error::Peer { rank: 1, reason: own.to_string() })),
                    _ => {
                        let found = found.unwrap_err();
                        let of = u32::from(rank != 2) * 2;
                        assert!(matches!(found, Error::Disagree { rank, .. } if rank == of));
                    }
                }
            }
        });
    }
}
