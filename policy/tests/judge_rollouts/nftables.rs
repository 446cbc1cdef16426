//! The kernel's nftables as a judge of steps: packets sent through each of them alone, through the first of them
//! together, through what watches, and through what is left when some were taken back.

use std::collections::BTreeSet;
use std::net::IpAddr;

use watershed_model::Protocol;
use watershed_policy::nft::{Action, Hook, Ruleset};
use watershed_policy::rollout::{Step, Unit};
use watershed_policy::{Service, Tuple};

use crate::addresses::{Planned, told};
use crate::{kernel, shell};

/// Random estates.
const ESTATES: u64 = 96;

/// Those of them whose steps are taken back one by one: a kernel is slow to delete.
const TAKEN_BACK: usize = 6;

/// Estates whose rule sets are in one kernel at a time: it takes 1024 chains at a hook.
const AT_ONCE: usize = 8;

/// Connections of each that nobody was seen to open.
const UNSEEN: usize = 48;

/// Where random choices start; an estate's number is added.
const SEED: u64 = 0x5eed_0117;

/// How often the kernel is asked what it has, for each step.
const LISTINGS: usize = 6;

/// Rules in force, and what they are to protect.
struct Case<'a> {
    planned: &'a Planned,
    what: String,
    rules: String,
    protected: BTreeSet<IpAddr>,
}

#[derive(Debug, Default)]
struct Counts {
    steps: usize,
    rule_sets: usize,
    sent: usize,
    seen: usize,
    by_hand: usize,
    dropped: usize,
    unprotected: usize,
}

fn planned() -> Vec<Planned> {
    let unit = |number| if number % 3 == 2 { Unit::Namespace } else { Unit::Workload };
    (0..ESTATES).map(|number| Planned::random(SEED + number, unit(number), UNSEEN)).collect()
}

/// Every step alone, the first of them together, all that watch, and all with every other taken back.
fn cases(planned: &Planned) -> Vec<Case<'_>> {
    let steps = &planned.steps;
    let applied = |steps: &[Step]| steps.iter().map(|step| step.files.apply.as_str()).collect::<String>();
    let case = |what: String, rules: String, in_force: &[&Step]| Case {
        planned,
        what,
        rules,
        protected: planned.protected(in_force.iter().copied()),
    };
    let mut cases = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        cases.push(case(format!("{} alone", told(step)), step.files.apply.clone(), &[step]));
        if at > 0 {
            let first: Vec<&Step> = steps[..=at].iter().collect();
            cases.push(case(format!("all up to {}", told(step)), applied(&steps[..=at]), &first));
        }
    }
    let watch = steps.iter().map(|step| step.files.watch.as_str()).collect();
    cases.push(case("all watch".into(), watch, &[]));
    let back = steps.iter().step_by(2).map(|step| step.files.revert.as_str());
    let rules = applied(steps) + &back.collect::<String>();
    let left: Vec<&Step> = steps.iter().skip(1).step_by(2).collect();
    cases.push(case("every other taken back".into(), rules, &left));
    cases
}

#[test]
fn the_kernel_drops_what_goes_to_those_who_have_a_step_and_nobody_was_seen_to_do() {
    let planned = planned();
    let (mut counts, mut different) = (Counts::default(), Vec::new());
    for estates in planned.chunks(AT_ONCE) {
        let cases: Vec<Case<'_>> = estates.iter().flat_map(cases).collect();
        let asked: Vec<(String, Vec<Tuple>)> =
            cases.iter().map(|case| (case.rules.clone(), case.planned.tuples.clone())).collect();
        for (case, passed) in cases.iter().zip(kernel::ask(&asked)) {
            counts.rule_sets += 1;
            case.compare(&passed, &mut counts, &mut different);
        }
    }
    for one in &planned {
        counts.steps += one.steps.len();
        assert!(one.everybody_has_a_step(), "seed {}", one.estate.seed);
    }
    println!(
        "nftables of the kernel: {ESTATES} estates from seed {SEED:#x}, {} steps, {} rule sets, {} connections sent: \
         {} seen and {} that people allowed passed, {} dropped, {} to the unprotected passed, {} disagreements",
        counts.steps,
        counts.rule_sets,
        counts.sent,
        counts.seen,
        counts.by_hand,
        counts.dropped,
        counts.unprotected,
        different.len()
    );
    let shown: Vec<_> = different.iter().take(5).cloned().collect();
    assert!(different.is_empty(), "{}", shown.join("\n"));
    let common = [counts.seen, counts.dropped, counts.unprotected, counts.by_hand * 50];
    assert!(common.iter().all(|&one| one > counts.sent / 10), "none is rare: {counts:?}");
}

