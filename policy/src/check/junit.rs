//! The report as JUnit's XML, for test reports: a test case for each kind of finding and policy, which fails
//! where an observed dependency would be denied or more is admitted than stated. The elements are those that
//! Jenkins and GitLab read.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::{Newly, Report, sarif};
use crate::Error;

/// A test case: what it is about, and what is wrong.
struct Case {
    class: &'static str,
    name: String,
    findings: Vec<String>,
    /// Whether the findings fail, or are printed only.
    fails: bool,
}

impl Report {
    /// The report as XML, ending in a newline.
    ///
    /// # Errors
    /// [`Error::Xml`] when it cannot be written.
    pub fn to_junit(&self) -> Result<String, Error> {
        let cases = cases(self);
        let failures = cases.iter().filter(|case| case.fails).count().to_string();
        let tests = cases.len().to_string();
        let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
        let write = |writer: &mut Writer<Vec<u8>>| -> io::Result<()> {
            writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
            let suites = writer.create_element("testsuites").with_attributes([
                ("name", "watershed rules check"),
                ("tests", tests.as_str()),
                ("failures", failures.as_str()),
            ]);
            suites.write_inner_content(|writer| {
                let suite = writer.create_element("testsuite").with_attributes([
                    ("name", "policies"),
                    ("tests", tests.as_str()),
                    ("failures", failures.as_str()),
                    ("errors", "0"),
                    ("skipped", "0"),
                ]);
                suite
                    .write_inner_content(|writer| cases.iter().try_for_each(|case| one(writer, case)))
                    .map(drop)
            })?;
            Ok(())
        };
        write(&mut writer).map_err(Error::Xml)?;
        let text = String::from_utf8_lossy(&writer.into_inner()).into_owned();
        Ok(text + "\n")
    }
}

fn cases(report: &Report) -> Vec<Case> {
    let all: BTreeSet<&str> = report.names.iter().map(String::as_str).collect();
    let none = || -> BTreeMap<&str, Vec<String>> { all.iter().map(|&policy| (policy, Vec::new())).collect() };
    let mut denied = none();
    for one in report.denied.iter().filter(|one| !one.before) {
        for policy in one.refusals.iter().flat_map(|refusal| &refusal.policies) {
            denied.entry(policy).or_default().push(sarif::describe(one));
        }
    }
    let mut cases = of_class("denies nothing observed", denied, true);
    let mut exceeding: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for one in report.extents.iter().filter(|one| one.stated.is_some()) {
        exceeding.entry(&one.policy).or_default();
    }
    for one in report.exceeding() {
        let text = format!("{}: {}", one.place, sarif::exceeds(one));
        exceeding.entry(&one.policy).or_default().push(text);
    }
    cases.extend(of_class("admits what it states", exceeding, true));
    if report.newly.is_some() || report.admit_at_most.is_some() {
        let newly = |one: &Newly| format!("{} -> {} {} is newly allowed", one.client, one.server, one.ports);
        let wide = report.extents.iter().filter(|one| one.stated.is_none() && one.unobserved() > 0);
        let (findings, fails): (Vec<String>, bool) = match &report.newly {
            Some(all) => (all.iter().map(newly).collect(), report.newly_fails()),
            None => (
                wide.map(|one| format!("{}: {}", one.place, sarif::wider(one))).collect(),
                report.admit_at_most.is_some_and(|limit| report.unobserved() > limit),
            ),
        };
        let name = "all policies".to_owned();
        cases.push(Case { class: "admits no more than may be", name, findings, fails });
    }
    cases.extend(of_class("has nothing in vain", noted(report), false));
    cases
}

/// A case for each policy; `fails` is whether findings do.
fn of_class(class: &'static str, findings: BTreeMap<&str, Vec<String>>, fails: bool) -> Vec<Case> {
    let case = |(policy, findings): (&str, Vec<String>)| Case {
        class,
        name: policy.to_owned(),
        fails: fails && !findings.is_empty(),
        findings,
    };
    findings.into_iter().map(case).collect()
}

/// What is printed of each policy, and fails nothing.
fn noted(report: &Report) -> BTreeMap<&str, Vec<String>> {
    let mut noted: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for one in &report.unmatched {
        let text = format!("{}: {} matches nothing: {}", one.place, one.part, one.why);
        noted.entry(&one.policy).or_default().push(text);
    }
    for one in &report.shadowed {
        let text = format!("{}: {}", one.place, sarif::needless(one));
        noted.entry(&one.policy).or_default().push(text);
    }
    for one in report.wide() {
        let text = format!("{}: {}", one.place, sarif::wider(one));
        noted.entry(&one.policy).or_default().push(text);
    }
    for one in &report.idle {
        let text = format!("{}: no observed dependency needs this {} rule", one.place, one.side);
        noted.entry(&one.policy).or_default().push(text);
    }
    noted
}

fn one(writer: &mut Writer<Vec<u8>>, case: &Case) -> io::Result<()> {
    let (class, name) = (case.class, xml(&case.name));
    let element =
        writer.create_element("testcase").with_attributes([("classname", class), ("name", name.as_str())]);
    if case.findings.is_empty() {
        return element.write_empty().map(drop);
    }
    let text = xml(&case.findings.join("\n"));
    let message = format!("{} found, first: {}", case.findings.len(), xml(&case.findings[0]));
    element
        .write_inner_content(|writer| {
            let told = if case.fails {
                let failure = writer.create_element("failure");
                failure.with_attributes([("message", message.as_str()), ("type", case.class)])
            } else {
                writer.create_element("system-out")
            };
            told.write_text_content(BytesText::new(&text)).map(drop)
        })
        .map(drop)
}

/// Without what XML 1.0 has no way to write (section 2.2, production 2).
fn xml(text: &str) -> String {
    let allowed = |character: char| matches!(character, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().map(|character| if allowed(character) { character } else { '\u{fffd}' }).collect()
}
