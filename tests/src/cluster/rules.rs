//! Rules of iptables: the few of our own, and the many that kube-proxy leaves behind.

use super::layout::{BRIDGE, NODE_ADDRESS, POD_RANGE};
use crate::Result;
use crate::command::run;
use std::process::Command;

/// Marks the rules of our own.
const COMMENT: &str = "filegateway-testbed";
const TABLES: [&str; 3] = ["nat", "filter", "mangle"];

/// The rules of our own in the order in which they apply, each as table, chain and match. Pods may go
/// anywhere, under this machine's address outside the cluster; from other machines nobody may come in.
fn own() -> [(&'static str, &'static str, Vec<&'static str>); 5] {
    let comment = ["-m", "comment", "--comment", COMMENT];
    let rule =
        |words: &[&'static str], target: &'static str| [words, &comment, &["-j", target]].concat();
    let answers = [
        "-o",
        BRIDGE,
        "-m",
        "conntrack",
        "--ctstate",
        "RELATED,ESTABLISHED",
    ];
    [
        ("filter", "FORWARD", rule(&["-i", BRIDGE], "ACCEPT")),
        ("filter", "FORWARD", rule(&answers, "ACCEPT")),
        ("filter", "FORWARD", rule(&["-o", BRIDGE], "DROP")),
        (
            "filter",
            "INPUT",
            rule(&["!", "-s", POD_RANGE, "-d", NODE_ADDRESS], "DROP"),
        ),
        (
            "nat",
            "POSTROUTING",
            rule(&["-s", POD_RANGE, "!", "-d", POD_RANGE], "MASQUERADE"),
        ),
    ]
}

fn iptables(program: &str) -> Command {
    let mut command = Command::new(program);
    command.args(["-w", "10"]);
    command
}

/// Adds the rules of our own that are missing, in front of a firewall's.
///
/// # Errors
/// iptables fails.
pub fn add() -> Result<()> {
    // Each goes to the top, so the first has to come last.
    for (table, chain, rule) in own().into_iter().rev() {
        let check = run(iptables("iptables")
            .args(["-t", table, "-C", chain])
            .args(&rule));
        if check.is_err() {
            run(iptables("iptables")
                .args(["-t", table, "-I", chain])
                .args(&rule))?;
        }
    }
    Ok(())
}

/// Removes our rules and kube-proxy's chains.
///
/// # Errors
/// iptables fails.
pub fn remove() -> Result<()> {
    for (table, chain, rule) in own() {
        while run(iptables("iptables")
            .args(["-t", table, "-D", chain])
            .args(&rule))
        .is_ok()
        {}
    }
    for program in ["iptables", "ip6tables"] {
        for table in TABLES {
            // A table that the kernel hasn't got holds nothing of ours.
            let Ok(rules) = run(iptables(program).args(["-t", table, "-S"])) else {
                continue;
            };
            for step in clean_up(&rules) {
                run(iptables(program).args(["-t", table]).args(step))?;
            }
        }
    }
    Ok(())
}

/// What takes kube-proxy's chains out of a table, given its rules as `iptables -S` lists them: first the
/// jumps into them, then what they hold, then the chains.
fn clean_up(rules: &str) -> Vec<Vec<&str>> {
    let is_proxys = |chain: &&str| chain.starts_with("KUBE-");
    let chains: Vec<&str> = rules
        .lines()
        .filter_map(|line| line.strip_prefix("-N "))
        .filter(is_proxys)
        .collect();
    let jumps = rules.lines().filter_map(|line| {
        let words = words(line.strip_prefix("-A ")?);
        let target = words.iter().position(|word| *word == "-j")? + 1;
        let outside = words.first().is_some_and(|chain| !is_proxys(chain));
        let inside = words.get(target).is_some_and(is_proxys);
        (outside && inside).then(|| [vec!["-D"], words].concat())
    });
    let flushes = chains.iter().map(|chain| vec!["-F", *chain]);
    let deletions = chains.iter().map(|chain| vec!["-X", *chain]);
    jumps.chain(flushes).chain(deletions).collect()
}

/// Splits a rule at blanks, but not within the quotes around a comment, which are dropped.
fn words(rule: &str) -> Vec<&str> {
    rule.split('"')
        .enumerate()
        .flat_map(|(index, part)| {
            if index % 2 == 1 {
                vec![part]
            } else {
                part.split_whitespace().collect()
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_kube_proxys_chains_go() {
        let rules = "-P PREROUTING ACCEPT\n-N DOCKER\n-N KUBE-SERVICES\n-N KUBE-SEP-A\n\
            -A PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES\n\
            -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n\
            -A KUBE-SERVICES -d 10.214.0.1/32 -j KUBE-SEP-A\n";
        let expected: Vec<Vec<&str>> = vec![
            vec![
                "-D",
                "PREROUTING",
                "-m",
                "comment",
                "--comment",
                "kubernetes service portals",
                "-j",
                "KUBE-SERVICES",
            ],
            vec!["-F", "KUBE-SERVICES"],
            vec!["-F", "KUBE-SEP-A"],
            vec!["-X", "KUBE-SERVICES"],
            vec!["-X", "KUBE-SEP-A"],
        ];
        assert_eq!(clean_up(rules), expected);
    }
}
