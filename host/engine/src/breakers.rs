//! Rules of the semantics that tests break on purpose, to see that some test notices.
//!
//! With the feature `rule-breakers` the environment variable `SANDGLASS_BREAK_RULE` names a rule
//! that the process does not keep, such as `R9`; `tests/breakers.md` says what it does instead, and
//! which test notices. Without the feature [`broken`] is `false`, and what hangs on it is compiled
//! to nothing. It lives in the lowest room; the rooms above use it from here.

/// Whether this process is not to keep a rule of the semantics, `R1` to `R40`.
#[inline(always)]
pub fn broken(rule: &str) -> bool {
    #[cfg(feature = "rule-breakers")]
    return armed::rule().is_some_and(|broken| broken == rule);
    #[cfg(not(feature = "rule-breakers"))]
    {
        let _ = rule;
        false
    }
}

#[cfg(feature = "rule-breakers")]
mod armed {
    use std::{env, sync::LazyLock};

    static RULE: LazyLock<Option<String>> = LazyLock::new(|| env::var("SANDGLASS_BREAK_RULE").ok());

    /// The rule that the environment names.
    pub(super) fn rule() -> Option<&'static str> {
        RULE.as_deref()
    }
}
