//! TLS of the listener.

use std::{io, sync::Arc};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        server::WebPkiClientVerifier,
    },
    server::TlsStream,
};

/// A certificate, its key, and whose certificates clients need, each in PEM.
#[derive(Clone)]
pub struct TlsSettings {
    /// The server's certificate, then those that lead to its root.
    pub certificates: Vec<u8>,
    /// Its private key.
    pub key: Vec<u8>,
    /// Certificates of the authorities that clients' certificates must come from. With these nobody
    /// is let in who shows none.
    pub client_authorities: Option<Vec<u8>>,
}

/// Settings that make no sense.
#[derive(Debug, thiserror::Error)]
#[error("TLS: {0}")]
pub struct BadTls(String);

/// TLS as it is set up.
pub(crate) struct Tls(TlsAcceptor);

impl Tls {
    /// # Errors
    /// Says which of the settings is wrong; never what is in a key.
    pub(crate) fn new(settings: &TlsSettings) -> Result<Self, BadTls> {
        let bad = |what: &str, error: &dyn std::fmt::Display| BadTls(format!("{what}: {error}"));
        let all = |what: &'static str, pem: &[u8]| {
            let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
            match found {
                Ok(found) if found.is_empty() => Err(BadTls(format!("{what}: there is none"))),
                Ok(found) => Ok(found),
                Err(error) => Err(bad(what, &error)),
            }
        };
        let certificates = all("the certificate", &settings.certificates)?;
        let key = PrivateKeyDer::from_pem_slice(&settings.key);
        // What is wrong with a key is not told by its own text.
        let key = key.map_err(|_| BadTls("the key: it is no private key in PEM".into()))?;
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| bad("the protocol", &error))?;
        let builder = match &settings.client_authorities {
            None => builder.with_no_client_auth(),
            Some(pem) => {
                let mut roots = RootCertStore::empty();
                for root in all("the clients' authority", pem)? {
                    let added = roots.add(root);
                    added.map_err(|error| bad("the clients' authority", &error))?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                let verifier = verifier.map_err(|error| bad("the clients' authority", &error))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder
            .with_single_cert(certificates, key)
            .map_err(|error| bad("the certificate and its key", &error))?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// Agrees on TLS with a client.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.0.accept(stream).await
    }
}
