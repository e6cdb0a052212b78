//! Whether this process was started as a rank of the job that it believes to be in.

use crate::Error;

/// Where launchers tell a process how many it is one of: Open MPI's, and MPICH's and Slurm's.
const TOLD: [&str; 2] = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE"];

/// Checks the size of the job that MPI found against what the launcher says, `variable` being the environment.
///
/// A program of one MPI under another's launcher runs as so many jobs of one rank each, without a word.
///
/// # Errors
/// [`Error::Launcher`].
pub(crate) fn check(size: u32, variable: impl Fn(&str) -> Option<String>) -> Result<(), Error> {
    let told: Vec<_> = TOLD.iter().filter_map(|name| Some((*name, variable(name)?))).collect();
    let wrong = |told: String| Err(Error::Launcher { told, found: size });
    match told.iter().find(|(_, told)| told.parse() != Ok(size)) {
        Some((name, told)) => wrong(format!("{name}={told}")),
        None if told.is_empty() && size == 1 => wrong("no launcher".into()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn under(name: &'static str, told: &'static str, size: u32) -> Result<(), Error> {
        check(size, |asked| (asked == name).then(|| told.to_string()))
    }

    #[test]
    fn a_launchers_own_job_passes() {
        assert_eq!(under("OMPI_COMM_WORLD_SIZE", "4", 4), Ok(()));
        assert_eq!(under("PMI_SIZE", "1", 1), Ok(()));
        assert_eq!(under("SOMETHING", "9", 4), Ok(()), "a launcher that tells nothing");
    }

    #[test]
    fn jobs_of_one_rank_each_are_named() {
        let wrong = |told: &str| Err(Error::Launcher { told: told.into(), found: 1 });
        assert_eq!(under("PMI_SIZE", "4", 1), wrong("PMI_SIZE=4"));
        assert_eq!(under("OMPI_COMM_WORLD_SIZE", "x", 1), wrong("OMPI_COMM_WORLD_SIZE=x"));
        assert_eq!(under("SOMETHING", "9", 1), wrong("no launcher"));
    }
}
