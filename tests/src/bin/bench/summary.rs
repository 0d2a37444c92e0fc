//! The figures: collected, printed with the machine they are of, compared with their bounds.

use crate::bench_folder;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, process::Command};

/// What must hold of a median.
const BOUNDS: [(&str, f64); 8] = [
    ("w1_commits", 2.0),
    ("w2_syncs_per_activity_64", 0.1),
    ("w2_cpu_us_per_activity", 100.0),
    ("replay_flatness_1k_100k", 1.3),
    // Of two syncs and 2 ms: what tells an attempt of a cancel.
    ("cancel_push_bound_p99", 1.0),
    // Of what the same load costs, and takes, at Temporal's development server.
    ("server_cpu_us_per_activity_ratio_temporal", 0.1),
    ("server_p50_ratio_temporal", 1.0),
    ("server_lone_p50_ratio_temporal", 1.0),
];

/// Benchmarks of `benches/micro.rs`: where criterion puts them, the figure's name, and how many units
/// of work one iteration is.
const CRITERION: [(&str, &str, f64); 6] = [
    ("replay/1000", "replay_events_per_s_1k", 1e3),
    ("replay/10000", "replay_events_per_s_10k", 1e4),
    ("replay/100000", "replay_events_per_s_100k", 1e5),
    ("instantiate", "instantiate_us", 1.0),
    ("frame/encode", "frame_encode_us", 1.0),
    ("frame/decode", "frame_decode_us", 1.0),
];

/// Figures by name, with each measurement.
#[derive(Default)]
pub(crate) struct Summary(BTreeMap<String, Vec<f64>>);

impl Summary {
    pub(crate) fn add(&mut self, name: &str, value: f64) {
        self.0.entry(name.to_owned()).or_default().push(value);
    }

    pub(crate) fn copy(&mut self, from: &str, to: &str) {
        let values = self.0[from].clone();
        self.0.insert(to.to_owned(), values);
    }

    /// Adds what criterion measured last: one value for each of its samples.
    pub(crate) fn add_criterion(&mut self) -> Result<()> {
        let folder = bench_folder()?.join("criterion");
        for (place, name, units) in CRITERION {
            let file = folder.join(place).join("new/sample.json");
            let text = fs::read_to_string(&file)
                .with_context(|| format!("no {}; run `make bench`", file.display()))?;
            let sample: BTreeMap<String, Value> = serde_json::from_str(&text)?;
            let numbers = |key: &str| -> Result<Vec<f64>> {
                Ok(serde_json::from_value(sample[key].clone())?)
            };
            for (iterations, nanos) in numbers("iters")?.into_iter().zip(numbers("times")?) {
                let each = nanos / iterations / units;
                let per_second = name.contains("_per_s");
                self.add(name, if per_second { 1e9 / each } else { each / 1e3 });
            }
        }
        self.copy("replay_events_per_s_100k", "replay_events_per_s_rust");
        // How much more an event costs in a long history: each sample against the other's median.
        let short = self.median("replay_events_per_s_1k");
        for long in self.0["replay_events_per_s_100k"].clone() {
            self.add("replay_flatness_1k_100k", short / long);
        }
        Ok(())
    }

    fn sorted(&self, name: &str) -> Vec<f64> {
        let mut values = self.0[name].clone();
        values.sort_by(f64::total_cmp);
        values
    }

    fn median(&self, name: &str) -> f64 {
        let sorted = self.sorted(name);
        sorted[sorted.len() / 2]
    }

    /// Whether each figure with a bound was measured.
    pub(crate) fn is_whole(&self) -> bool {
        BOUNDS.iter().all(|(name, _)| self.0.contains_key(*name))
    }

    /// The bounds that were missed by what was measured, in words.
    pub(crate) fn missed(&self) -> Vec<String> {
        let missed = BOUNDS
            .iter()
            .filter(|(name, bound)| self.0.contains_key(*name) && self.median(name) > *bound);
        missed
            .map(|(name, bound)| format!("{name} is {:.3}, at most {bound}", self.median(name)))
            .collect()
    }

    pub(crate) fn to_json(&self) -> Value {
        let entries = self.0.keys().map(|name| {
            let sorted = self.sorted(name);
            json!({
                "name": name,
                "unit": unit(name),
                "median": self.median(name),
                "min": sorted[0],
                "max": sorted[sorted.len() - 1],
                "runs": sorted.len(),
            })
        });
        entries.collect()
    }

    pub(crate) fn print(&self) -> Result<()> {
        let commit = Command::new("git")
            .args(["describe", "--always", "--dirty"])
            .output()?;
        let processor = fs::read_to_string("/proc/cpuinfo")?;
        let model = processor
            .lines()
            .find_map(|line| line.strip_prefix("model name"))
            .map_or("an unnamed processor", |line| {
                line.trim_start_matches([' ', '\t', ':'])
            });
        println!(
            "commit {}, {} cores of {model}, load {}",
            String::from_utf8_lossy(&commit.stdout).trim(),
            std::thread::available_parallelism()?,
            fs::read_to_string("/proc/loadavg")?.trim()
        );
        let header = ["median", "min", "max"].map(|word| format!("{word:>12}"));
        println!("{:<42}{}  unit", "figure", header.concat());
        for name in self.0.keys() {
            let sorted = self.sorted(name);
            let numbers = [self.median(name), sorted[0], sorted[sorted.len() - 1]];
            let numbers = numbers.map(|number| format!("{number:>12.3}"));
            let bound = BOUNDS.iter().find(|(bounded, _)| bounded == name);
            let bound = bound.map_or_else(String::new, |(_, bound)| format!(" (at most {bound})"));
            println!("{name:<42}{}  {}{bound}", numbers.concat(), unit(name));
        }
        Ok(())
    }
}

fn unit(name: &str) -> &'static str {
    let units = [
        ("_ratio_", "ratio"),
        ("_per_s", "1/s"),
        ("latency_syncs", "syncs of this disk"),
        ("_syncs_p", "syncs of this disk"),
        ("_ms", "ms"),
        ("flatness", "ratio"),
        ("bound", "ratio"),
        ("_us", "us"),
        ("bytes", "bytes"),
        ("commits", "commits"),
        ("syncs", "syncs"),
    ];
    let found = units.iter().find(|(part, _)| name.contains(part));
    found.map_or("", |(_, unit)| unit)
}
