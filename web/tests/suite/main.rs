//! The server over real sockets: what is served, what may be changed by whom, and what is shed.

mod client;
mod limits;
mod openapi;
mod operator;
mod routes;
mod sample;
mod stream;
