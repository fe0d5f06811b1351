//! The `vipwatch` program; everything is in the library.

fn main() -> std::process::ExitCode {
    vipwatch::cli::main()
}
