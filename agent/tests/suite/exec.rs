//! Receivers that are programs: what they are given, what their end means, and that none of them can hang the agent.

use std::{
    fs,
    io::Read as _,
    path::Path,
    process::Command,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use tokio::{fs::File, io::AsyncReadExt as _};
use vipwatch::outbox::{Receiver, Reply};
use vipwatch_lab::cluster::{Change, ExternalTrafficPolicy};

use crate::{
    agent::{Home, Page, Running, free_address},
    cluster::{Cluster, ECHO},
    told::{later, opened, receiver, refused, rehearse, tell},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// A receiver that is a shell script, with a time-out.
fn script(script: &str, timeout: &str) -> Receiver {
    receiver(&format!(
        "kind = \"exec\"\ntimeout = \"{timeout}\"\ncommand = [\"/bin/sh\", \"-c\", '''{script}''']"
    ))
}

/// Something that can be read to its end once every process is gone that has it open for writing.
fn fifo(directory: &Path) -> std::path::PathBuf {
    let path = directory.join("fifo");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

#[tokio::test]
async fn it_gets_the_document_the_environment_and_its_arguments_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().display();
    let told = receiver(&format!(
        "kind = \"exec\"\ncommand = [\"/bin/sh\", \"-c\", '''
            cat > {path}/document; env > {path}/environment; printf '%s|' \"$@\" > {path}/arguments; pwd > {path}/where
        ''', \"notify\", \"--flag\", \"--flag\", \"$(id) * ; false\", \"\"]"
    ));
    assert_eq!(tell(&told, &opened()).await, Reply::Taken);
    let read = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
    assert_eq!(read("document"), serde_json::to_string(&opened()).unwrap());
    assert_eq!(read("arguments"), "--flag|--flag|$(id) * ; false||");
    assert_eq!(read("where"), "/\n");
    let environment = read("environment");
    let mut names: Vec<&str> =
        environment.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    // What a shell sets by itself.
    names.retain(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name));
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "PATH",
            "VIPWATCH_ALERT",
            "VIPWATCH_EVENT",
            "VIPWATCH_KEY",
            "VIPWATCH_KIND",
            "VIPWATCH_NODE",
            "VIPWATCH_PAGE",
            "VIPWATCH_PROBE",
            "VIPWATCH_SERVICE",
            "VIPWATCH_SEVERITY",
            "VIPWATCH_TARGET",
            "VIPWATCH_TITLE",
            "VIPWATCH_VANTAGE",
        ]
    );
    for line in [
        "VIPWATCH_EVENT=opened",
        "VIPWATCH_KIND=source_translated",
        "VIPWATCH_SEVERITY=critical",
        "VIPWATCH_SERVICE=default/echo-server",
        "VIPWATCH_NODE=",
        "VIPWATCH_KEY=01a20614-ac08-7098-b455-c6cdc68d2f3c-opened",
    ] {
        assert!(environment.lines().any(|found| found == line), "{line} is not in\n{environment}");
    }
}

#[tokio::test]
async fn what_would_break_the_environment_is_smoothed() {
    let mut notification = opened();
    notification.alert.title = format!("a\0b\nc{}", "é".repeat(100_000));
    let directory = tempfile::tempdir().unwrap();
    let told = script(&format!("printf %s \"$VIPWATCH_TITLE\" > {}/title", directory.path().display()), "5s");
    assert_eq!(tell(&told, &notification).await, Reply::Taken);
    let title = fs::read_to_string(directory.path().join("title")).unwrap();
    assert_eq!((title.chars().count(), title.starts_with("a b cé")), (1_000, true));
}

#[tokio::test]
async fn its_end_says_what_became_of_it() {
    let tell_script = async |text: &str| tell(&script(text, "5s"), &opened()).await;
    assert_eq!(tell_script("echo a warning >&2; exit 0").await, Reply::Taken);
    assert_eq!(later(tell_script("exit 75").await), "exit code 75");
    assert_eq!(later(tell_script("exit 1").await), "exit code 1");
    assert_eq!(
        later(tell_script("echo first >&2; printf 'no \\033[31mtoken\\007\\n\\n' >&2; exit 3").await),
        "exit code 3: no [31mtoken"
    );
    assert_eq!(later(tell_script("kill -TERM $$").await), "ended by signal 15");
    assert_eq!(refused(tell_script("echo no such team >&2; exit 65").await), "exit code 65: no such team");
}

#[tokio::test]
async fn a_program_that_is_gone_is_tried_again() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("notify");
    fs::copy("/bin/true", &program).unwrap();
    let told = receiver(&format!("kind = \"exec\"\ncommand = [\"{}\"]", program.display()));
    fs::remove_file(&program).unwrap();
    let error = later(tell(&told, &opened()).await);
    assert_eq!(error, "it cannot be started: No such file or directory (os error 2)");
}

/// A document that fits into no pipe, and nobody who reads it.
#[tokio::test]
async fn a_program_need_not_read() {
    let mut notification = opened();
    notification.alert.reason = "long ".repeat(100_000);
    for text in ["exec <&-; exit 0", "exit 0", "sleep 0.1"] {
        assert_eq!(tell(&script(text, "5s"), &notification).await, Reply::Taken, "{text}");
    }
}

#[tokio::test]
async fn a_talkative_program_is_listened_to_until_its_last_words() {
    let text = "yes | head -c 1000000; yes | head -c 1000000 >&2; echo last words >&2; exit 1";
    assert_eq!(later(tell(&script(text, "20s"), &opened()).await), "exit code 1: last words");
}

/// What a program leaves behind may go on, and nobody waits for it.
#[tokio::test]
async fn what_it_leaves_behind_is_not_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let fifo = fifo(directory.path());
    let text = format!("(read line < {}; exit 0) & echo done >&2; exit 1", fifo.display());
    let began = Instant::now();
    assert_eq!(later(tell(&script(&text, "20s"), &opened()).await), "exit code 1: done");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    // It can be written to only because what was left behind is there to read.
    let mut open = tokio::task::spawn_blocking(move || fs::write(fifo, "end\n"));
    tokio::time::timeout(PATIENCE, &mut open).await.expect("nobody reads").unwrap().unwrap();
}

#[tokio::test]
async fn a_program_that_hangs_is_killed_with_all_that_it_started() {
    let directory = tempfile::tempdir().unwrap();
    let fifo = fifo(directory.path());
    let pid = directory.path().join("pid");
    // What it started has the fifo open as well, and so has what that started.
    let text = format!(
        "trap '' TERM; exec 3> {}; echo $$ > {}; (sleep 1000 & sleep 1000) & sleep 1000",
        fifo.display(),
        pid.display()
    );
    let reading = tokio::spawn(async move {
        let mut all = Vec::new();
        File::open(fifo).await.unwrap().read_to_end(&mut all).await.unwrap();
    });
    let began = Instant::now();
    let error = later(tell(&script(&text, "1s"), &opened()).await);
    assert_eq!(error, "no end within 1s: it was killed");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let pid = fs::read_to_string(pid).unwrap();
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "{pid} is a zombie");
    tokio::time::timeout(PATIENCE, reading).await.expect("something lives on").unwrap();
}

/// So it is when the agent ends, or the receiver is taken out of the configuration.
#[tokio::test]
async fn an_attempt_that_is_broken_off_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let fifo = fifo(directory.path());
    let told = script(&format!("exec 3> {}; echo >&3; sleep 1000 & sleep 1000", fifo.display()), "300s");
    let attempt = tokio::spawn(async move { tell(&told, &opened()).await });
    let mut fifo = File::open(fifo).await.unwrap();
    fifo.read_u8().await.unwrap();
    attempt.abort();
    let mut rest = Vec::new();
    let ended = fifo.read_to_end(&mut rest);
    tokio::time::timeout(PATIENCE, ended).await.expect("something lives on").unwrap();
}

#[tokio::test]
async fn what_goes_to_and_fro_is_shown_without_the_arguments() {
    let told = receiver(
        "kind = \"exec\"\ncommand = [\"/bin/sh\", \"-c\", \"echo no such team >&2; exit 65\", \"--token=s3cr3t\"]",
    );
    let (reply, exchanges) = rehearse(&told, &opened()).await;
    assert_eq!(refused(reply), "exit code 65: no such team");
    let [exchange] = exchanges.as_slice() else { panic!("{exchanges:?}") };
    assert_eq!(exchange.sent.line, "/bin/sh *** *** ***");
    assert!(exchange.sent.headers.contains(&("VIPWATCH_EVENT".into(), "opened".into())));
    assert_eq!(exchange.sent.body, serde_json::to_string(&opened()).unwrap());
    let received = exchange.received.as_ref().unwrap();
    assert_eq!((received.line.as_str(), received.body.as_str()), ("exit code 65", "no such team"));
    let repeats = receiver("kind = \"exec\"\ncommand = [\"/bin/ls\", \"/s3cr3t\"]");
    let (reply, exchanges) = rehearse(&repeats, &opened()).await;
    assert!(!format!("{reply:?} {exchanges:?}").contains("s3cr3t"), "{reply:?} {exchanges:?}");
    assert!(later(reply).contains("***"));
    let (_, nobody) = rehearse(&script("exec sleep 1000", "100ms"), &opened()).await;
    assert_eq!(nobody[0].received, None);
}

/// Through the whole agent: a program that hangs does not keep it from ending, and does not outlive it.
#[test]
fn the_agent_ends_in_time_whatever_its_programs_do() {
    let cluster = Cluster::start();
    let directory = tempfile::tempdir().unwrap();
    let fifo = fifo(directory.path());
    let listen = free_address();
    let receivers = format!(
        "[[receiver]]\nname = \"hangs\"\nkind = \"exec\"\ntimeout = \"300s\"\n\
         command = [\"/bin/sh\", \"-c\", \"exec 3> {}; cat >&3; sleep 1000 & sleep 1000\"]\n",
        fifo.display()
    );
    let home = Home::new(&cluster.config(listen, 200, &receivers));
    let (agent, _page): (Running, Page) = cluster.watched_by(&home, listen);
    cluster.apply(Change::policy(ECHO, ExternalTrafficPolicy::Cluster));
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let mut fifo = fs::File::open(fifo).unwrap();
        let mut document = vec![0];
        fifo.read_exact(&mut document).unwrap();
        tell.send(document).unwrap();
        // It ends with the last process that has the fifo open.
        let mut rest = Vec::new();
        fifo.read_to_end(&mut rest).unwrap();
        tell.send(rest).unwrap();
    });
    let mut document = told.recv_timeout(PATIENCE).expect("nothing was started");
    agent.signal(rustix::process::Signal::TERM);
    assert_eq!(agent.ended(PATIENCE), 0);
    document.extend(told.recv_timeout(PATIENCE).expect("something lives on"));
    let document: serde_json::Value = serde_json::from_slice(&document).unwrap();
    assert_eq!(document["event"], "opened");
}
