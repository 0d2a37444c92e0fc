//! All figures of ours, each load in a process of its own, several times in turns.

use crate::{
    load, remote,
    summary::Summary,
    system::{child, syncs},
};
use anyhow::{Result, ensure};

/// Measurements of each figure.
const REPEATS: usize = 5;

/// Runs in flight, and runs in all, of ten activities each.
const LOADS: [(usize, usize); 4] = [(1, 200), (8, 800), (64, 1920), (512, 5120)];

/// Runs of one activity, one after another.
const LONE: usize = 200;

/// Loads whose figures have their names in the summary too.
const LOADED: [&[&str]; 9] = [
    &["interleaved", "200"],
    &["parallel", "1000"],
    &["memory", "cached", "20000"],
    &["memory", "evicted", "100000"],
    &["alarms", "5000"],
    &["recovery", "10000"],
    // Runs that are canceled one after another, and all at once.
    &["cancel", "200"],
    &["cancel-at-once", "1000"],
    // Syncs of the disk beside nothing else.
    &["disk", "500"],
];

/// What measures each of its figures several times by itself.
const WHOLE: [&[&str]; 2] = [&["epoch"], &["crowded", "1000000", "100000"]];

pub(crate) fn measure() -> Result<()> {
    let mut summary = Summary::default();
    summary.add_criterion()?;
    for _ in 0..REPEATS {
        for (in_flight, runs) in LOADS {
            sequences(&mut summary, in_flight, runs)?;
        }
        for load in LOADED {
            summary.add_all(child(load)?);
        }
        summary.add(
            "w1_syncs",
            syncs(&["lone", &LONE.to_string()])? / LONE as f64,
        );
    }
    for load in WHOLE {
        summary.add_all(child(load)?);
    }
    remote::compare(&mut summary)?;
    // The names that later figures are compared under are those of the full load.
    for name in ["w2_activities_per_s", "w2_cpu_us_per_activity"] {
        summary.copy(&format!("{name}_64"), name);
    }
    share_of_disk(&mut summary);
    summary.write()?;
    ensure!(summary.is_whole(), "a figure with a bound was not measured");
    summary.conclude()
}

/// W2 with so many runs in flight, once for its figures and once for its syncs.
fn sequences(summary: &mut Summary, in_flight: usize, runs: usize) -> Result<()> {
    let counts = [in_flight, runs].map(|count| count.to_string());
    let load = ["load", &counts[0], &counts[1]];
    for (name, values) in child(&load)? {
        match name.as_str() {
            "disk_bytes_per_activity" if in_flight != 64 => {}
            "disk_bytes_per_activity" => summary.add(&name, values[0]),
            name => summary.add(&format!("w2_{name}_{in_flight}"), values[0]),
        }
    }
    let each = syncs(&load)? / (runs * load::ACTIVITIES) as f64;
    summary.add(&format!("w2_syncs_per_activity_{in_flight}"), each);
    Ok(())
}

/// How much of what 64 runs could do at most, if each activity waited for one sync of the disk and
/// nothing else.
fn share_of_disk(summary: &mut Summary) {
    let most = 64.0 * summary.median("disk_syncs_per_s");
    for rate in summary.values("w2_activities_per_s") {
        summary.add("w2_share_of_disk", rate / most);
    }
}
