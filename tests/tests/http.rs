//! The HTTP API of `sandglass server`, and the commands that use it, through real sockets.

#![expect(clippy::unwrap_used, reason = "tests")]

mod http {
    mod command;
    mod components;
    mod fuzz;
    mod openapi;
    mod options;
    mod runs;
    mod strangers;
    mod wire;
}
