//! A bare address, `address:port`, or `address port`: what nginx answers with `return 200 $remote_addr`
//! (or `"$realip_remote_addr $realip_remote_port"`), and agnhost netexec at `/clientip`.

use super::{
    content::Content,
    endpoint::{endpoint, ip, port},
};
use crate::flow::SourceReport;

pub(super) fn fits(content: &Content<'_>) -> bool {
    read(content).is_ok()
}

pub(super) fn read(content: &Content<'_>) -> Result<SourceReport, &'static str> {
    let wrong = "it is neither an address nor address:port";
    let text = content.text().ok_or(wrong)?;
    let spaced = || {
        let (address, digits) = text.split_once(' ')?;
        Some((ip(address)?, Some(port(digits)?)))
    };
    let (address, port) = endpoint(text).or_else(spaced).ok_or(wrong)?;
    Ok(SourceReport::of(address, port))
}
