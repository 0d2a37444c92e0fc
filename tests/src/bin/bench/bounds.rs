//! What the figures are compared with.

/// On which side of a bound a median has to be.
#[derive(Clone, Copy)]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

use Bound::{AtLeast, AtMost};

impl Bound {
    pub(crate) fn is_kept(self, value: f64) -> bool {
        match self {
            AtMost(most) => value <= most,
            AtLeast(least) => value >= least,
        }
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            AtMost(most) => write!(f, "at most {most}"),
            AtLeast(least) => write!(f, "at least {least}"),
        }
    }
}

/// What must hold: a figure that misses one of these is an error.
pub(crate) const MUST: [(&str, Bound); 8] = [
    ("w1_commits", AtMost(2.0)),
    ("w2_syncs_per_activity_64", AtMost(0.1)),
    ("w2_cpu_us_per_activity", AtMost(100.0)),
    ("replay_flatness_1k_100k", AtMost(1.3)),
    // Of two syncs and 2 ms: what tells an attempt of a cancel.
    ("cancel_push_bound_p99", AtMost(1.0)),
    // Of what the same load costs, and takes, at Temporal's development server.
    ("server_cpu_us_per_activity_ratio_temporal", AtMost(0.1)),
    ("server_p50_ratio_temporal", AtMost(1.0)),
    ("server_lone_p50_ratio_temporal", AtMost(1.0)),
];

/// What is aimed at: whether it is reached is printed. Figures of `make bench-peers` are among them.
pub(crate) const AIMS: [(&str, Bound); 29] = [
    ("w1_syncs", AtMost(2.0)),
    // Of 2.5 syncs and 300 us.
    ("w1_latency_aim", AtMost(1.0)),
    ("w2_cpu_us_per_activity", AtMost(40.0)),
    ("w2_syncs_per_activity_64", AtMost(0.04)),
    // One of these two suffices.
    ("w2_ratio_restate", AtLeast(15.0)),
    ("w2_share_of_disk", AtLeast(0.8)),
    ("w2_cores_busy_512", AtLeast(0.9)),
    ("w2_cpu_ratio_restate", AtLeast(20.0)),
    ("w2_ratio_restate_remote", AtLeast(2.0)),
    ("w2_server_cpu_ratio_restate_remote", AtLeast(4.0)),
    ("disk_bytes_per_activity", AtMost(160.0)),
    ("w3_activities_per_s", AtLeast(20_000.0)),
    ("w4_bytes_per_run_evicted", AtMost(1_000.0)),
    ("w4_bytes_per_run_cached", AtMost(40_000.0)),
    ("w4_lateness_p99_ms", AtMost(100.0)),
    ("w5_recovery_ms", AtMost(200.0)),
    ("w6_cancel_1000_ms", AtMost(300.0)),
    // Of one sync and 5 ms.
    ("cancel_push_aim_p99", AtMost(1.0)),
    ("replay_events_per_s_rust", AtLeast(300_000.0)),
    ("replay_events_per_s_python", AtLeast(50_000.0)),
    ("replay_events_per_s_javascript", AtLeast(20_000.0)),
    ("replay_flatness_1k_100k", AtMost(1.3)),
    ("crowded_list_ratio", AtMost(2.0)),
    ("crowded_list_open_ratio", AtMost(2.0)),
    ("crowded_describe_open_ratio", AtMost(2.0)),
    ("crowded_describe_closed_ratio", AtMost(2.0)),
    ("crowded_start_ratio", AtMost(2.0)),
    ("instantiate_us", AtMost(30.0)),
    ("epoch_overhead_percent", AtMost(8.0)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_kept_on_its_own_side() {
        assert!(AtMost(2.0).is_kept(2.0) && !AtMost(2.0).is_kept(2.1));
        assert!(AtLeast(2.0).is_kept(2.0) && !AtLeast(2.0).is_kept(1.9));
        assert!(!AtMost(2.0).is_kept(f64::NAN) && !AtLeast(2.0).is_kept(f64::NAN));
    }

    #[test]
    fn what_must_hold_is_never_stricter_than_what_is_aimed_at() {
        for (name, must) in MUST {
            let aimed = AIMS.iter().find(|(aimed, _)| *aimed == name);
            if let Some((_, AtMost(aim) | AtLeast(aim))) = aimed {
                assert!(must.is_kept(*aim), "{name}");
            }
        }
    }
}
