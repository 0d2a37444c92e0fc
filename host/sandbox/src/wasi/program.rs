//! What a program is started with, its random bytes, and its end.

use crate::{
    bindings::wasi::wasi::{
        cli::{environment, exit},
        random::{insecure, insecure_seed, random},
    },
    state::{GuestState, random_room},
    trap::BadCall,
};
use wasmtime::{Error, Result};

impl GuestState {
    fn wasi_bytes(&mut self, len: u64) -> Result<Vec<u8>> {
        let mut bytes = random_room(len)?;
        self.wasi.random_bytes(&mut bytes);
        Ok(bytes)
    }
}

impl random::Host for GuestState {
    fn get_random_bytes(&mut self, len: u64) -> Result<Vec<u8>> {
        self.wasi_bytes(len)
    }

    fn get_random_u64(&mut self) -> Result<u64> {
        Ok(self.wasi.random_u64())
    }
}

impl insecure::Host for GuestState {
    fn get_insecure_random_bytes(&mut self, len: u64) -> Result<Vec<u8>> {
        self.wasi_bytes(len)
    }

    fn get_insecure_random_u64(&mut self) -> Result<u64> {
        Ok(self.wasi.random_u64())
    }
}

impl insecure_seed::Host for GuestState {
    fn insecure_seed(&mut self) -> Result<(u64, u64)> {
        Ok((self.wasi.random_u64(), self.wasi.random_u64()))
    }
}

impl environment::Host for GuestState {
    fn get_environment(&mut self) -> Result<Vec<(String, String)>> {
        Ok(Vec::new())
    }

    fn get_arguments(&mut self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn initial_cwd(&mut self) -> Result<Option<String>> {
        Ok(None)
    }
}

impl exit::Host for GuestState {
    fn exit(&mut self, _: Result<(), ()>) -> Result<()> {
        Err(ended())
    }

    fn exit_with_code(&mut self, _: u8) -> Result<()> {
        Err(ended())
    }
}

fn ended() -> Error {
    let message = "the code has ended its own process; a workflow ends by returning";
    BadCall::new("Exit", message).into()
}
