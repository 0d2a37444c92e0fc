//! The shop's activities: real files in the granted folder `/shop`.
//!
//! An activity runs at least once, so each effect is a file that carries the activity's idempotency
//! key in its name: an attempt that finds it there is done. Files are written aside, synced and
//! renamed, so that a crash leaves a whole effect or none.

use sandglass_guest::activity::AttemptState;
use sandglass_guest::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

const SHOP: &str = "/shop";
const TIME_TO_PACK: Duration = Duration::from_millis(50);

/// One order, a line of the orders file.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    /// Its number.
    pub(crate) id: String,
    customer: String,
    card: String,
    cents: u64,
    items: Vec<Item>,
    parcels: u32,
}

#[derive(Clone, Serialize, Deserialize)]
struct Item {
    sku: String,
    quantity: i64,
}

/// Reads a file of orders, one JSON object a line.
#[activity(start_to_close = "10s")]
pub(crate) async fn read_orders(file: String) -> Result<Vec<Order>, Failure> {
    let text = fs::read_to_string(shop(&file))?;
    Ok(text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?)
}

/// Takes the order's items out of stock.
#[activity(start_to_close = "10s")]
pub(crate) async fn reserve(order: Order) -> Result<(), Failure> {
    once("reserve", &order, || {
        let stock = stock()?;
        for item in &order.items {
            if stock
                .get(&item.sku)
                .is_none_or(|left| *left < item.quantity)
            {
                let message = format!("{} of {} are not in stock", item.quantity, item.sku);
                return Err(Failure::application("OutOfStock", message).non_retryable());
            }
        }
        Ok(())
    })
}

/// Puts the order's items back.
#[activity(start_to_close = "10s")]
pub(crate) async fn release(order: Order) -> Result<(), Failure> {
    once("release", &order, || Ok(()))
}

/// Charges the customer's card.
#[activity(start_to_close = "10s")]
pub(crate) async fn charge(order: Order) -> Result<(), Failure> {
    once("charge", &order, || {
        if order.card.starts_with("DECLINED") {
            let message = format!("the card of {} was declined", order.customer);
            return Err(Failure::application("CardDeclined", message).non_retryable());
        }
        Ok(())
    })
}

/// Pays the money back.
#[activity(start_to_close = "10s")]
pub(crate) async fn refund(order: Order) -> Result<(), Failure> {
    once("refund", &order, || Ok(()))
}

/// Packs the order parcel by parcel and hands it over. Canceled half-way, it unpacks.
#[activity(start_to_close = "10m", heartbeat = "5s")]
pub(crate) async fn ship(order: Order) -> Result<(), Failure> {
    let packed = activity::heartbeat_details::<u32>().unwrap_or(0);
    for parcel in packed + 1..=order.parcels {
        std::thread::sleep(TIME_TO_PACK);
        pack(&order, parcel)?;
        if let Err(stop) = activity::heartbeat(&parcel) {
            // It can also be that the host stops, and takes this up again later.
            if let AttemptState::CancelRequested(_) = activity::cancel_state() {
                unpack(&order)?;
            }
            return Err(stop);
        }
    }
    once("ship", &order, || Ok(()))
}

/// Calls the parcels back and unpacks them.
#[activity(start_to_close = "10s")]
pub(crate) async fn recall(order: Order) -> Result<(), Failure> {
    unpack(&order)?;
    once("recall", &order, || Ok(()))
}

fn shop(path: &str) -> PathBuf {
    PathBuf::from(SHOP).join(path)
}

/// Makes an effect once: the ledger file `NUMBER-EFFECT-ORDER-KEY.json`, if `check` agrees.
fn once(
    effect: &str,
    order: &Order,
    check: impl FnOnce() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let key = activity::info()
        .idempotency_key
        .replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    let name = format!("-{effect}-{}-{key}.json", order.id);
    let ledger = ledger()?;
    if ledger.iter().any(|entry| entry.ends_with(&name)) {
        return Ok(());
    }
    check()?;
    let path = shop(&format!("ledger/{:04}{name}", ledger.len() + 1));
    write_whole(path, &serde_json::to_vec(order)?)
}

/// Writes a file that a crash leaves whole or not there.
fn write_whole(path: PathBuf, bytes: &[u8]) -> Result<(), Failure> {
    let draft = shop("draft.json");
    let mut file = File::create(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(draft, path)?;
    Ok(())
}

/// The names of all ledger files.
fn ledger() -> Result<Vec<String>, Failure> {
    fs::create_dir_all(shop("ledger"))?;
    let mut names = Vec::new();
    for entry in fs::read_dir(shop("ledger"))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    Ok(names)
}

/// What is left in stock: what there was at first, and what the ledger says since.
fn stock() -> Result<BTreeMap<String, i64>, Failure> {
    let mut stock: BTreeMap<String, i64> = serde_json::from_slice(&fs::read(shop("stock.json"))?)?;
    for name in ledger()? {
        let sign = match name.split('-').nth(1) {
            Some("reserve") => -1,
            Some("release") => 1,
            _ => continue,
        };
        let order: Order = serde_json::from_slice(&fs::read(shop("ledger").join(&name))?)?;
        for item in order.items {
            *stock.entry(item.sku).or_default() += sign * item.quantity;
        }
    }
    Ok(stock)
}

fn parcel_path(order: &Order, parcel: u32) -> PathBuf {
    shop(&format!("parcels/{}-{parcel:02}.json", order.id))
}

/// Packs one parcel, unless an earlier attempt did.
fn pack(order: &Order, parcel: u32) -> Result<(), Failure> {
    fs::create_dir_all(shop("parcels"))?;
    let path = parcel_path(order, parcel);
    if path.exists() {
        return Ok(());
    }
    write_whole(path, &serde_json::to_vec(&order.items)?)
}

fn unpack(order: &Order) -> Result<(), Failure> {
    for parcel in 1..=order.parcels {
        match fs::remove_file(parcel_path(order, parcel)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}
