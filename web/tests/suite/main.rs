//! The server over real sockets: what is served, and what is shed.

mod client;
mod limits;
mod openapi;
mod routes;
mod sample;
mod stream;
