//! Builds the front end in `ui/` with npm and tells the crate where it lies.
//!
//! Cargo runs this only when one of the front end's sources has changed; what
//! it makes goes to `OUT_DIR`, except for `ui/node_modules`.
//! `VIPWATCH_UI_DIST=dir` names a front end that is built already, and then
//! neither node nor npm is needed.

use std::{
    env,
    error::Error,
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

/// What the built front end depends on, below `ui/`.
const SOURCES: [&str; 7] =
    ["src", "public", "index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts"];

const PREBUILT: &str = "VIPWATCH_UI_DIST";

fn main() {
    println!("cargo::rerun-if-env-changed={PREBUILT}");
    let dist = match env::var_os(PREBUILT) {
        Some(dist) => prebuilt(Path::new(&dist)),
        None => built(),
    };
    match dist {
        Ok(dist) => println!("cargo::rustc-env=VIPWATCH_UI={}", dist.display()),
        Err(error) => {
            for line in error.to_string().lines() {
                println!("cargo::error={line}");
            }
        }
    }
}

fn prebuilt(dist: &Path) -> Result<PathBuf, Box<dyn Error>> {
    println!("cargo::rerun-if-changed={}", dist.display());
    if !dist.join("index.html").is_file() {
        return Err(format!(
            "{PREBUILT}={} holds no index.html (a relative path counts from the web crate)",
            dist.display()
        )
        .into());
    }
    Ok(dist.canonicalize()?)
}

fn built() -> Result<PathBuf, Box<dyn Error>> {
    let ui = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("ui");
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", ui.join(source).display());
    }
    let dist = Path::new(&env::var("OUT_DIR")?).join("ui");
    let lock_path = ui.join("package-lock.json");
    // Builds of two profiles may run at once, and share node_modules.
    let lock_file = File::open(&lock_path)?;
    lock_file.lock()?;
    if !is_installed(&ui, &lock_path) {
        npm(&ui, ["ci", "--prefer-offline", "--no-audit", "--no-fund"])?;
        fs::copy(&lock_path, stamp(&ui))?;
    }
    let out: [&OsStr; 6] = [
        "run".as_ref(),
        "build".as_ref(),
        "--".as_ref(),
        "--emptyOutDir".as_ref(),
        "--outDir".as_ref(),
        dist.as_ref(),
    ];
    npm(&ui, out)?;
    Ok(dist)
}

/// Whether node_modules is what the lock file says: it was installed from
/// these very bytes, or by hand after they were last changed.
fn is_installed(ui: &Path, lock_path: &Path) -> bool {
    let stamped = fs::read(stamp(ui)).ok();
    if stamped.is_some() && stamped == fs::read(lock_path).ok() {
        return true;
    }
    let changed_at = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    let installed_at = changed_at(&ui.join("node_modules/.package-lock.json"));
    installed_at.is_some() && installed_at >= changed_at(lock_path)
}

fn stamp(ui: &Path) -> PathBuf {
    ui.join("node_modules/.vipwatch-installed.json")
}

fn npm<I>(ui: &Path, arguments: I) -> Result<(), Box<dyn Error>>
where
    I: IntoIterator,
    I::Item: AsRef<OsStr>,
{
    let mut command = Command::new("npm");
    command.current_dir(ui).args(arguments);
    let output = command.output().map_err(|error| {
        format!(
            "failed to run npm ({error}). The front end is built with Node 20 or newer and npm: \
             `apt-get install nodejs npm`, or point {PREBUILT} at a built one"
        )
    })?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{command:?} failed with {}:\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
    .into())
}
