//! WASI 0.2 for attempts: only what was granted. No environment, no arguments, no input.

use super::{
    Access, Grants,
    context::{AttemptData, AttemptLog},
    grants::GrantedHosts,
    output::LineStream,
};
use crate::{Level, trap::BadCall};
use std::{net::SocketAddr, pin::Pin, sync::Arc};
use wasmtime::{
    Error, Result,
    component::{HasData, Linker, Resource},
};
use wasmtime_wasi::{
    FsPerms, WasiCtx, WasiCtxBuilder,
    p2::{
        self, DynPollable, Network, SocketError,
        bindings::sockets::{
            ip_name_lookup::{self, Host, HostResolveAddressStream, ResolveAddressStream},
            network::{self, ErrorCode, IpAddress},
        },
    },
    sockets::{SocketAddrUse, WasiSocketsCtxView, WasiSocketsView},
};

/// Makes WASI available, with name lookup limited to granted names.
pub(super) fn add_to_linker(linker: &mut Linker<AttemptData>) -> Result<()> {
    p2::add_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    ip_name_lookup::add_to_linker::<_, Lookup>(linker, |data| {
        let hosts = Arc::clone(&data.hosts);
        LookupView {
            hosts,
            sockets: data.sockets(),
        }
    })?;
    linker.allow_shadowing(false);
    Ok(())
}

/// What one attempt may use.
///
/// # Errors
/// A granted directory is not there any more.
pub(super) fn context(
    grants: &Grants,
    hosts: &Arc<GrantedHosts>,
    log: &Arc<AttemptLog>,
) -> Result<WasiCtx> {
    let mut wasi = WasiCtxBuilder::new();
    wasi.stdout(LineStream::new(Level::Info, "stdout", Arc::clone(log)));
    wasi.stderr(LineStream::new(Level::Warn, "stderr", Arc::clone(log)));
    for (path, name, access) in &grants.directories {
        let permissions = match access {
            Access::ReadOnly => FsPerms::ReadOnly,
            Access::ReadWrite => FsPerms::ReadWrite,
        };
        wasi.preopened_dir(path, name, permissions)
            .map_err(|error| {
                let message = format!("granted directory {}: {error:#}", path.display());
                BadCall::new("GrantedDirectory", message)
            })?;
    }
    wasi.allow_udp(false);
    wasi.allow_tcp(!hosts.is_empty());
    wasi.allow_ip_name_lookup(!hosts.is_empty());
    let hosts = Arc::clone(hosts);
    wasi.socket_addr_check(move |address, purpose| check(Arc::clone(&hosts), address, purpose));
    Ok(wasi.build())
}

fn check(
    hosts: Arc<GrantedHosts>,
    address: SocketAddr,
    purpose: SocketAddrUse,
) -> Pin<Box<dyn Future<Output = bool> + Send + Sync>> {
    match purpose {
        // Connecting binds to any free port first.
        SocketAddrUse::TcpBind => {
            let any = address.ip().is_unspecified() && address.port() == 0;
            Box::pin(async move { any })
        }
        SocketAddrUse::TcpConnect => Box::pin(async move {
            let allowed = tokio::task::spawn_blocking(move || hosts.allows(address));
            allowed.await.unwrap_or(false)
        }),
        _ => Box::pin(async { false }),
    }
}

/// Marks the view below for the linker.
struct Lookup;

impl HasData for Lookup {
    type Data<'a> = LookupView<'a>;
}

/// WASI's name lookup behind a check of the name.
struct LookupView<'a> {
    hosts: Arc<GrantedHosts>,
    sockets: WasiSocketsCtxView<'a>,
}

// The lookup functions fail with this interface's error code.
impl network::Host for LookupView<'_> {
    fn convert_error_code(&mut self, error: SocketError) -> Result<ErrorCode> {
        network::Host::convert_error_code(&mut self.sockets, error)
    }

    fn network_error_code(&mut self, error: Resource<Error>) -> Result<Option<ErrorCode>> {
        network::Host::network_error_code(&mut self.sockets, error)
    }
}

impl network::HostNetwork for LookupView<'_> {
    fn drop(&mut self, network: Resource<Network>) -> Result<()> {
        network::HostNetwork::drop(&mut self.sockets, network)
    }
}

impl Host for LookupView<'_> {
    fn resolve_addresses(
        &mut self,
        network: Resource<Network>,
        name: String,
    ) -> Result<Resource<ResolveAddressStream>, SocketError> {
        if !self.hosts.names(&name) {
            return Err(ErrorCode::AccessDenied.into());
        }
        self.sockets.resolve_addresses(network, name)
    }
}

impl HostResolveAddressStream for LookupView<'_> {
    fn resolve_next_address(
        &mut self,
        stream: Resource<ResolveAddressStream>,
    ) -> Result<Option<IpAddress>, SocketError> {
        self.sockets.resolve_next_address(stream)
    }

    fn subscribe(
        &mut self,
        stream: Resource<ResolveAddressStream>,
    ) -> Result<Resource<DynPollable>> {
        HostResolveAddressStream::subscribe(&mut self.sockets, stream)
    }

    fn drop(&mut self, stream: Resource<ResolveAddressStream>) -> Result<()> {
        HostResolveAddressStream::drop(&mut self.sockets, stream)
    }
}
