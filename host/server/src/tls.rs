//! TLS: of the listeners, and of the client of the command line.

use std::{io, sync::Arc};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsAcceptor, TlsConnector, client,
    rustls::{
        ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig, SignatureScheme,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        crypto::{self, CryptoProvider, ring},
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
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

fn bad(what: &str, error: &dyn std::fmt::Display) -> BadTls {
    BadTls(format!("{what}: {error}"))
}

fn certificates(what: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, BadTls> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if found.is_empty() => Err(BadTls(format!("{what}: there is none"))),
        Ok(found) => Ok(found),
        Err(error) => Err(bad(what, &error)),
    }
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, BadTls> {
    // What is wrong with a key is not told by its own text.
    PrivateKeyDer::from_pem_slice(pem)
        .map_err(|_| BadTls("the key: it is no private key in PEM".into()))
}

fn roots(what: &str, pem: &[u8]) -> Result<RootCertStore, BadTls> {
    let mut roots = RootCertStore::empty();
    for root in certificates(what, pem)? {
        roots.add(root).map_err(|error| bad(what, &error))?;
    }
    Ok(roots)
}

/// TLS as it is set up.
pub(crate) struct Tls(TlsAcceptor);

impl Tls {
    /// For this protocol, by the name that clients of TLS give it.
    ///
    /// # Errors
    /// Says which of the settings is wrong; never what is in a key.
    pub(crate) fn new(settings: &TlsSettings, protocol: &[u8]) -> Result<Self, BadTls> {
        let certificates = certificates("the certificate", &settings.certificates)?;
        let key = private_key(&settings.key)?;
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| bad("the protocol", &error))?;
        let builder = match &settings.client_authorities {
            None => builder.with_no_client_auth(),
            Some(pem) => {
                let roots = roots("the clients' authority", pem)?;
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                let verifier = verifier.map_err(|error| bad("the clients' authority", &error))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder
            .with_single_cert(certificates, key)
            .map_err(|error| bad("the certificate and its key", &error))?;
        config.alpn_protocols = vec![protocol.to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// Agrees on TLS with a client.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.0.accept(stream).await
    }
}

/// How a client trusts a server, and what it shows itself, each in PEM.
#[derive(Clone, Default)]
pub struct ClientTls {
    /// The authorities that the server's certificate may come from; else those that this machine
    /// trusts.
    pub authorities: Option<Vec<u8>>,
    /// A certificate, and its private key.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
    /// The name that the server's certificate is for, if it is not that of the address.
    pub server_name: Option<String>,
    /// Whether any certificate is taken for the server's: then anybody may be it.
    pub trusts_anybody: bool,
}

/// TLS of a client as it is set up.
#[derive(Clone)]
pub(crate) struct Connector {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Connector {
    /// # Errors
    /// Says which of the settings is wrong; never what is in a key.
    pub(crate) fn new(settings: &ClientTls, address: &str) -> Result<Self, BadTls> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| bad("the protocol", &error))?;
        let builder = match &settings.authorities {
            _ if settings.trusts_anybody => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anybody(provider))),
            Some(pem) => builder.with_root_certificates(roots("the authority", pem)?),
            None => {
                let mut roots = RootCertStore::empty();
                // Those that cannot be read vouch for nobody.
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                builder.with_root_certificates(roots)
            }
        };
        let mut config = match &settings.identity {
            None => builder.with_no_client_auth(),
            Some((own, key)) => {
                let own = certificates("the client's certificate", own)?;
                let config = builder.with_client_auth_cert(own, private_key(key)?);
                config.map_err(|error| bad("the client's certificate and its key", &error))?
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = settings.server_name.as_deref().unwrap_or(host).to_owned();
        let name = ServerName::try_from(name).map_err(|error| bad("the server's name", &error))?;
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
            name,
        })
    }

    /// Agrees on TLS with a server.
    pub(crate) async fn connect(
        &self,
        stream: TcpStream,
    ) -> io::Result<client::TlsStream<TcpStream>> {
        self.connector.connect(self.name.clone(), stream).await
    }
}

/// Takes everybody for the server, if only they have the key of what they show.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _shown: &CertificateDer<'_>,
        _between: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        crypto::verify_tls12_signature(message, shown, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        crypto::verify_tls13_signature(message, shown, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
