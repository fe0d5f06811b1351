//! The cluster of network namespaces as a client on its segment meets it: real forwarding, real address
//! translation, real ARP and neighbour discovery.

mod client;
mod faults;
mod matrix;
mod nat;
mod paths;
mod proxies;
mod routes;
