//! A long activity that remembers how far it came: the second attempt begins where the first stopped.

use sandglass_guest::prelude::*;
use serde::{Deserialize, Serialize};

/// What an import did.
#[derive(Serialize, Deserialize)]
struct Imported {
    /// Rows in the file.
    rows: u32,
    /// Which attempt finished it.
    attempt: u32,
    /// Rows that this attempt did not have to import again.
    already_there: u32,
}

/// Imports `rows` rows. The first attempt loses its connection half-way.
#[activity(
    start_to_close = "1m",
    heartbeat = "5s",
    retry(initial_interval = "100ms")
)]
async fn import(rows: u32) -> Result<Imported, Failure> {
    let attempt = activity::info().attempt;
    let already_there = activity::heartbeat_details::<u32>().unwrap_or(0);
    for row in already_there..rows {
        if attempt == 1 && row == rows / 2 {
            return Err(Failure::application(
                "ConnectionLost",
                "the database went away",
            ));
        }
        std::thread::sleep(Duration::from_millis(20));
        activity::heartbeat(&(row + 1))?;
    }
    Ok(Imported {
        rows,
        attempt,
        already_there,
    })
}

/// Imports a file of `rows` rows.
#[workflow]
async fn import_file(rows: u32) -> Result<Imported, Failure> {
    import(rows).await
}

sandglass_guest::export! { workflows: [import_file], activities: [import] }
