//! How the dispatches of a step are dealt out to compute passes.

use crate::timestamps::Timed;

/// The dispatches of each pass. Within a pass wgpu waits before a dispatch for all others, where a buffer that one of them
/// wrote, or might have, is bound again; so updates, which of different tables may share none among themselves but bind the
/// values that `partial` bound, have a pass of their own, before which it waits once for all of them.
pub fn passes<T>(dispatches: &[T], part: impl Fn(&T) -> Timed) -> impl Iterator<Item = &[T]> {
    let updates = dispatches.iter().filter(|of| part(of) == Timed::Update).count();
    dispatches.chunk_by(move |before, next| {
        updates < 2 || part(before) == Timed::Update || part(next) != Timed::Update
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_updates_have_a_pass_of_their_own() {
        use Timed::{Ingest, Partial, Sort, Update};
        let dealt =
            |parts: &[Timed]| passes(parts, |&part| part).map(<[_]>::len).collect::<Vec<_>>();
        assert_eq!(dealt(&[]), [0; 0]);
        assert_eq!(dealt(&[Ingest, Sort, Partial, Update]), [4]);
        assert_eq!(dealt(&[Ingest, Sort, Partial, Update, Update, Update]), [3, 3]);
        assert_eq!(dealt(&[Update, Update]), [2]);
    }
}
