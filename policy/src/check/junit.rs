//! The report as JUnit's XML, for test reports: a test case for each kind of finding and policy, which fails
//! where an observed dependency would be denied. The elements are those that Jenkins and GitLab read.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::{Report, sarif};
use crate::Error;

/// A test case: what it is about, and what is wrong.
struct Case {
    class: &'static str,
    name: String,
    findings: Vec<String>,
    /// Only what would be denied fails; the rest is printed.
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
    let mut denied: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let all: BTreeSet<&str> = report.names.iter().map(String::as_str).collect();
    all.iter().for_each(|policy| drop(denied.insert(policy, Vec::new())));
    for one in &report.denied {
        for policy in one.refusals.iter().flat_map(|refusal| &refusal.policies) {
            denied.entry(policy).or_default().push(sarif::describe(one));
        }
    }
    let mut cases: Vec<Case> = denied
        .into_iter()
        .map(|(policy, findings)| Case {
            class: "denies nothing observed",
            name: policy.to_owned(),
            fails: !findings.is_empty(),
            findings,
        })
        .collect();
    let mut noted: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for one in &report.unmatched {
        let text = format!("{}: {} matches nothing: {}", one.place, one.part, one.why);
        noted.entry(&one.policy).or_default().push(text);
    }
    for one in &report.idle {
        let text = format!("{}: no observed dependency needs this {} rule", one.place, one.direction);
        noted.entry(&one.policy).or_default().push(text);
    }
    cases.extend(noted.into_iter().map(|(policy, findings)| Case {
        class: "has nothing in vain",
        name: policy.to_owned(),
        findings,
        fails: false,
    }));
    cases
}

fn one(writer: &mut Writer<Vec<u8>>, case: &Case) -> io::Result<()> {
    let (class, name) = (case.class, xml(&case.name));
    let element =
        writer.create_element("testcase").with_attributes([("classname", class), ("name", name.as_str())]);
    if case.findings.is_empty() {
        return element.write_empty().map(drop);
    }
    let text = xml(&case.findings.join("\n"));
    let message = format!("{} observed, first: {}", case.findings.len(), xml(&case.findings[0]));
    element
        .write_inner_content(|writer| {
            let told = if case.fails {
                let failure = writer.create_element("failure");
                failure.with_attributes([("message", message.as_str()), ("type", "denied")])
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
