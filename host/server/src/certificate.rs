//! What a client's certificate says of its holder. TLS has verified it by then: that it comes from
//! one of the authorities, is for clients, and has not expired.

use crate::keys::CertificateName;
use sha2::{Digest as _, Sha256};
use tokio_rustls::rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

/// The object identifier of a common name, 2.5.4.3, as it stands in a certificate.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

/// Tags of DER.
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const IDENTIFIER: u8 = 0x06;
/// Texts of one byte a letter, or UTF-8.
const TEXTS: [u8; 3] = [0x0c, 0x13, 0x16];

/// What a certificate that was shown says.
#[derive(Debug)]
pub(crate) struct Shown {
    subject: Option<String>,
    alternatives: Vec<String>,
    sha256: [u8; 32],
}

impl Shown {
    pub(crate) fn new(certificate: &CertificateDer<'_>) -> Self {
        let read = EndEntityCert::try_from(certificate).ok();
        let alternatives = read.as_ref().map(|read| {
            let names = read.valid_dns_names().chain(read.valid_uri_names());
            names.map(str::to_owned).collect()
        });
        Self {
            subject: read.and_then(|read| common_name(read.subject())),
            alternatives: alternatives.unwrap_or_default(),
            sha256: Sha256::digest(certificate).into(),
        }
    }

    /// Whether it is the certificate that is known so.
    pub(crate) fn is(&self, name: &CertificateName) -> bool {
        match name {
            CertificateName::Subject(name) => self.subject.as_ref() == Some(name),
            CertificateName::Alternative(name) => self.alternatives.contains(name),
            CertificateName::Sha256(digest) => self.sha256 == *digest,
        }
    }

    #[cfg(test)]
    pub(crate) fn named(name: &str) -> Self {
        Self {
            subject: Some(name.into()),
            alternatives: Vec::new(),
            sha256: [0; 32],
        }
    }
}

/// The tag and the contents of the first value, and what follows it.
fn value(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match usize::from(*first) {
        short @ 0..=127 => (short, rest),
        long => {
            let (digits, rest) = rest.split_at_checked(long - 128)?;
            // Lengths of names have two digits at most.
            let length = match digits {
                [one] => usize::from(*one),
                [one, two] => usize::from(*one) << 8 | usize::from(*two),
                _ => return None,
            };
            (length, rest)
        }
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    Some((*tag, contents, rest))
}

/// The common name of a subject, which is a sequence of sets of pairs. With two of them, or one
/// that is no plain text, there is none: it would be doubtful who is meant.
fn common_name(mut subject: &[u8]) -> Option<String> {
    let mut found = None;
    while !subject.is_empty() {
        let (SET, mut set, rest) = value(subject)? else {
            return None;
        };
        subject = rest;
        while !set.is_empty() {
            let (SEQUENCE, pair, rest) = value(set)? else {
                return None;
            };
            set = rest;
            let (IDENTIFIER, identifier, text) = value(pair)? else {
                return None;
            };
            if identifier != COMMON_NAME {
                continue;
            }
            let (tag, text, _) = value(text)?;
            if !TEXTS.contains(&tag) || found.is_some() {
                return None;
            }
            found = Some(String::from_utf8(text.to_vec()).ok()?);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tagged(tag: u8, contents: &[u8]) -> Vec<u8> {
        let length = u8::try_from(contents.len()).unwrap_or_default();
        [&[tag, length], contents].concat()
    }

    fn part(identifier: &[u8], tag: u8, text: &[u8]) -> Vec<u8> {
        let pair = [tagged(IDENTIFIER, identifier), tagged(tag, text)].concat();
        tagged(SET, &tagged(SEQUENCE, &pair))
    }

    #[test]
    fn the_common_name_is_found_among_others() {
        let country = part(&[0x55, 0x04, 0x06], 0x13, b"NL");
        let name = part(COMMON_NAME, 0x0c, "Jürgen".as_bytes());
        let both = [country.clone(), name.clone()].concat();
        assert_eq!(common_name(&both).as_deref(), Some("Jürgen"));
        assert_eq!(common_name(&country), None);
        assert_eq!(common_name(&[name.clone(), name.clone()].concat()), None);
        assert_eq!(common_name(&part(COMMON_NAME, 0x1e, b"\0a")), None);
        for cut in 1..both.len() {
            let _none_or_some = common_name(&both[..cut]);
            assert_eq!(common_name(&both[cut..both.len() - 1]), None);
        }
        let long = [&[SET, 0x84, 1, 2, 3, 4][..], &name].concat();
        assert_eq!(common_name(&long), None);
    }
}
