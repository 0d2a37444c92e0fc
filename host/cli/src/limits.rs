//! `sandglass limits`, and the limits that a command line sets.

use crate::{
    args::{LimitArgs, LimitsArgs, OutputForm},
    exit::{Exit, Outcome},
    output,
};
use sandglass_engine::{LimitUnit, Limits};
use serde_json::json;

/// Prints every limit with its value as this command line sets it.
///
/// # Errors
/// If stdout cannot be written.
pub fn limits(args: &LimitsArgs, form: OutputForm) -> Outcome {
    let limits = effective(&args.limits);
    match form {
        OutputForm::Json => output::print_json(&to_json(limits))?,
        OutputForm::Text => output::print(&text(limits))?,
    }
    Ok(Exit::Completed)
}

/// The limits of a host that is started by this command line.
#[must_use]
pub fn effective(args: &LimitArgs) -> Limits {
    let mut limits = if args.temporal_limits {
        Limits::temporal()
    } else {
        Limits::default()
    };
    for (name, value) in &args.limit {
        limits
            .set(name, *value)
            .expect("names and values were checked when the arguments were parsed");
    }
    limits
}

fn value(limits: Limits, name: &str) -> usize {
    limits.get(name).expect("each setting is a limit")
}

fn to_json(limits: Limits) -> serde_json::Value {
    let all = Limits::SETTINGS.iter().map(|setting| {
        json!({
            "name": setting.name,
            "value": value(limits, setting.name),
            "unit": setting.unit.to_string(),
            "default": setting.default,
            "temporal": setting.temporal,
            "bounds": setting.bounds,
            "passed": setting.passed,
        })
    });
    json!({ "limits": all.collect::<Vec<_>>() })
}

fn text(limits: Limits) -> String {
    let head = ["NAME", "VALUE", "DEFAULT", "TEMPORAL", "WHEN IT IS PASSED"];
    let mut rows = vec![head.map(String::from).to_vec()];
    rows.extend(Limits::SETTINGS.iter().map(|setting| {
        let show = |value| shown(value, setting.unit);
        vec![
            setting.name.to_owned(),
            show(value(limits, setting.name)),
            show(setting.default),
            setting.temporal.map_or_else(|| "none".into(), show),
            setting.passed.to_owned(),
        ]
    }));
    output::table(&rows)
}

/// A value for people; what is read back by `--limit` is the same.
fn shown(value: usize, unit: LimitUnit) -> String {
    match unit {
        LimitUnit::Count => value.to_string(),
        LimitUnit::Bytes if value >= 1 << 20 && value.is_multiple_of(1 << 20) => {
            format!("{}MiB", value >> 20)
        }
        LimitUnit::Bytes if value >= 1 << 10 && value.is_multiple_of(1 << 10) => {
            format!("{}KiB", value >> 10)
        }
        LimitUnit::Bytes => format!("{value}B"),
        LimitUnit::Millis if value.is_multiple_of(1000) => format!("{}s", value / 1000),
        LimitUnit::Millis => format!("{value}ms"),
    }
}
