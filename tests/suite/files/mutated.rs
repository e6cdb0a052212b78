//! Files altered at random, with right checksums where there are any: they load as they were or
//! as something whole, or are refused; never with a panic, never in much memory.

use super::memory::{assert_bounded, peak};
use super::zips::correct;
use super::{dict, golden, refused};
use sparse_adam::{Error, StateDict};
use sparse_adam_testkit::Rng;
use sparse_adam_testkit::campaign::Budget;
use sparse_adam_testkit::trace::Trace;

/// A seeded change of a file: cut, flips, overwritten stretches, numbers blown up, swaps.
fn mutate(bytes: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut mutated = bytes.to_vec();
    for _ in 0..1 + rng.below(4) {
        if mutated.is_empty() {
            break;
        }
        let at = rng.below(mutated.len());
        let end = (at + 1 + rng.below(8)).min(mutated.len());
        let from = rng.below(mutated.len());
        let length = rng.below(64).min(mutated.len() - from.max(at));
        match rng.below(8) {
            0 if rng.below(4) == 0 => mutated.truncate(at),
            1 => mutated[at] ^= 1 << rng.below(8),
            2 => mutated[at] = rng.next() as u8,
            3 => mutated[at..end].fill([0xff, 0x7f, 0, 0x80][rng.below(4)]),
            4 => mutated[at] = b"0123456789-[]{},:\"(.tuRq\x85"[rng.below(25)],
            5 => drop(mutated.drain(at..end)),
            6 => {
                let copied = mutated[from..from + length].to_vec();
                mutated.splice(at..at, copied);
            }
            _ => {
                let copied = mutated[from..from + length].to_vec();
                mutated[at..at + length].copy_from_slice(&copied);
            }
        }
    }
    mutated
}

/// Reads a safetensors file whose checksum is made right, if that is all that is wrong.
fn read_corrected(bytes: &[u8]) -> (Result<StateDict, Error>, bool) {
    let read = StateDict::from_safetensors(bytes);
    let Err(Error::InvalidFile { what, reason }) = &read else { return (read, false) };
    let told = reason.split_once(", but the contents have ");
    let (true, Some((found, expected))) = (what.ends_with("crc32"), told) else {
        return (read, false);
    };
    // A checksum that was cut, even to nothing, has no place to be made right in.
    let place = bytes.windows(8).position(|window| window == found.as_bytes());
    let mut corrected = bytes.to_vec();
    if let Some(place) = place {
        corrected[place..place + 8].copy_from_slice(&expected.as_bytes()[..8]);
    }
    (StateDict::from_safetensors(&corrected), true)
}

#[test]
fn campaign_mutated_safetensors() {
    let originals =
        [dict().to_safetensors().unwrap(), std::fs::read(golden("version_0.safetensors")).unwrap()];
    let wholes = originals.each_ref().map(|bytes| StateDict::from_safetensors(bytes).unwrap());
    let budget = Budget::new();
    let mut rng = Rng(budget.seed);
    let mut files = 0;
    let (mut unharmed, mut corrected) = (0, 0);
    while budget.is_left() {
        files += 1;
        let which = rng.below(2);
        let mutated = mutate(&originals[which], &mut rng);
        let (read, peak_of) = peak(|| StateDict::from_safetensors(&mutated));
        assert_bounded("safetensors", mutated.len(), peak_of);
        match read {
            Ok(read) => {
                assert_eq!(read, wholes[which]);
                unharmed += 1;
            }
            read => assert!(refused(read, "mutated")),
        }
        let ((read, was), peak_of) = peak(|| read_corrected(&mutated));
        assert_bounded("corrected safetensors", 2 * mutated.len(), peak_of);
        corrected += u64::from(was);
        if let Ok(read) = read {
            // Whatever it is now, it is whole.
            for state in read.state.values() {
                let values = state.shape.iter().product::<u32>() as usize;
                assert_eq!((state.exp_avg.len(), state.exp_avg_sq.len()), (values, values));
            }
        }
    }
    println!(
        "campaign: mutated safetensors: files {files}, checksums corrected {corrected}, unharmed {unharmed}, wrong 0"
    );
    assert!(unharmed < files && corrected > 0, "{unharmed} {corrected}");
}

#[test]
fn campaign_mutated_pt() {
    let names = [
        "plain.pt",
        "old.pt",
        "named_groups.pt",
        "under_a_key.pt",
        "before_1_6.pt",
        "protocol_4.pt",
        "views.pt",
        "one_cycle.pt",
        "whole_optimizer.pt",
        "expanded.pt",
    ];
    let originals = names.map(|name| std::fs::read(golden(name)).unwrap());
    let budget = Budget::new();
    let mut rng = Rng(budget.seed);
    let mut files = 0;
    let (mut loaded, mut refused_of) = (0, 0);
    while budget.is_left() {
        files += 1;
        let which = rng.below(names.len());
        let keys: &[&str] = if names[which] == "under_a_key.pt" { &["optimizer"] } else { &[] };
        let mut mutated = mutate(&originals[which], &mut rng);
        if rng.below(8) > 0 {
            correct(&mut mutated);
        }
        let (read, peak_of) = peak(|| StateDict::from_pytorch(&mutated, keys));
        assert_bounded(names[which], mutated.len(), peak_of);
        match read {
            Ok(read) => {
                loaded += 1;
                for state in read.state.values() {
                    let values = state.shape.iter().map(|&axis| axis as usize).product::<usize>();
                    assert_eq!((state.exp_avg.len(), state.exp_avg_sq.len()), (values, values));
                }
            }
            read => refused_of += u64::from(refused(read, names[which])),
        }
    }
    println!(
        "campaign: mutated .pt: files {files}, refused {refused_of}, loaded whole {loaded}, wrong 0"
    );
    assert!(loaded > 0 && refused_of > 0, "{loaded} {refused_of}");
}

#[test]
fn campaign_mutated_traces() {
    let names = [
        "../two_groups.safetensors",
        "../changing_lr.safetensors",
        "../formats/mixed.safetensors",
        "../formats/moments.safetensors",
        "old.safetensors",
    ];
    let originals = names.map(|name| std::fs::read(golden(name)).unwrap());
    let budget = Budget::new();
    let mut rng = Rng(budget.seed);
    let mut files = 0;
    let mut replayed = 0;
    while budget.is_left() {
        files += 1;
        let which = rng.below(names.len());
        let mut mutated = originals[which].clone();
        // The header: the numbers behind it have no checksum, and any will do.
        let header = u64::from_le_bytes(mutated[..8].try_into().unwrap()) as usize;
        let rest = mutated.split_off(8 + header);
        let mutated = [mutate(&mutated, &mut rng), rest].concat();
        let (read, peak_of) = peak(|| Trace::parse(&mutated));
        assert_bounded(names[which], mutated.len(), peak_of);
        match read {
            Ok(trace) => {
                replayed += 1;
                drop(trace.replay_reference(trace.recipe.tolerance));
            }
            Err(error) => assert!(matches!(error, Error::InvalidFile { .. }), "{error}"),
        }
    }
    println!("campaign: mutated traces: files {files}, replayed {replayed}, panics 0");
}
