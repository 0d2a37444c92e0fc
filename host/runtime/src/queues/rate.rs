//! How fast a queue gives: evenly, by the host's clock.

use sandglass_engine::{Millis, Timestamp};

/// What may be given at once is what this time allows: hand-outs are evenly spread, and a fast
/// queue is not slowed down by the clock's milliseconds.
const AT_ONCE: f64 = 100.0;

/// A limit on hand-outs per second. In any span of time no more are admitted than the rate gives
/// for it, and a tenth of a second's worth, or one.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Rate {
    per_second: Option<f64>,
    /// When the next would be due if all came evenly, in milliseconds.
    next: f64,
}

/// Whether something may be handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    Now,
    At(Timestamp),
    /// Not before the rate is changed.
    Never,
}

impl Rate {
    /// Changes the rate; `None` for no limit.
    pub(super) fn set(&mut self, per_second: Option<f64>) {
        self.per_second = per_second;
    }

    /// Whether one may be handed out now.
    pub(super) fn admits(&mut self, now: Timestamp) -> Admission {
        let Some(rate) = self.per_second else {
            return Admission::Now;
        };
        if rate <= 0.0 || rate.is_nan() {
            return Admission::Never;
        }
        let (interval, ahead) = spacing(rate);
        let now_at = now.0 as f64;
        // After a change of the rate, or when the clock was set back, it may be far off.
        self.next = self.next.min(now_at + ahead + interval);
        let wait = self.next - ahead - now_at;
        if wait <= 0.0 {
            return Admission::Now;
        }
        // A rate near zero may wait for longer than there are milliseconds.
        Admission::At(now + Millis(wait.ceil() as u64))
    }

    /// One was handed out.
    pub(super) fn spend(&mut self, now: Timestamp) {
        if let Some(rate) = self.per_second {
            self.next = self.next.max(now.0 as f64) + spacing(rate).0;
        }
    }
}

/// The time between two hand-outs, and by how much one may be early, in milliseconds.
fn spacing(rate: f64) -> (f64, f64) {
    let interval = 1000.0 / rate;
    (interval, (AT_ONCE - interval).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is handed out in each of these milliseconds if as much as possible is.
    fn greedy(rate: &mut Rate, millis: std::ops::Range<u64>) -> Vec<u64> {
        let mut given = Vec::new();
        for at in millis.map(Timestamp) {
            while rate.admits(at) == Admission::Now {
                rate.spend(at);
                given.push(at.0);
            }
        }
        given
    }

    fn limited(per_second: f64) -> Rate {
        let mut rate = Rate::default();
        rate.set(Some(per_second));
        rate
    }

    #[test]
    fn no_second_gives_more_than_the_rate_and_what_goes_at_once() {
        for per_second in [0.5, 1.0, 3.0, 10.0, 250.0, 5000.0] {
            let given = greedy(&mut limited(per_second), 1_000_000..1_005_000);
            let most = per_second + (per_second / 10.0).max(1.0);
            for (index, first) in given.iter().enumerate() {
                let within = given[index..].iter().take_while(|at| **at < first + 1000);
                let count = within.count() as f64;
                assert!(count <= most, "{count} in a second at {per_second}");
            }
            let least = (per_second * 5.0).floor();
            assert!(given.len() as f64 >= least, "{per_second}: {}", given.len());
        }
    }

    #[test]
    fn it_says_when_to_come_again() {
        let mut rate = limited(4.0);
        let now = Timestamp(1_000_000);
        assert_eq!(rate.admits(now), Admission::Now);
        rate.spend(now);
        assert_eq!(rate.admits(now), Admission::At(now + Millis(250)));
        assert_eq!(rate.admits(now + Millis(250)), Admission::Now);
    }

    #[test]
    fn zero_gives_nothing_and_none_is_no_limit() {
        let mut rate = limited(0.0);
        assert_eq!(rate.admits(Timestamp(5)), Admission::Never);
        rate.set(None);
        assert_eq!(rate.admits(Timestamp(5)), Admission::Now);
        rate.spend(Timestamp(5));
        assert_eq!(rate.admits(Timestamp(5)), Admission::Now);
    }

    #[test]
    fn a_clock_that_is_set_back_delays_by_no_more_than_one_wait() {
        let mut rate = limited(1.0);
        rate.spend(Timestamp(10_000_000));
        let back = Timestamp(1_000);
        assert_eq!(rate.admits(back), Admission::At(back + Millis(1000)));
    }
}
