//! The same workloads at other systems, in turns with ours, so that whatever else the machine does
//! falls on both. What a system needs is installed by `scripts/bench-peers.sh`, which leaves a
//! program `target/peers/NAME/run` that is given a workload and prints figures.

use crate::{
    summary::Summary,
    system::{Figures, child, figures},
};
use anyhow::{Context, Result};
use std::process::Command;

/// Turns of each workload.
const ROUNDS: usize = 5;

/// Systems, and the workloads that each can do.
const PEERS: [(&str, &[&str]); 4] = [
    ("restate", &["w1", "w2", "w3", "w4", "w6"]),
    ("dbos", &["w1", "w2", "w3", "w4"]),
    ("temporal", &["w1", "w2", "w3"]),
    ("obelisk", &["w1", "w2"]),
];

/// What of ours is compared with a peer's workload.
struct Ours {
    workload: &'static str,
    load: &'static [&'static str],
    compared: &'static [Compared],
    /// Only with this system, if one is named: the one that ours is like there.
    only: Option<&'static str>,
}

/// One figure of ours and the peer's, and the name of what is better than 1 if ours is better:
/// `NAME_ratio_PEER` and something behind it.
struct Compared {
    ours: &'static str,
    theirs: &'static str,
    ratio: (&'static str, &'static str),
    more_is_better: bool,
}

const fn compared(
    ours: &'static str,
    theirs: &'static str,
    ratio: (&'static str, &'static str),
    more_is_better: bool,
) -> Compared {
    Compared {
        ours,
        theirs,
        ratio,
        more_is_better,
    }
}

const fn same(name: &'static str, ratio: &'static str, more_is_better: bool) -> Compared {
    compared(name, name, (ratio, ""), more_is_better)
}

const W2_RATE: &str = "w2_activities_per_s";
const W2_SERVER_CPU: &str = "w2_server_cpu_us_per_activity";

const OURS: [Ours; 6] = [
    Ours {
        workload: "w1",
        load: &["interleaved", "200"],
        compared: &[same("w1_latency_us", "w1_ratio", false)],
        only: None,
    },
    Ours {
        workload: "w2",
        load: &["load", "64", "1920"],
        compared: &[
            compared("activities_per_s", W2_RATE, ("w2_ratio", ""), true),
            compared(
                "cpu_us_per_activity",
                "w2_cpu_us_per_activity",
                ("w2_cpu_ratio", ""),
                false,
            ),
        ],
        only: None,
    },
    Ours {
        workload: "w2",
        load: &["remote", "typescript"],
        compared: &[
            compared(
                "w2_activities_per_s_remote",
                W2_RATE,
                ("w2_ratio", "_remote"),
                true,
            ),
            compared(
                "w2_server_cpu_us_per_activity_remote",
                W2_SERVER_CPU,
                ("w2_server_cpu_ratio", "_remote"),
                false,
            ),
        ],
        only: Some("restate"),
    },
    Ours {
        workload: "w3",
        load: &["parallel", "1000"],
        compared: &[same("w3_activities_per_s", "w3_ratio", true)],
        only: None,
    },
    Ours {
        workload: "w4",
        load: &["alarms", "5000"],
        compared: &[same("w4_lateness_p99_ms", "w4_lateness_ratio", false)],
        only: None,
    },
    Ours {
        workload: "w6",
        load: &["cancel-at-once", "1000"],
        compared: &[same("w6_cancel_1000_ms", "w6_ratio", false)],
        only: None,
    },
];

/// Measures these systems and adds the figures to the summary.
pub(crate) fn compare(names: &[&str]) -> Result<()> {
    let mut summary = Summary::default();
    for name in names {
        let (name, workloads) = PEERS
            .into_iter()
            .find(|(peer, _)| peer == name)
            .with_context(|| format!("there is no load for {name}"))?;
        for _ in 0..ROUNDS {
            for workload in workloads {
                turn(&mut summary, name, workload)?;
            }
        }
    }
    summary.merge()?;
    summary.conclude()
}

/// One turn of one workload: ours, then theirs.
fn turn(summary: &mut Summary, peer: &str, workload: &str) -> Result<()> {
    let loads = OURS
        .iter()
        .filter(|load| load.workload == workload && load.only.is_none_or(|system| system == peer));
    let ours: Vec<(&Ours, Figures)> = loads
        .map(|load| Ok((load, child(load.load)?)))
        .collect::<Result<_>>()?;
    let program = sandglass_tests::repository()
        .join("target/peers")
        .join(peer);
    let theirs = figures(Command::new(program.join("run")).arg(workload))
        .with_context(|| format!("{peer}, {workload}"))?;
    for (name, values) in &theirs {
        summary.add(&format!("{name}_{peer}"), values[0]);
    }
    for (load, ours) in ours {
        // Of the disk, in the same turns.
        for sync in ours.get("disk_sync_us").into_iter().flatten() {
            summary.add(&format!("disk_sync_us_beside_{peer}"), *sync);
        }
        for one in load.compared {
            let (ours, theirs) = (ours[one.ours][0], theirs[one.theirs][0]);
            let (before, behind) = one.ratio;
            let ratio = if one.more_is_better {
                ours / theirs
            } else {
                theirs / ours
            };
            summary.add(&format!("{before}_{peer}{behind}"), ratio);
            summary.add(&format!("{}{behind}_beside_{peer}", one.theirs), ours);
        }
    }
    Ok(())
}
