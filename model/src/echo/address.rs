//! A bare address, `address:port`, or `address port`: what nginx answers with `return 200 $remote_addr`
//! (or `"$realip_remote_addr $realip_remote_port"`), and agnhost netexec at `/clientip`.

use std::net::SocketAddr;

use super::{EchoError, EchoFormat, ip, unmapped};
use crate::flow::SourceReport;

/// The longest an address with a port can be, with room for a zone: anything longer is not looked at.
const LONGEST: usize = 64;

pub(super) fn read(text: &[u8]) -> Result<SourceReport, EchoError> {
    let wrong = || EchoFormat::Address.shape("it is neither an address nor address:port");
    let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= LONGEST).ok_or_else(wrong)?;
    if let Some(address) = ip(text) {
        return Ok(SourceReport::of(address, None));
    }
    if let Ok(socket) = text.parse::<SocketAddr>() {
        return Ok(SourceReport::of(unmapped(socket.ip()), Some(socket.port())));
    }
    let (address, port) = text.split_once(' ').ok_or_else(wrong)?;
    let address = ip(address).ok_or_else(wrong)?;
    let port = port.trim().parse().map_err(|_| wrong())?;
    Ok(SourceReport::of(address, Some(port)))
}
