use vipwatch_model::address::Node;

use super::*;

const KEEP: TimeDelta = TimeDelta::minutes(15);

fn at(minute: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::minutes(minute)
}

fn book() -> AddressBook {
    let node = Node {
        name: "node-1".into(),
        addresses: vec!["192.0.2.11".parse().unwrap()],
        pod_cidrs: vec!["10.244.1.0/24".parse().unwrap()],
    };
    AddressBook { nodes: vec![node], ..AddressBook::default() }
}

fn answer(source: &str, heard: Result<(&str, &str), &str>) -> Answer {
    let question = Question { source: source.into(), family: Family::V4, from: None };
    let heard = heard.map(|(local, address)| (local.parse().unwrap(), address.parse().unwrap()));
    Answer { question, heard: heard.map_err(str::to_owned) }
}

fn sees(source: &str, address: &str) -> Answer {
    answer(source, Ok(("10.0.0.2", address)))
}

/// A memory into which one learning after another was taken, a minute apart, and the changes that each gave.
fn after(learnings: &[Vec<Answer>]) -> (Memory, Vec<Vec<String>>) {
    let mut memory = Memory::default();
    let mut all = Vec::new();
    for (minute, answers) in (0..).zip(learnings) {
        let changes = memory.take(answers.clone(), &book(), at(minute), KEEP);
        all.push(changes.iter().map(|change| format!("{} to {}", change.from, change.to)).collect());
    }
    (memory, all)
}

fn addresses(memory: &Memory) -> Vec<String> {
    let mut addresses: Vec<_> = memory.learnt.iter().map(|learnt| learnt.address.to_string()).collect();
    addresses.sort();
    addresses
}

fn reasons(memory: &Memory) -> Vec<&str> {
    memory.unknown.iter().map(|unknown| unknown.why.as_str()).collect()
}

#[test]
fn the_first_answer_is_no_change_and_the_same_one_is_none_either() {
    let (memory, changes) = after(&[vec![sees("a", "198.51.100.7")], vec![sees("a", "198.51.100.7")]]);
    assert_eq!(changes, [[""; 0], [""; 0]]);
    assert_eq!(memory.learnt.len(), 1);
    assert_eq!(memory.learnt[0].at, at(1));
}

#[test]
fn a_change_is_told_once_and_the_old_address_counts_for_a_while() {
    let both = |address: &str| vec![sees("a", address), sees("b", address)];
    let (mut memory, changes) = after(&[both("198.51.100.7"), both("203.0.113.7")]);
    assert_eq!(changes[1], ["198.51.100.7 to 203.0.113.7"]);
    assert_eq!(addresses(&memory), ["198.51.100.7", "198.51.100.7", "203.0.113.7", "203.0.113.7"]);
    memory.take(both("203.0.113.7"), &book(), at(16), KEEP);
    assert_eq!(addresses(&memory), ["203.0.113.7", "203.0.113.7"]);
    assert_eq!(memory.changes().len(), 1);
}

#[test]
fn a_source_that_fails_is_named_and_what_it_said_counts_for_a_while() {
    let silent = || vec![answer("a", Err("no answer within 3000 ms"))];
    let (mut memory, _) = after(&[vec![sees("a", "198.51.100.7")], silent()]);
    assert_eq!(addresses(&memory), ["198.51.100.7"]);
    assert_eq!(reasons(&memory), ["a over IPv4: no answer within 3000 ms"]);
    memory.take(silent(), &book(), at(16), KEEP);
    assert_eq!(addresses(&memory), [""; 0]);
    // Back with another address: that is a change, however long nothing was known in between.
    let changes = memory.take(vec![sees("a", "203.0.113.7")], &book(), at(60), KEEP);
    assert_eq!(changes.len(), 1);
    assert_eq!(reasons(&memory), [""; 0]);
}

#[test]
fn an_address_that_cannot_be_ours_is_refused() {
    for (address, why) in [
        ("192.0.2.11", "a over IPv4: this agent is seen as 192.0.2.11 (address of node-1)"),
        ("10.244.1.1", "a over IPv4: this agent is seen as 10.244.1.1 (pod bridge of node-1"),
        ("2001:db8::1", "a over IPv4: 2001:db8::1 is no IPv4 address"),
        ("0.0.0.0", "a over IPv4: 0.0.0.0 is no host's address"),
        ("224.0.0.1", "a over IPv4: 224.0.0.1 is no host's address"),
    ] {
        let (memory, _) = after(&[vec![sees("a", address)]]);
        assert_eq!(addresses(&memory), [""; 0]);
        assert!(reasons(&memory)[0].starts_with(why), "{:?}", reasons(&memory));
    }
    let (memory, _) = after(&[vec![sees("a", "192.0.2.11")], vec![sees("a", "192.0.2.11")]]);
    assert_eq!(memory.inside().len(), 1, "it is told loudly as long as it lasts");
    let (memory, _) = after(&[vec![sees("a", "192.0.2.11")], vec![sees("a", "198.51.100.7")]]);
    assert_eq!(memory.inside().len(), 0);
    let (memory, _) = after(&[vec![sees("a", "::ffff:198.51.100.7")]]);
    assert_eq!(addresses(&memory), ["198.51.100.7"]);
}

#[test]
fn each_uplink_is_remembered_by_itself() {
    let from = |local: &str, address: &str| {
        let mut answer = answer("a", Ok((local, address)));
        answer.question.from = Some(local.parse().unwrap());
        answer
    };
    let learning = |second: &str| vec![from("10.0.0.2", "198.51.100.7"), from("10.1.0.2", second)];
    let (_, changes) = after(&[learning("203.0.113.7"), learning("203.0.113.8")]);
    assert_eq!(changes[1], ["203.0.113.7 to 203.0.113.8"]);
}

#[test]
fn a_server_that_makes_up_addresses_fills_no_memory() {
    let learnings: Vec<_> = (0..14).map(|n| vec![sees("a", &format!("198.51.100.{n}"))]).collect();
    let (memory, _) = after(&learnings);
    assert_eq!(memory.learnt.len(), ADDRESSES);
    assert!(addresses(&memory).contains(&"198.51.100.13".to_owned()), "the newest one is there");
}

#[test]
fn forgetting_leaves_the_changes_and_a_reason() {
    let (mut memory, _) = after(&[vec![sees("a", "198.51.100.7")], vec![sees("a", "203.0.113.7")]]);
    memory.forget("still being learnt");
    assert_eq!((addresses(&memory).len(), reasons(&memory)), (0, vec!["still being learnt"]));
    assert_eq!(memory.changes().len(), 1);
}
