//! Everything in one JSON, and a summary to look at.

use crate::constants::Constants;
use crate::finding::Finding;
use crate::reading::Reading;
use crate::steps::Step;
use crate::variants::{self, Held};
use serde::Serialize;
use sparse_adam::Probe;
use sparse_adam::tune::Tuned;

/// The file; a number that is not finite is null in it.
#[derive(Serialize)]
pub struct Report {
    pub format: u32,
    pub version: &'static str,
    pub quick: bool,
    pub adapter: Adapter,
    /// Whether the adapter is a CPU: sizes are smaller, and steps have another form than the model's.
    pub is_cpu: bool,
    /// What times are by, `gpu` or `host`.
    pub clock: &'static str,
    pub seconds: f64,
    pub probes: Vec<Finding>,
    /// What a device's arithmetic does (P13), by the library's own probe.
    pub arithmetic: Option<Probe>,
    /// What the model was fed with.
    pub constants: Option<Constants>,
    pub steps: Vec<Step>,
    /// What the tuner found, with every candidate's time and whether its bits are the default's.
    pub tuned: Option<Tuned>,
    pub laws: Vec<Held>,
    /// Probes and cases that came to nothing, and why.
    pub failed: Vec<String>,
    pub reading: Vec<Reading>,
}

#[derive(Serialize)]
pub struct Adapter {
    pub name: String,
    pub vendor: u32,
    pub device: u32,
    pub kind: String,
    pub backend: String,
    pub driver: String,
    pub driver_info: String,
    pub features: String,
}

impl Report {
    /// Results that were not those of kernels that do their work, and what came to nothing.
    pub fn wrong(&self) -> usize {
        let different = self.tuned.iter().flat_map(variants::different).count();
        let broken = self.laws.iter().filter(|held| !held.check.ok).count();
        let wrong = self.probes.iter().map(|probe| probe.wrong.len()).sum::<usize>();
        self.failed.len() + wrong + different + broken
    }

    pub fn print(&self) {
        let Adapter { name, backend, driver, driver_info, .. } = &self.adapter;
        println!("{name}, {backend}, {driver} {driver_info}; times by the {}'s clock", self.clock);
        for probe in &self.probes {
            println!("\n{}: {} [{}], {:.1} s", probe.probe, probe.what, probe.unit, probe.seconds);
            for line in probe.numbers.chunks(3) {
                let cell = |(name, number): &(String, f64)| format!("{name:38}{number:>12.3}");
                println!("  {}", line.iter().map(cell).collect::<Vec<_>>().join("  "));
            }
            probe.wrong.iter().for_each(|wrong| println!("  WRONG: {wrong}"));
        }
        if !self.steps.is_empty() {
            self.print_steps();
        }
        self.tuned.iter().for_each(variants::print_tuned);
        if !self.laws.is_empty() {
            variants::print_laws(&self.laws);
        }
        self.failed.iter().for_each(|failed| println!("FAILED: {failed}"));
        let of = if self.is_cpu { ", for the kit's own test: this adapter is a CPU" } else { "" };
        println!("\nreading, of the form for GPUs{of}");
        for Reading { probe, found, then } in &self.reading {
            println!("  {probe} {found}: {then}");
        }
    }

    /// Of each stage measured / predicted, and the bound.
    fn print_steps(&self) {
        println!(
            "\nS: steps, us; of each stage measured / predicted, and what bounds the prediction"
        );
        println!("  {:16}{:>5}{:>11}{:>11}{:>10}", "case", "disp", "step", "floor", "disp us");
        for step in &self.steps {
            let number = |us: Option<f64>| us.map_or_else(|| "-".into(), |us| format!("{us:.1}"));
            print!(
                "  {:16}{:>5}{:>11.1}{:>11}{:>10}",
                step.case,
                step.dispatches,
                step.step_us,
                number(step.floor_us),
                number(step.dispatches_us),
            );
            for stage in &step.stages {
                let predicted = number(stage.predicted.map(|predicted| predicted.us));
                let bound = stage.bound.unwrap_or("");
                print!("  {} {}/{predicted} {bound}", stage.stage, number(stage.measured_us));
            }
            println!();
        }
    }
}
