//! Where the README's links lead, on the page of the repository and in the documentation.

use std::path::Path;

const README: &str = include_str!("../../README.md");
const CRATE: &str = include_str!("../../src/lib.rs");

/// The first text of `line` between two others.
fn between<'a>(line: &'a str, before: &str, after: &str) -> Option<&'a str> {
    line.split_once(before)?.1.split_once(after).map(|(found, _)| found)
}

#[test]
fn every_link_of_the_readme_has_a_place_in_the_documentation() {
    for line in README.lines() {
        // What is written out leads to the same place from everywhere.
        let target = between(line, "](", ")").unwrap_or("https://");
        assert!(target.starts_with("https://"), "give this link a name: {line}");
    }
    let definitions = README.lines().filter(|line| line.starts_with('['));
    let definitions: Vec<_> = definitions.filter_map(|line| line.split_once("]: ")).collect();
    assert!(!definitions.is_empty());
    for (name, target) in definitions {
        let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file));
        let text = text.unwrap_or_else(|error| panic!("{target}: {error}")).to_lowercase();
        let heading = format!("\n## {}", anchor.replace('-', " "));
        assert!(anchor.is_empty() || text.contains(&heading), "{target}");
        let documented = format!("#![doc = \"{name}]: guide::");
        let place = CRATE.lines().find(|line| line.starts_with(&documented));
        let place = place.unwrap_or_else(|| panic!("src/lib.rs has no place for {name}]"));
        let same = anchor.is_empty() || place.ends_with(&format!("#{anchor}\"]"));
        assert!(same, "{target}, {place}");
    }
}
