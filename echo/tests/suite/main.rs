//! The echo server on real sockets.

mod dns;
mod limits;
mod proxy_protocol;
mod running;
mod server;
mod stats;
mod tcp;
mod tls;
mod udp;
