//! Certificates: the server's, and those that clients need.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use sandglass_tests::{Server, temporal};
use std::fs;
use tempfile::TempDir;

#[test]
fn only_clients_with_a_certificate_of_the_authority_are_let_in() {
    let dir = TempDir::new().unwrap();
    let write = |name: &str, text: String| fs::write(dir.path().join(name), text).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    write("ca.pem", params.self_signed(&key).unwrap().pem());
    let issuer = Issuer::from_params(&params, &key);
    for name in ["localhost", "client"] {
        let own = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let signed = params.signed_by(&own, &issuer).unwrap();
        write(&format!("{name}.pem"), signed.pem());
        write(&format!("{name}.key"), own.serialize_pem());
    }
    let config = "store = \"store.db\"\n[tls]\ncertificate = \"localhost.pem\"\n\
                  key = \"localhost.key\"\nclient-authority = \"ca.pem\"\n";
    write("sandglass.toml", config.to_owned());
    let mut server = Server::spawn(dir, "127.0.0.1:0");
    // By the name that the certificate is for.
    server.address = server.address.replace("127.0.0.1", "localhost");
    let place = |name: &str| server.dir.path().join(name).display().to_string();
    let health = |own: &[&str]| {
        let ca = place("ca.pem");
        let known = [
            "operator",
            "cluster",
            "health",
            "--tls",
            "--tls-ca-path",
            &ca,
        ];
        let output = temporal(&server, &[&known, own].concat());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success() && text.contains("SERVING")
    };
    let (certificate, key) = (place("client.pem"), place("client.key"));
    assert!(health(&[
        "--tls-cert-path",
        &certificate,
        "--tls-key-path",
        &key
    ]));
    assert!(!health(&[]), "without a certificate");
    let plain = temporal(&server, &["operator", "cluster", "health"]);
    assert!(!plain.status.success(), "without TLS");
    server.stop();
}
