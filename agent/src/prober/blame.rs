//! From the operating system's errors to kinds of failure.
//!
//! Some errors name this host as the culprit at once (no sockets left, a local firewall, no source
//! address). Others (no route, no host) may come from here or from a router on the way; `route` finds
//! out which.

use std::io;

use rustix::io::Errno;
use tokio_rustls::rustls;
use vipwatch_model::flow::{Failure, FailureKind};

/// What an I/O error on a connection means.
pub(super) fn failure(error: &io::Error) -> Failure {
    if let Some(error) = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>()) {
        return Failure::new(FailureKind::Tls, error.to_string());
    }
    let Some(errno) = error.raw_os_error().map(Errno::from_raw_os_error) else {
        return Failure::new(by_kind(error.kind()), error.to_string());
    };
    let kind = match errno {
        Errno::CONNREFUSED => FailureKind::Refused,
        Errno::CONNRESET | Errno::PIPE | Errno::CONNABORTED => FailureKind::Reset,
        Errno::TIMEDOUT => FailureKind::Timeout,
        Errno::HOSTUNREACH | Errno::NETUNREACH | Errno::HOSTDOWN => FailureKind::Unreachable,
        Errno::NETDOWN
        | Errno::ADDRNOTAVAIL
        | Errno::PERM
        | Errno::ACCESS
        | Errno::INVAL
        | Errno::AFNOSUPPORT => FailureKind::Vantage,
        Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM => FailureKind::Agent,
        _ => FailureKind::Protocol,
    };
    Failure::new(kind, words(errno))
}

fn by_kind(kind: io::ErrorKind) -> FailureKind {
    match kind {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => FailureKind::Reset,
        io::ErrorKind::TimedOut => FailureKind::Timeout,
        _ => FailureKind::Protocol,
    }
}

fn words(errno: Errno) -> String {
    match errno {
        Errno::PERM | Errno::ACCESS => "a firewall rule on this host refuses the connection".to_owned(),
        Errno::ADDRNOTAVAIL => "this host has no free source address and port for the target".to_owned(),
        Errno::MFILE => "the agent has no file descriptors left (raise LimitNOFILE)".to_owned(),
        Errno::NETDOWN => "the network of this host is down".to_owned(),
        _ => io::Error::from(errno).to_string(),
    }
}