impl Case<'_> {
    fn compare(&self, passed: &[bool], counts: &mut Counts, different: &mut Vec<String>) {
        let ruleset = Ruleset::read([("r.nft", self.rules.as_str())]).expect("a rule set");
        assert_eq!(passed.len(), self.planned.tuples.len());
        for (tuple, &passed) in self.planned.tuples.iter().zip(passed) {
            let (protected, may) = (self.protected.contains(&tuple.server), self.planned.may(tuple));
            let meant = !protected || may;
            let ours = ruleset.evaluate(Hook::Forward, tuple).action == Action::Accept;
            counts.sent += 1;
            match (meant, self.planned.was_seen(tuple), protected) {
                (false, ..) => counts.dropped += 1,
                (true, true, _) => counts.seen += 1,
                (true, false, true) => counts.by_hand += 1,
                (true, false, false) => counts.unprotected += 1,
            }
            if passed != meant || ours != passed {
                different.push(format!(
                    "seed {}, {}: {tuple}: meant {meant}, the kernel {passed}, ours {ours}\n{}",
                    self.planned.estate.seed, self.what, self.rules
                ));
            }
        }
    }
}

#[test]
fn the_kernel_drops_no_neighbour_discovery_whatever_is_protected() {
    let address = |text: &str| text.parse().expect("an address");
    let planned = planned();
    let one = planned.iter().find(|one| one.protected(&one.steps).iter().any(IpAddr::is_ipv6)).expect("IPv6");
    let protected = one.protected(&one.steps);
    let server = *protected.iter().find(|one| one.is_ipv6()).expect("IPv6");
    let rules: String = one.steps.iter().map(|step| step.files.apply.as_str()).collect();
    let tuple = |message_type| {
        let service = Service::Icmp { protocol: Protocol::ICMPV6, message_type };
        Tuple { client: address("2001:db8:9::9"), server, service }
    };
    // A neighbour's question passes (RFC 4890, 4.4.1), an echo request of a stranger does not.
    assert_eq!(kernel::ask(&[(rules, vec![tuple(135), tuple(128)])]), [[true, false]]);
}

#[test]
fn what_is_taken_back_leaves_the_kernel_as_it_was() {
    let planned = planned();
    let mut taken_back = 0;
    for one in &planned[..TAKEN_BACK] {
        let listings = listings(&one.steps);
        assert_eq!(listings.len(), one.steps.len() * LISTINGS);
        for (step, listed) in one.steps.iter().zip(listings.chunks(LISTINGS)) {
            let what = format!("seed {}, {}", one.estate.seed, told(step));
            let listed = Listed::of(listed);
            assert_eq!(listed.before, listed.apply_and_back, "{what}");
            assert_eq!(listed.before, listed.watch_and_back, "{what}");
            assert_eq!(listed.applied, listed.applied_twice, "{what}: loaded again it replaces itself");
            assert_eq!(
                listed.applied, listed.watched_and_applied,
                "{what}: what is applied replaces what watches"
            );
            assert_ne!(listed.before, listed.applied, "{what}");
            taken_back += 2;
        }
        assert_eq!(listings[0], "", "seed {}: nothing is there at first", one.estate.seed);
    }
    println!("nftables of the kernel: {taken_back} files taken back, each left what was there before");
}

/// What the kernel lists as the files of a step are loaded one after the other, those of the steps before it in force.
struct Listed<'a> {
    before: &'a str,
    apply_and_back: &'a str,
    watch_and_back: &'a str,
    watched_and_applied: &'a str,
    applied_twice: &'a str,
    applied: &'a str,
}

impl<'a> Listed<'a> {
    fn of(listings: &'a [String]) -> Self {
        let [before, apply_and_back, watch_and_back, watched_and_applied, applied_twice, applied] = listings
        else {
            panic!("{} listings", listings.len())
        };
        Self { before, apply_and_back, watch_and_back, watched_and_applied, applied_twice, applied }
    }

    /// What is loaded before each listing.
    fn files(step: &Step) -> [Vec<&str>; LISTINGS] {
        let files = &step.files;
        let (watch, apply, back) = (files.watch.as_str(), files.apply.as_str(), files.revert.as_str());
        [
            vec![],
            vec![apply, back],
            vec![watch, back],
            vec![watch, apply],
            vec![back, apply, apply],
            vec![back, apply],
        ]
    }
}

fn listings(steps: &[Step]) -> Vec<String> {
    const END: &str = "# the end of a listing";
    let load = |text: &&str| format!("nft --file - <<'END' || exit 1\n{text}END\n");
    let mut script = String::new();
    for files in steps.iter().flat_map(Listed::files) {
        script.extend(files.iter().map(load));
        script += &format!("nft list ruleset && echo '{END}' || exit 1\n");
    }
    let text = shell::run(&script);
    text.split_terminator(&format!("{END}\n")).map(str::to_owned).collect()
}
