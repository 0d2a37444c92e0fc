//! Temporal's SDKs at servers that ask who comes: by API key over TLS, and by the certificate that a
//! client shows. Whoever may is served, calls and workers; the others are told what is wrong.

use crate::expected;
use sandglass_tests::{Server, certified, script_with, with_scenarios};
use std::{fs, os::unix::fs::PermissionsExt as _};
use tempfile::TempDir;

/// What a script must have printed: a file beside it, for each way to say who one is.
fn compare(script: &str, by: &str, dir: TempDir, config: &str) {
    let tls = "[tls]\ncertificate = \"localhost.pem\"\nkey = \"localhost.key\"\n";
    let served = with_scenarios(&["scenarios"], &dir);
    let server = Server::configured(dir, "127.0.0.1:0", &[tls, config, &served].concat());
    // Its certificate is for the name.
    let address = server.address.replace("127.0.0.1", "localhost");
    let folder = server.dir.path().display().to_string();
    let found = script_with(script, &[&address, &folder, by]);
    server.stop();
    let (name, _) = script.rsplit_once('.').unwrap();
    assert_eq!(found, expected(&format!("{name}-{by}.txt")));
}

fn by_key(script: &str) {
    let dir = certified(&[]);
    let keys = [("works", "write"), ("looks", "read")].map(|(name, role)| {
        let file = dir.path().join(format!("{name}-key"));
        fs::write(&file, format!("key-that-{name}")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let head = format!("[[api-key]]\nname = \"{name}\"\nkey-file = \"{name}-key\"\n");
        format!("{head}role = \"{role}\"\n")
    });
    compare(script, "key", dir, &keys.concat());
}

fn by_certificate(script: &str) {
    let dir = certified(&[
        ("works", "works", "works.example"),
        ("looks", "looks", "looks.example"),
        ("nobody", "nobody", "nobody.example"),
    ]);
    // As good as the others, but for who signed it.
    let strangers = certified(&[("stranger", "works", "works.example")]);
    for file in ["stranger.pem", "stranger.key"] {
        fs::copy(strangers.path().join(file), dir.path().join(file)).unwrap();
    }
    let known = [("works", "write"), ("looks", "read")].map(|(name, role)| {
        let head = format!("[[client-certificate]]\nname = \"{name}\"\nsubject = \"{name}\"\n");
        format!("{head}role = \"{role}\"\n")
    });
    let config = format!("client-authority = \"ca.pem\"\n{}", known.concat());
    compare(script, "certificate", dir, &config);
}

#[test]
fn pythons_sdk_comes_with_an_api_key_over_tls() {
    by_key("secure.py");
}

#[test]
fn pythons_sdk_comes_with_a_certificate() {
    by_certificate("secure.py");
}

#[test]
fn typescripts_sdk_comes_with_an_api_key_over_tls() {
    by_key("js/secure.js");
}

#[test]
fn typescripts_sdk_comes_with_a_certificate() {
    by_certificate("js/secure.js");
}
