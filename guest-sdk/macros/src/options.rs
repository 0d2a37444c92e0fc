//! Reads the options in the parentheses of an attribute.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Ident, LitFloat, LitInt, LitStr, Result, Token, parenthesized};

/// The options of `#[workflow]`.
#[derive(Default)]
pub(crate) struct WorkflowOptions {
    pub(crate) name: Option<LitStr>,
}

/// The options of `#[activity]`.
#[derive(Default)]
pub(crate) struct ActivityOptions {
    pub(crate) name: Option<LitStr>,
    /// Calls of setters of `ActivityOptions`, in the order in which they were written.
    pub(crate) setters: TokenStream,
}

impl Parse for WorkflowOptions {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut options = Self::default();
        each(input, |key, input| match key.to_string().as_str() {
            "name" => {
                options.name = Some(value(input)?);
                Ok(())
            }
            other => Err(unknown(key, other, "name")),
        })?;
        Ok(options)
    }
}

impl Parse for ActivityOptions {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut options = Self::default();
        each(input, |key, input| {
            let setter = match key.to_string().as_str() {
                "name" => {
                    options.name = Some(value(input)?);
                    return Ok(());
                }
                "start_to_close" | "schedule_to_close" | "schedule_to_start" | "heartbeat"
                | "wait_timeout" => {
                    let duration = duration(input)?;
                    quote!(.#key(#duration))
                }
                "task_queue" => {
                    let queue: LitStr = value(input)?;
                    quote!(.task_queue(#queue))
                }
                "cancellation" => {
                    let kind = cancellation(input)?;
                    quote!(.cancellation(::sandglass_guest::CancellationType::#kind))
                }
                "retry" => {
                    let policy = retry(input)?;
                    quote!(.retry(#policy))
                }
                other => {
                    let known = "name, start_to_close, schedule_to_close, schedule_to_start, \
                                 heartbeat, retry, cancellation, wait_timeout, task_queue";
                    return Err(unknown(key, other, known));
                }
            };
            options.setters.extend(setter);
            Ok(())
        })?;
        Ok(options)
    }
}

/// Reads `key ..` pairs with commas between them.
fn each(
    input: ParseStream<'_>,
    mut read: impl FnMut(&Ident, ParseStream<'_>) -> Result<()>,
) -> Result<()> {
    while !input.is_empty() {
        let key: Ident = input.parse()?;
        read(&key, input)?;
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    Ok(())
}

fn unknown(key: &Ident, found: &str, known: &str) -> Error {
    Error::new(
        key.span(),
        format!("unknown option `{found}`; there are: {known}"),
    )
}

fn value<T: Parse>(input: ParseStream<'_>) -> Result<T> {
    input.parse::<Token![=]>()?;
    input.parse()
}

fn retry(input: ParseStream<'_>) -> Result<TokenStream> {
    let content;
    parenthesized!(content in input);
    let mut policy = quote!(::sandglass_guest::RetryPolicy::new());
    each(&content, |key, input| {
        let setter = match key.to_string().as_str() {
            "initial_interval" | "maximum_interval" => {
                let duration = duration(input)?;
                quote!(.#key(#duration))
            }
            "backoff_coefficient" => {
                let factor: LitFloat = value(input)?;
                quote!(.backoff_coefficient(#factor))
            }
            "maximum_attempts" => {
                let attempts: LitInt = value(input)?;
                quote!(.maximum_attempts(#attempts))
            }
            "non_retryable" => {
                let types;
                parenthesized!(types in input);
                let types = Punctuated::<LitStr, Token![,]>::parse_terminated(&types)?;
                let types = types.iter();
                quote!(#(.non_retryable(#types))*)
            }
            other => {
                let known = "initial_interval, maximum_interval, backoff_coefficient, \
                             maximum_attempts, non_retryable";
                return Err(unknown(key, other, known));
            }
        };
        policy.extend(setter);
        Ok(())
    })?;
    Ok(policy)
}

fn cancellation(input: ParseStream<'_>) -> Result<Ident> {
    let text: LitStr = value(input)?;
    let kind = match text.value().as_str() {
        "wait-cancellation-completed" => "WaitCancellationCompleted",
        "try-cancel" => "TryCancel",
        "abandon" => "Abandon",
        other => {
            let message = format!(
                "unknown cancellation type `{other}`; there are: wait-cancellation-completed, \
                 try-cancel, abandon"
            );
            return Err(Error::new(text.span(), message));
        }
    };
    Ok(Ident::new(kind, Span::call_site()))
}

/// Reads a duration such as `"10s"` and writes it as an expression.
fn duration(input: ParseStream<'_>) -> Result<TokenStream> {
    let text: LitStr = value(input)?;
    let millis = parse_duration(&text.value()).ok_or_else(|| {
        let message = "not a duration; write a whole number and one of ms, s, m, h, d: \"10s\"";
        Error::new(text.span(), message)
    })?;
    Ok(quote!(::core::time::Duration::from_millis(#millis)))
}

/// Returns the milliseconds that a text such as `10s` means.
fn parse_duration(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim_start() {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::{ActivityOptions, parse_duration};

    #[test]
    fn options_become_setters() {
        let text =
            r#"name = "n", start_to_close = "1s", retry(maximum_attempts = 3, non_retryable("E"))"#;
        let options: ActivityOptions = syn::parse_str(text).unwrap();
        assert_eq!(options.name.unwrap().value(), "n");
        let setters = options.setters.to_string().replace(' ', "");
        assert_eq!(
            setters,
            ".start_to_close(::core::time::Duration::from_millis(1000u64))\
             .retry(::sandglass_guest::RetryPolicy::new().maximum_attempts(3).non_retryable(\"E\"))"
        );
    }

    #[test]
    fn what_is_no_option_is_refused_with_what_there_is() {
        for (text, reason) in [
            ("timeout = \"1s\"", "there are: name, start_to_close"),
            ("start_to_close = \"1\"", "not a duration"),
            ("start_to_close = 10", "expected string literal"),
            (
                "cancellation = \"now\"",
                "there are: wait-cancellation-completed",
            ),
            ("retry(attempts = 3)", "there are: initial_interval"),
        ] {
            let message = syn::parse_str::<ActivityOptions>(text)
                .map(drop)
                .unwrap_err()
                .to_string();
            assert!(message.contains(reason), "{text}: {message}");
        }
    }

    #[test]
    fn durations_have_a_whole_number_and_a_unit() {
        assert_eq!(parse_duration("250ms"), Some(250));
        assert_eq!(parse_duration("10s"), Some(10_000));
        assert_eq!(parse_duration("2 h"), Some(7_200_000));
        assert_eq!(parse_duration("1d"), Some(86_400_000));
        for wrong in [
            "",
            "10",
            "s",
            "1.5s",
            "-1s",
            "10 sec",
            "99999999999999999999s",
        ] {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
    }
}
