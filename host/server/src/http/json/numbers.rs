//! Whether the numbers of a JSON text are kept when it is read: a reader has whole numbers of 64
//! bits, and doubles. JSON knows no such limits, and a number that changes on its way is a lie.

use serde_json::Value;

/// Checks that a value that was read from a text has the text's numbers: whole ones digit by digit,
/// others as doubles.
///
/// # Errors
/// Names the first that would change, or says that a key is there twice.
pub(crate) fn check(text: &[u8], value: &Value) -> Result<(), String> {
    let written = value.to_string();
    let (mut read, mut written) = (numbers(text), numbers(written.as_bytes()));
    loop {
        match (read.next(), written.next()) {
            (None, None) => return keys(text, value),
            (Some(before), Some(after)) if is_kept(before, after) => {}
            (Some(before), Some(_)) => {
                let before = String::from_utf8_lossy(before);
                return Err(format!(
                    "the number {before} is not kept exactly: send it as a text"
                ));
            }
            _ => return Err("a key of an object is there twice".into()),
        }
    }
}

/// Whether as many keys were read as there are.
fn keys(text: &[u8], value: &Value) -> Result<(), String> {
    fn count(value: &Value) -> usize {
        match value {
            Value::Object(fields) => fields.len() + fields.values().map(count).sum::<usize>(),
            Value::Array(items) => items.iter().map(count).sum(),
            _ => 0,
        }
    }
    let colons = outside(text).filter(|(_, byte)| *byte == b':').count();
    match colons == count(value) {
        true => Ok(()),
        false => Err("a key of an object is there twice".into()),
    }
}

fn is_kept(before: &[u8], after: &[u8]) -> bool {
    let is_whole = before
        .iter()
        .all(|byte| byte.is_ascii_digit() || *byte == b'-');
    let double = |text| std::str::from_utf8(text).ok()?.parse::<f64>().ok();
    before == after || ((!is_whole || before == b"-0") && double(before) == double(after))
}

/// The bytes of a JSON text that are not within its strings, with their places.
fn outside(text: &[u8]) -> impl Iterator<Item = (usize, u8)> {
    let (mut inside, mut escaped) = (false, false);
    text.iter().enumerate().filter_map(move |(place, byte)| {
        if !inside {
            inside = *byte == b'"';
            return (!inside).then_some((place, *byte));
        }
        match (escaped, byte) {
            (true, _) => escaped = false,
            (false, b'\\') => escaped = true,
            (false, b'"') => inside = false,
            _ => {}
        }
        None
    })
}

/// The numbers of a JSON text, as they are written.
fn numbers(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut bytes = outside(text).peekable();
    std::iter::from_fn(move || {
        let (start, _) = bytes.find(|(_, byte)| byte.is_ascii_digit() || *byte == b'-')?;
        let mut end = start + 1;
        let is_part = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
        while let Some((place, _)) = bytes.next_if(|(place, byte)| *place == end && is_part(*byte))
        {
            end = place + 1;
        }
        text.get(start..end)
    })
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn only_numbers_that_are_kept_pass() {
        let checked = |text: &str| {
            let value = serde_json::from_str(text).expect("the texts are JSON");
            check(text.as_bytes(), &value)
        };
        for text in [
            "1",
            "-5",
            "0.10",
            "1e5",
            "18446744073709551615",
            "-9223372036854775808",
            r#"{"a" : [1, 2.5, "3e", "\"4"], "b-1":{}}"#,
            "[0.9452706955539223, 0.38120423768821243, -0]",
            "null",
        ] {
            assert_eq!(checked(text), Ok(()), "{text}");
        }
        for text in [
            "18446744073709551616",
            "-9223372036854775809",
            "[1, 12345678901234567890123]",
            r#"{"a":1,"a":1}"#,
            r#"{"a":"x","a":"x"}"#,
        ] {
            assert!(checked(text).is_err(), "{text}");
        }
    }
}
