//! From observation to verdict. Pure functions of what was seen and what was configured.

mod node_health;
mod source;

pub use node_health::node_health;
pub use source::source;

/// "1 connection", "4 connections".
fn connections(n: u32) -> String {
    if n == 1 { "1 connection".to_owned() } else { format!("{n} connections") }
}

#[cfg(test)]
mod tests;
