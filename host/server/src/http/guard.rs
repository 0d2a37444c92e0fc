//! Who may speak to this port at all.
//!
//! A browser reaches a port of its own machine for every page that it shows. A page must not be
//! able to drive the server: it is refused by the `Origin` and `Sec-Fetch-Site` that browsers send
//! with what pages do, and, where somebody lets a name of theirs point to this machine, by the
//! `Host` that the page was loaded from.

use crate::http::{Address, answer::Refusal};
use hyper::{HeaderMap, StatusCode, Uri, header};
use std::net::IpAddr;
use tonic::Status;

/// The name in `HOST:PORT`, without brackets.
fn name(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    authority
        .rsplit_once(':')
        .map_or(authority, |(name, _)| name)
}

fn is_this_machine(authority: &str) -> bool {
    let name = name(authority);
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Refuses what a page of somebody else's has sent.
pub(crate) fn check(headers: &HeaderMap, uri: &Uri, address: Address) -> Result<(), Refusal> {
    let forbidden = |reason: &str| {
        let status = Status::permission_denied(reason);
        Err(Refusal::new(StatusCode::FORBIDDEN, status))
    };
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = match (hosts.next().map(|host| host.to_str()), hosts.next()) {
        (Some(Ok(host)), None) => host,
        _ => return Err(Refusal::invalid("one Host header is needed")),
    };
    let asked = uri.authority().map_or(host, |authority| authority.as_str());
    if address.is_local && !(is_this_machine(host) && is_this_machine(asked)) {
        return forbidden(
            "this server is for its own machine: ask for it as localhost or by a loopback address",
        );
    }
    let scheme = if address.has_tls { "https" } else { "http" };
    let own = format!("{scheme}://{host}");
    let mut origins = headers.get_all(header::ORIGIN).iter();
    if origins.any(|origin| !origin.as_bytes().eq_ignore_ascii_case(own.as_bytes())) {
        return forbidden("pages of other origins may not speak to this server");
    }
    let mut sites = headers.get_all("sec-fetch-site").iter();
    if sites.any(|site| !matches!(site.as_bytes(), b"same-origin" | b"none")) {
        return forbidden("pages of other sites may not speak to this server");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(headers: &[(&'static str, &str)], is_local: bool) -> u16 {
        let pairs = headers.iter().map(|(name, value)| {
            let value = value.parse().expect("a header's value");
            (header::HeaderName::from_static(name), value)
        });
        let address = Address {
            is_local,
            has_tls: false,
        };
        let checked = check(&pairs.collect(), &Uri::from_static("/x"), address);
        checked.map_or_else(|refusal| refusal.http.as_u16(), |()| 200)
    }

    #[test]
    fn a_local_server_is_asked_under_a_name_of_its_machine() {
        for host in ["localhost", "LocalHost:8233", "127.0.0.1:1", "[::1]:8233"] {
            assert_eq!(tried(&[("host", host)], true), 200, "{host}");
        }
        for host in ["evil.example", "localhost.evil.example:80", "10.0.0.1", ""] {
            assert_eq!(tried(&[("host", host)], true), 403, "{host}");
            assert_eq!(tried(&[("host", host)], false), 200, "{host}");
        }
        assert_eq!(tried(&[], true), 400);
    }

    #[test]
    fn with_tls_the_own_origin_has_it_too() {
        for (origin, is_allowed) in [("https://localhost:1", true), ("http://localhost:1", false)] {
            let headers = [("host", "localhost:1"), ("origin", origin)];
            let pairs = headers.map(|(name, value)| {
                let name = header::HeaderName::from_static(name);
                (name, value.parse().expect("a header's value"))
            });
            let address = Address {
                is_local: true,
                has_tls: true,
            };
            let headers = pairs.into_iter().collect();
            let checked = check(&headers, &Uri::from_static("/x"), address);
            assert_eq!(checked.is_ok(), is_allowed, "{origin}");
        }
    }

    #[test]
    fn a_page_of_another_origin_is_refused() {
        let host = ("host", "localhost:8233");
        for (header, value, answer) in [
            ("origin", "http://localhost:8233", 200),
            ("origin", "http://localhost:3000", 403),
            ("origin", "https://localhost:8233", 403),
            ("origin", "https://evil.example", 403),
            ("origin", "null", 403),
            ("sec-fetch-site", "none", 200),
            ("sec-fetch-site", "same-origin", 200),
            ("sec-fetch-site", "same-site", 403),
            ("sec-fetch-site", "cross-site", 403),
        ] {
            for is_local in [true, false] {
                let found = tried(&[host, (header, value)], is_local);
                assert_eq!(found, answer, "{header}: {value}");
            }
        }
    }
}
