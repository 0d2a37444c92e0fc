//! A store whose making was cut off by a kill: a reader says so, and the next host makes it.

#![expect(clippy::unwrap_used, reason = "tests")]

use sandglass_store::{Error, SqliteStore, Store as _};
use std::fs;

#[test]
fn a_store_that_was_not_made_to_its_end_says_so_and_is_made_by_the_next_host() {
    let folder = tempfile::tempdir().unwrap();
    let (made, cut) = (folder.path().join("made.db"), folder.path().join("cut.db"));
    let connection = rusqlite::Connection::open(&made).unwrap();
    // A cache of one page: what is written reaches the file before the transaction ends.
    connection
        .execute_batch("PRAGMA cache_size = 1; BEGIN")
        .unwrap();
    for number in 0..20 {
        let table =
            format!("CREATE TABLE t{number} (c); INSERT INTO t{number} VALUES (zeroblob(9000))");
        connection.execute_batch(&table).unwrap();
    }
    fs::copy(&made, &cut).unwrap();
    let journal = folder.path().join("made.db-journal");
    fs::copy(journal, folder.path().join("cut.db-journal")).unwrap();
    match SqliteStore::open_read_only(&cut) {
        Err(Error::NotAStore { reason, .. }) => {
            assert!(reason.contains("not made to its end"), "{reason}")
        }
        other => panic!("{other:?}"),
    }
    let mut store = SqliteStore::open(&cut).unwrap();
    assert!(store.mark_running().unwrap(), "it is a new store");
    drop(store);
    SqliteStore::open_read_only(&cut).unwrap();
}
