//! Gives up root's rights for good, for servers that need them only to bind their sockets.

use std::str::FromStr;

use nix::{
    errno::Errno,
    sys::prctl,
    unistd::{self, Gid, Uid},
};
use thiserror::Error;

/// Who owns nothing, on every Linux.
const NOBODY: User = User { uid: Uid::from_raw(65534), gid: Gid::from_raw(65534) };

/// Whom to run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    uid: Uid,
    gid: Gid,
}

/// Why there is no such user.
#[derive(Debug, Error)]
pub enum UnknownUser {
    /// The system has none of this name.
    #[error("the system has no such user; a number will do as well")]
    Name,
    /// The group is no number.
    #[error("a group is given as a number, such as 1000:1000")]
    Group,
    /// The system's list of users cannot be read.
    #[error("failed to look up the user: {0}")]
    Lookup(#[from] Errno),
}

/// Why rights were not given up.
#[derive(Debug, Error)]
pub enum PrivilegesError {
    /// Without root's rights there is no becoming somebody else.
    #[error("only root can become another user; start as root, or leave --user out")]
    NotRoot,
    /// The system refuses.
    #[error("{step}: {errno}; name another user, or keep root's rights with --user root")]
    Refused {
        /// What was tried.
        step: &'static str,
        /// What the system says.
        errno: Errno,
    },
}

impl FromStr for User {
    type Err = UnknownUser;

    /// Reads `NAME`, `UID` or `UID:GID`. A number need not be known to the system, as in an image without
    /// /etc/passwd; its group then has the same number.
    fn from_str(text: &str) -> Result<Self, UnknownUser> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group.parse().map_err(|_| UnknownUser::Group)?)),
            None => (text, None),
        };
        let known = match user.parse() {
            Ok(number) => {
                let uid = Uid::from_raw(number);
                let group = unistd::User::from_uid(uid)?.map_or(Gid::from_raw(number), |user| user.gid);
                Self { uid, gid: group }
            }
            Err(_) => {
                let user = unistd::User::from_name(user)?.ok_or(UnknownUser::Name)?;
                Self { uid: user.uid, gid: user.gid }
            }
        };
        Ok(Self { gid: group.map_or(known.gid, Gid::from_raw), ..known })
    }
}

/// Becomes `wanted`, or, started as root and not told otherwise, nobody; and makes sure that no program it
/// might start has more rights than it.
///
/// To be called before there is a second thread: Linux keeps the latter for each thread, and hands it on to
/// those that start later.
///
/// # Errors
/// When the system refuses. Nothing may be served then: the rights may still be there.
pub fn give_up(wanted: Option<User>) -> Result<(), PrivilegesError> {
    attempt("no_new_privs", prctl::set_no_new_privs())?;
    let current = User { uid: Uid::effective(), gid: Gid::effective() };
    let Some(user) = successor(current, wanted)? else { return Ok(()) };
    attempt("setgroups", unistd::setgroups(&[]))?;
    attempt("setresgid", unistd::setresgid(user.gid, user.gid, user.gid))?;
    attempt("setresuid", unistd::setresuid(user.uid, user.uid, user.uid))?;
    // The number -1 stands for "as it is": the calls above succeed, and change nothing.
    if Uid::effective() != user.uid || Gid::effective() != user.gid {
        return Err(PrivilegesError::Refused { step: "change of user", errno: Errno::EINVAL });
    }
    Ok(())
}

/// Whom to become, if anybody else.
fn successor(current: User, wanted: Option<User>) -> Result<Option<User>, PrivilegesError> {
    match wanted {
        Some(user) if user == current => Ok(None),
        Some(_) if !current.uid.is_root() => Err(PrivilegesError::NotRoot),
        Some(user) => Ok(Some(user)),
        None => Ok(current.uid.is_root().then_some(NOBODY)),
    }
}

fn attempt(step: &'static str, outcome: nix::Result<()>) -> Result<(), PrivilegesError> {
    outcome.map_err(|errno| PrivilegesError::Refused { step, errno })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: u32) -> User {
        User { uid: Uid::from_raw(id), gid: Gid::from_raw(id) }
    }

    #[test]
    fn only_root_becomes_somebody_else_and_always_does_unless_told_to_stay() {
        let root = user(0);
        assert_eq!(successor(root, None).unwrap(), Some(NOBODY));
        assert_eq!(successor(root, Some(user(7))).unwrap(), Some(user(7)));
        assert_eq!(successor(root, Some(root)).unwrap(), None);
        assert_eq!(successor(user(7), None).unwrap(), None);
        assert_eq!(successor(user(7), Some(user(7))).unwrap(), None);
        for other in [root, user(8), User { gid: Gid::from_raw(8), ..user(7) }] {
            assert!(matches!(successor(user(7), Some(other)), Err(PrivilegesError::NotRoot)));
        }
    }

    fn read(text: &str) -> Result<(u32, u32), String> {
        let user: User = text.parse().map_err(|error: UnknownUser| error.to_string())?;
        Ok((user.uid.as_raw(), user.gid.as_raw()))
    }

    #[test]
    fn users_are_named_or_numbered() {
        assert_eq!(read("root"), Ok((0, 0)));
        assert_eq!(read("0"), Ok((0, 0)));
        assert_eq!(read("4000001"), Ok((4_000_001, 4_000_001)));
        assert_eq!(read("4000001:7"), Ok((4_000_001, 7)));
        assert_eq!(read("root:7"), Ok((0, 7)));
        assert!(read("no such user").unwrap_err().contains("no such user"));
        assert!(read("").is_err());
        assert!(read("1000:").unwrap_err().contains("group"));
        assert!(read("99999999999").is_err());
    }
}
