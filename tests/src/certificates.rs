//! Certificates for servers and their clients, as files.

#![expect(clippy::unwrap_used, reason = "tests")]

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::{fs, os::unix::fs::PermissionsExt as _};
use tempfile::TempDir;

/// An authority and certificates of it, as files: the server's, and for each client one that has
/// this common name and this alternative name.
pub fn certified(clients: &[(&str, &str, &str)]) -> TempDir {
    let dir = TempDir::new().unwrap();
    let write = |name: &str, text: String| fs::write(dir.path().join(name), text).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    write("ca.pem", params.self_signed(&key).unwrap().pem());
    let issuer = Issuer::from_params(&params, &key);
    let server = ("localhost", "the server", "localhost");
    for (name, subject, alternative) in [&[server], clients].concat() {
        let own = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![alternative.to_owned()]).unwrap();
        params
            .distinguished_name
            .push(DnType::OrganizationName, "an organization");
        params.distinguished_name.push(DnType::CommonName, subject);
        let signed = params.signed_by(&own, &issuer).unwrap();
        write(&format!("{name}.pem"), signed.pem());
        write(&format!("{name}.key"), own.serialize_pem());
        let private = fs::Permissions::from_mode(0o600);
        fs::set_permissions(dir.path().join(format!("{name}.key")), private).unwrap();
    }
    dir
}
