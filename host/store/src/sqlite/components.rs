//! What is kept of components: their bytes, and one text that says what they are for. The text is a
//! row of `meta`, so that files of the same format may have it or not.

use super::commit;
use crate::{ComponentChange, Place, owner};
use rusqlite::{Connection, TransactionBehavior, params};
use sandglass_engine::Digest;

/// The row of `meta` with the text.
pub(super) const NOTE: &str = "components";

pub(super) const PLACE: Place = Place {
    table: "component",
    run: None,
    row: None,
};

pub(super) fn put(
    connection: &Connection,
    digest: Digest,
    bytes: &[u8],
) -> Result<(), rusqlite::Error> {
    let put = connection.execute(
        "INSERT INTO component (digest, added_at, bytes) VALUES (?1, ?2, ?3)
         ON CONFLICT (digest) DO NOTHING",
        params![digest.0, commit::integer(owner::now().0), bytes],
    );
    put.map(drop)
}

pub(super) fn change(
    connection: &mut Connection,
    change: &ComponentChange,
) -> Result<(), rusqlite::Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if let Some((digest, bytes)) = &change.put {
        put(&transaction, *digest, bytes)?;
    }
    if let Some(digest) = change.remove {
        transaction.execute("DELETE FROM component WHERE digest = ?1", params![digest.0])?;
    }
    if let Some(note) = &change.note {
        transaction.execute(
            "INSERT INTO meta (key, value) VALUES (?1, ?2)
             ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            params![NOTE, note],
        )?;
    }
    transaction.commit()
}
