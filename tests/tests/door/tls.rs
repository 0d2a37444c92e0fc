//! Certificates: the server's, and those of clients, on both ports.

use sandglass_tests::{Server, certified, sandglass, temporal, texts};
use std::{fs, os::unix::fs::PermissionsExt as _, sync::Arc};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    },
};

pub(super) const TLS: &str = "store = \"store.db\"\n[tls]\ncertificate = \"localhost.pem\"\n\
                   key = \"localhost.key\"\nclient-authority = \"ca.pem\"\n";

/// A server with this configuration, asked by the name that its certificate is for.
fn spawn(dir: TempDir, config: &str) -> Server {
    fs::write(dir.path().join("sandglass.toml"), config).unwrap();
    let mut server = Server::spawn(dir, "127.0.0.1:0");
    server.address = server.address.replace("127.0.0.1", "localhost");
    server.http = server.http.replace("127.0.0.1", "localhost");
    server
}

fn place(server: &Server, name: &str) -> String {
    server.dir.path().join(name).display().to_string()
}

#[test]
fn only_clients_with_a_certificate_of_the_authority_are_let_in() {
    let server = spawn(certified(&[("client", "client", "client")]), TLS);
    let place = |name: &str| place(&server, name);
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

/// What somebody may do is what their certificate is known for: the name of its subject, another
/// name, or itself.
#[test]
fn a_certificate_has_the_roles_that_it_is_given() {
    let dir = certified(&[
        ("looks", "looks", "a.example"),
        ("works", "w", "works.example"),
        ("deploys", "looks-not", "c.example"),
        ("nobody", "nobody", "d.example"),
    ]);
    let pem = fs::read(dir.path().join("deploys.pem")).unwrap();
    let digest = digest(&CertificateDer::from_pem_slice(&pem).unwrap());
    let known = |name: &str, is: &str, role: &str| {
        format!("[[client-certificate]]\nname = \"{name}\"\n{is}\nrole = \"{role}\"\n")
    };
    let config = [
        TLS,
        &known("one", "subject = \"looks\"", "read"),
        &known("two", "alternative-name = \"works.example\"", "write"),
        &known("three", &format!("sha256 = \"{digest}\""), "admin"),
        // A key beside them goes before the certificate.
        "[[api-key]]\nname = \"key\"\nkey-file = \"key\"\nrole = \"admin\"\n",
    ];
    fs::write(dir.path().join("key"), "the-key").unwrap();
    fs::set_permissions(dir.path().join("key"), fs::Permissions::from_mode(0o600)).unwrap();
    let server = spawn(dir, &config.concat());
    let none = "0".repeat(64);
    let look = ["workflow", "count"];
    let change = ["workflow", "start", "--type", "t", "-w", "w"];
    let deploy = ["component", "remove", &none];
    let tried = |name: &str, key: &[&str], command: &[&str]| {
        let place = |file: String| place(&server, &file);
        let output = sandglass()
            .args(command)
            .args(["--address", &server.address])
            .args(["--tls-ca-path", &place("ca.pem".into())])
            .args(["--tls-cert-path", &place(format!("{name}.pem"))])
            .args(["--tls-key-path", &place(format!("{name}.key"))])
            .args(key)
            .output()
            .unwrap();
        let (text, errors) = texts(&output);
        text + &errors
    };
    let (looked, changed, deployed) = ("0\n", "no component serves", "is not in the store");
    let needs = |role: &str| format!("needs the role {role}; the certificate");
    for (name, own, expected) in [
        ("looks", &look[..], looked),
        ("looks", &change, &needs("write")),
        ("works", &change, changed),
        ("works", &deploy, &needs("admin")),
        ("deploys", &deploy, deployed),
        (
            "nobody",
            &look,
            "no role is given to the client's certificate",
        ),
    ] {
        let found = tried(name, &[], own);
        assert!(found.contains(expected), "{name}, {own:?}: {found}");
    }
    let found = tried("nobody", &["--api-key", "the-key"], &deploy);
    assert!(found.contains(deployed), "{found}");
    let found = tried("deploys", &["--api-key", "wrong"], &look);
    assert!(found.contains("the API key is not known"), "{found}");
    server.stop();
}

/// What the command line is told of TLS decides whom it believes, and what it says itself.
#[test]
fn the_command_line_believes_whom_it_is_told_to() {
    let dir = certified(&[("client", "client", "client")]);
    let config = "store = \"store.db\"\n[tls]\ncertificate = \"localhost.pem\"\n\
                  key = \"localhost.key\"\n";
    let server = spawn(dir, config);
    let by_name = server.address.clone();
    let by_number = by_name.replace("localhost", "127.0.0.1");
    let place = |name: &str| place(&server, name);
    let (ca, own) = (place("ca.pem"), place("client.pem"));
    let (other, missing) = (place("client.key"), place("missing.pem"));
    let tried = |address: &str, options: &[&str]| {
        let output = sandglass()
            .args(["workflow", "count", "--address", address])
            .args(options)
            .output()
            .unwrap();
        let (text, errors) = texts(&output);
        (output.status.code().unwrap(), text + &errors)
    };
    let (allowed, refused, wrong) = (0, 6, 2);
    for (address, options, expected) in [
        (&by_name, &["--tls-ca-path", &*ca][..], allowed),
        // The certificate is for the name.
        (&by_number, &["--tls-ca-path", &ca], refused),
        (
            &by_number,
            &["--tls-ca-path", &ca, "--tls-server-name", "localhost"],
            allowed,
        ),
        (
            &by_name,
            &["--tls-ca-path", &ca, "--tls-server-name", "other"],
            refused,
        ),
        // No authority that this machine knows has signed it.
        (&by_name, &["--tls"], refused),
        (&by_name, &["--tls-ca-path", &own], refused),
        (&by_number, &["--tls-disable-host-verification"], allowed),
        (&by_name, &["--tls=false"], refused),
        (&by_name, &["--tls=false", "--tls-ca-path", &ca], refused),
        (&by_name, &[], refused),
        (&by_name, &["--tls-ca-path", &missing], wrong),
        (&by_name, &["--tls-cert-path", &own], wrong),
        (
            &by_name,
            &["--tls-cert-path", &other, "--tls-key-path", &own],
            wrong,
        ),
    ] {
        let (code, said) = tried(address, options);
        assert_eq!(code, expected, "{address} {options:?}: {said}");
    }
    server.stop();
}

/// In hexadecimal digits with colons, as `openssl x509 -fingerprint` has it.
fn digest(bytes: &[u8]) -> String {
    let digest = ring_digest(bytes);
    let digits = digest.iter().map(|byte| format!("{byte:02X}"));
    digits.collect::<Vec<_>>().join(":")
}

fn ring_digest(bytes: &[u8]) -> Vec<u8> {
    let suite = ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
    let hash = suite.tls13().unwrap().common.hash_provider.hash(bytes);
    hash.as_ref().to_vec()
}

/// Sends a request over TLS with this certificate, if one is given.
async fn https(server: &Server, own: Option<&str>, path: &str) -> Option<String> {
    let read = |name: &str| fs::read(place(server, name)).unwrap();
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(&read("ca.pem")).unwrap())
        .unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match own {
        None => builder.with_no_client_auth(),
        Some(name) => {
            let certificate = CertificateDer::from_pem_slice(&read(&format!("{name}.pem")));
            let key = PrivateKeyDer::from_pem_slice(&read(&format!("{name}.key")));
            let chain = vec![certificate.unwrap().into_owned()];
            builder
                .with_client_auth_cert(chain, key.unwrap().clone_key())
                .unwrap()
        }
    };
    let stream = TcpStream::connect(&server.http).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect(name, stream).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.ok()?;
    Some(text).filter(|text| !text.is_empty())
}

#[tokio::test]
async fn the_port_for_http_has_the_same_tls() {
    let dir = certified(&[("looks", "looks", "a.example"), ("other", "x", "b.example")]);
    let one = "[[client-certificate]]\nname = \"one\"\nsubject = \"looks\"\nrole = \"read\"\n";
    let server = spawn(dir, &format!("{TLS}{one}"));
    let runs = "/api/v1/namespaces/default/workflows";
    let status = |text: Option<String>| text.map(|text| text[9..12].to_owned());
    let answered = |code: &str| Some(code.to_owned());
    assert_eq!(
        status(https(&server, Some("looks"), runs).await),
        answered("200")
    );
    assert_eq!(
        status(https(&server, Some("other"), runs).await),
        answered("401")
    );
    assert_eq!(
        status(https(&server, Some("other"), "/readyz").await),
        answered("200")
    );
    assert_eq!(status(https(&server, None, "/healthz").await), None);
    let mut plain = TcpStream::connect(&server.http).await.unwrap();
    plain
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut text = Vec::new();
    let _broken = plain.read_to_end(&mut text).await;
    assert!(!text.starts_with(b"HTTP"), "{text:?}");
    server.end().await;
}
