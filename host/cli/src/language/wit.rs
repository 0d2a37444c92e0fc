//! The contract between guests and this host, for toolchains that read WIT.
//!
//! It is the one that this program was built with, so that a component fits the host that made it.

use crate::exit::Stop;
use anyhow::Context as _;
use std::{fs, path::Path};

/// The files of the package `sandglass:workflow`.
const FILES: &[(&str, &str)] = &[
    (
        "activities.wit",
        include_str!("../../../../wit/activities.wit"),
    ),
    (
        "activity-context.wit",
        include_str!("../../../../wit/activity-context.wit"),
    ),
    (
        "activity-handler.wit",
        include_str!("../../../../wit/activity-handler.wit"),
    ),
    (
        "async-waits.wit",
        include_str!("../../../../wit/async-waits.wit"),
    ),
    (
        "attributes.wit",
        include_str!("../../../../wit/attributes.wit"),
    ),
    (
        "cancellation.wit",
        include_str!("../../../../wit/cancellation.wit"),
    ),
    ("blocking.wit", include_str!("../../../../wit/blocking.wit")),
    ("children.wit", include_str!("../../../../wit/children.wit")),
    (
        "compensation.wit",
        include_str!("../../../../wit/compensation.wit"),
    ),
    (
        "execution.wit",
        include_str!("../../../../wit/execution.wit"),
    ),
    (
        "externals.wit",
        include_str!("../../../../wit/externals.wit"),
    ),
    ("guest.wit", include_str!("../../../../wit/guest.wit")),
    ("info.wit", include_str!("../../../../wit/info.wit")),
    ("log.wit", include_str!("../../../../wit/log.wit")),
    ("timers.wit", include_str!("../../../../wit/timers.wit")),
    ("types.wit", include_str!("../../../../wit/types.wit")),
    ("updates.wit", include_str!("../../../../wit/updates.wit")),
    ("waits.wit", include_str!("../../../../wit/waits.wit")),
    ("world.wit", include_str!("../../../../wit/world.wit")),
];

/// Writes the package into a folder, which is made.
///
/// # Errors
/// With exit code 6 if it cannot be written.
pub fn write(folder: &Path) -> Result<(), Stop> {
    let written = fs::create_dir_all(folder).and_then(|()| {
        let mut files = FILES.iter();
        files.try_for_each(|(name, text)| fs::write(folder.join(name), text))
    });
    written
        .with_context(|| format!("cannot write into {}", folder.display()))
        .map_err(Stop::host)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    #[test]
    fn no_file_is_left_out() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
        assert_eq!(
            std::fs::read_dir(folder).unwrap().count(),
            super::FILES.len()
        );
    }
}
