//! Exit codes; the README lists them. Those from 64 up are those of `sysexits.h`.

use std::process::ExitCode;

/// An exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code(u8);

/// Something that was probed is not as expected, or a receiver does not take a test.
pub const NOT_AS_EXPECTED: Code = Code(1);
/// There is no such thing, or the agent does not do what it was asked to.
pub const REFUSED: Code = Code(1);
/// Whether it is as expected could not be found out.
pub const INCONCLUSIVE: Code = Code(3);
/// An address to listen on is not free, or no agent answers.
pub const UNAVAILABLE: Code = Code(69);
/// A fault of the program itself.
pub const INTERNAL: Code = Code(70);
/// The configuration cannot be read or is wrong.
pub const CONFIG: Code = Code(78);
/// Ended by a second signal before everything was done.
pub const INTERRUPTED: Code = Code(130);

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code.0)
    }
}
