//! The page of a real agent in a real browser: the front end's own browser tests, pointed at it.

use std::{path::Path, process::Command};

use crate::{
    agent::{Home, free_address},
    cluster::Cluster,
};

#[test]
fn the_page_of_a_real_agent_works_in_a_browser() {
    let cluster = Cluster::start();
    let listen = free_address();
    let home = Home::new(&cluster.config(listen, 500, ""));
    let (agent, _) = cluster.watched_by(&home, listen);
    let front_end = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/ui");
    let output = Command::new("npm")
        .args(["run", "--silent", "test:browser"])
        .current_dir(front_end)
        .env("VIPWATCH_URL", format!("http://{listen}/"))
        .output()
        .expect("npm is there, since the front end was built with it");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    let passed = told.lines().find_map(|line| line.trim_start_matches(['#', 'ℹ', ' ']).strip_prefix("pass "));
    assert!(passed.is_some_and(|passed| passed.parse::<u32>().is_ok_and(|passed| passed >= 5)), "{told}");
    agent.kill();
}
