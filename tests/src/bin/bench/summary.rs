//! The figures: collected, printed with the machine they are of, compared with their bounds.

use crate::{
    bench_folder,
    bounds::{AIMS, Bound, MUST},
    system::Figures,
};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, io::ErrorKind, path::PathBuf, process::Command};

/// Benchmarks of `benches/micro.rs`: where criterion puts them, the figure's name, and how many units
/// of work one iteration is.
const CRITERION: [(&str, &str, f64); 8] = [
    ("replay/1000", "replay_events_per_s_1k", 1e3),
    ("replay/10000", "replay_events_per_s_10k", 1e4),
    ("replay/100000", "replay_events_per_s_100k", 1e5),
    ("replay-python/10000", "replay_events_per_s_python", 1e4),
    (
        "replay-javascript/10000",
        "replay_events_per_s_javascript",
        1e4,
    ),
    ("instantiate", "instantiate_us", 1.0),
    ("frame/encode", "frame_encode_us", 1.0),
    ("frame/decode", "frame_decode_us", 1.0),
];

/// Figures by name, with each measurement.
#[derive(Default)]
pub(crate) struct Summary(Figures);

impl Summary {
    pub(crate) fn add(&mut self, name: &str, value: f64) {
        self.0.entry(name.to_owned()).or_default().push(value);
    }

    pub(crate) fn add_all(&mut self, figures: Figures) {
        for (name, values) in figures {
            self.0.entry(name).or_default().extend(values);
        }
    }

    pub(crate) fn values(&self, name: &str) -> Vec<f64> {
        self.0.get(name).cloned().unwrap_or_default()
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

    pub(crate) fn median(&self, name: &str) -> f64 {
        let sorted = self.sorted(name);
        sorted[sorted.len() / 2]
    }

    /// Whether each figure with a bound was measured.
    pub(crate) fn is_whole(&self) -> bool {
        MUST.iter().all(|(name, _)| self.0.contains_key(*name))
    }

    /// Writes these figures and no others.
    pub(crate) fn write(&self) -> Result<()> {
        self.write_beside(Vec::new())
    }

    /// Writes these figures beside those that were written before under other names.
    pub(crate) fn merge(&self) -> Result<()> {
        let before: Vec<Value> = match fs::read(summary_file()?) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let is_new = |figure: &Value| {
            let name = figure["name"].as_str().unwrap_or_default();
            self.0.contains_key(name)
        };
        self.write_beside(
            before
                .into_iter()
                .filter(|figure| !is_new(figure))
                .collect(),
        )
    }

    fn write_beside(&self, mut figures: Vec<Value>) -> Result<()> {
        figures.extend(self.entries());
        let path = summary_file()?;
        fs::write(&path, format!("{:#}\n", Value::from(figures)))?;
        println!("written to {}", path.display());
        Ok(())
    }

    fn entries(&self) -> impl Iterator<Item = Value> {
        self.0.keys().map(|name| {
            let sorted = self.sorted(name);
            json!({
                "name": name,
                "unit": unit(name),
                "median": self.median(name),
                "min": sorted[0],
                "max": sorted[sorted.len() - 1],
                "runs": sorted.len(),
            })
        })
    }

    /// Prints the figures and how they compare, and fails if one of them misses what must hold.
    pub(crate) fn conclude(&self) -> Result<()> {
        self.print()?;
        self.compare("aimed at", &AIMS);
        let missed = self.compare("must hold", &MUST);
        ensure!(missed.is_empty(), "bounds missed: {}", missed.join("; "));
        Ok(())
    }

    /// Prints which of these bounds the figures keep, and returns in words those that they miss.
    /// What was not measured is left out.
    fn compare(&self, what: &str, bounds: &[(&str, Bound)]) -> Vec<String> {
        let measured = bounds.iter().filter(|(name, _)| self.0.contains_key(*name));
        let mut missed = Vec::new();
        for (name, bound) in measured {
            let median = self.median(name);
            let told = format!("{name} is {median:.3}, {bound}");
            let is_kept = bound.is_kept(median);
            println!(
                "{what}, {}: {told}",
                if is_kept { "reached" } else { "missed" }
            );
            if !is_kept {
                missed.push(told);
            }
        }
        missed
    }

    fn print(&self) -> Result<()> {
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
        println!("{:<54}{}  unit", "figure", header.concat());
        for name in self.0.keys() {
            let sorted = self.sorted(name);
            let numbers = [self.median(name), sorted[0], sorted[sorted.len() - 1]];
            let numbers = numbers.map(|number| format!("{number:>12.3}"));
            println!("{name:<54}{}  {}", numbers.concat(), unit(name));
        }
        Ok(())
    }
}

fn summary_file() -> Result<PathBuf> {
    Ok(bench_folder()?.join("summary.json"))
}

fn unit(name: &str) -> &'static str {
    let units = [
        ("_ratio", "ratio"),
        ("_aim", "ratio"),
        ("_share_of", "ratio"),
        ("_busy", "ratio"),
        ("percent", "percent"),
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
