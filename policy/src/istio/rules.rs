//! From the rules of AuthorizationPolicies to what they mean. What Istio's admission refuses is a problem here.

use std::borrow::Cow;
use std::net::IpAddr;

use ipnet::IpNet;

use super::policy::{NamespacePattern, Operation, Pattern, Rule, Source};
use super::{TRUST_DOMAIN, principal};
use crate::k8s::read::policy::network;
use crate::k8s::read::sheet::{Fields, Sheet};
use crate::k8s::yaml::{Node, Value};

/// What operations say about requests.
const OF_REQUESTS: [&str; 6] = ["hosts", "notHosts", "methods", "notMethods", "paths", "notPaths"];

/// Service accounts in one list, at most.
const MOST_ACCOUNTS: usize = 16;

/// Keys of conditions.
const KEYS: [&str; 12] = [
    "source.ip",
    "remote.ip",
    "source.namespace",
    "source.serviceAccount",
    "source.trustDomain",
    "source.principal",
    "request.auth.principal",
    "request.auth.audiences",
    "request.auth.presenter",
    "destination.ip",
    "destination.port",
    "connection.sni",
];

/// Keys of conditions that go on with a name in brackets.
const KEYS_OF: [&str; 3] = ["request.headers", "request.auth.claims", "experimental.envoy.filters."];

pub(super) fn rule(sheet: &mut Sheet, node: &Node, namespace: &str) -> Rule {
    let fields = sheet.fields(node, "a rule", &["from", "to", "when"]);
    let mut rule =
        Rule { place: sheet.place(node.spot), sources: Vec::new(), operations: Vec::new(), partly: false };
    for item in fields.get("from").map_or(&[][..], |node| sheet.list(node, "from")) {
        let Some(node) = only(sheet, item, "from", "source") else { continue };
        rule.sources.push(source(sheet, node, namespace, &mut rule.partly));
    }
    for item in fields.get("to").map_or(&[][..], |node| sheet.list(node, "to")) {
        let Some(node) = only(sheet, item, "to", "operation") else { continue };
        rule.operations.push(operation(sheet, node, &mut rule.partly));
    }
    for item in fields.get("when").map_or(&[][..], |node| sheet.list(node, "when")) {
        condition(sheet, item);
        rule.partly = true;
    }
    if rule.partly {
        let message = "requests and conditions are not known: this rule is taken to allow all that it could, and to deny nothing";
        sheet.note(node.spot, message);
    }
    rule
}

/// The one field of an item, which must say something.
fn only<'a>(sheet: &mut Sheet, item: &'a Node<'_>, list: &str, field: &str) -> Option<&'a Node<'a>> {
    let fields = sheet.fields(item, format_args!("an item of `{list}`"), &[field]);
    let found = fields.get(field).filter(|node| !node.fields().is_empty());
    if found.is_none() {
        let message = format!(
            "an item of `{list}` needs a `{field}` that says something; leave `{list}` out to mean everything"
        );
        sheet.problem(item.spot, message);
    }
    found
}

fn source(sheet: &mut Sheet, node: &Node, namespace: &str, partly: &mut bool) -> Source {
    let of_requests = ["requestPrincipals", "notRequestPrincipals"];
    let remote = ["remoteIpBlocks", "notRemoteIpBlocks"];
    let own = [
        "principals",
        "notPrincipals",
        "namespaces",
        "notNamespaces",
        "trustDomains",
        "notTrustDomains",
        "ipBlocks",
        "notIpBlocks",
        "serviceAccounts",
        "notServiceAccounts",
    ];
    let known: Vec<&str> = own.into_iter().chain(of_requests).chain(remote).collect();
    let fields = sheet.fields(node, "source", &known);
    of_requests.iter().for_each(|field| drop(texts(sheet, fields, field)));
    remote.iter().for_each(|field| drop(blocks(sheet, fields, field)));
    *partly |= of_requests.iter().chain(&remote).any(|field| fields.get(field).is_some());
    let mut patterns = |field: &str| -> Vec<Pattern> {
        texts(sheet, fields, field).iter().map(|(_, text)| Pattern::of(&in_full(text))).collect()
    };
    let (mut principals, mut not_principals) = (patterns("principals"), patterns("notPrincipals"));
    let namespaces_of = [namespaces(sheet, fields, "namespaces"), namespaces(sheet, fields, "notNamespaces")];
    let [namespaces, not_namespaces] = namespaces_of;
    let (accounts, not_accounts) = (
        accounts(sheet, fields, "serviceAccounts", namespace),
        accounts(sheet, fields, "notServiceAccounts", namespace),
    );
    let others = principals.len() + not_principals.len() + namespaces.len() + not_namespaces.len();
    if others > 0 && accounts.len() + not_accounts.len() > 0 {
        let message =
            "serviceAccounts go with neither principals nor namespaces; write another item of `from`";
        sheet.problem(node.spot, message);
    }
    principals.extend(accounts);
    not_principals.extend(not_accounts);
    Source {
        principals,
        not_principals,
        namespaces,
        not_namespaces,
        trust_domains: trust_domains(sheet, fields, "trustDomains"),
        not_trust_domains: trust_domains(sheet, fields, "notTrustDomains"),
        blocks: blocks(sheet, fields, "ipBlocks"),
        not_blocks: blocks(sheet, fields, "notIpBlocks"),
    }
}

/// An identity whose trust domain is only begun, as in `cluster*/ns/shop/sa/front`, is that of the trust domain to Istio.
fn in_full(identity: &str) -> Cow<'_, str> {
    let begun = identity.split_once('/').filter(|(_, rest)| rest.matches('/').count() == 3);
    let begun = begun.and_then(|(domain, rest)| Some((domain.strip_suffix('*')?, rest)));
    match begun {
        Some((start, rest)) if !start.is_empty() && TRUST_DOMAIN.starts_with(start) => {
            format!("{TRUST_DOMAIN}/{rest}").into()
        }
        _ => identity.into(),
    }
}

/// Service accounts, which have no wildcards, as identities.
fn accounts(sheet: &mut Sheet, fields: Fields<'_>, field: &str, own: &str) -> Vec<Pattern> {
    let texts = texts(sheet, fields, field);
    if let Some((spot, _)) = texts.get(MOST_ACCOUNTS) {
        sheet
            .problem(*spot, format!("`{field}` has more than {MOST_ACCOUNTS}; write another item of `from`"));
    }
    let mut accounts = Vec::new();
    for (spot, text) in texts {
        let (namespace, account) = text.split_once('/').unwrap_or((own, &text));
        if namespace.is_empty() || account.is_empty() || account.contains('/') || text.contains('*') {
            let message = format!("`{text}` is no service account; write its name, or NAMESPACE/NAME");
            sheet.problem(spot, message);
        }
        accounts.push(Pattern::Exact(principal(namespace, account)));
    }
    accounts
}

fn namespaces(sheet: &mut Sheet, fields: Fields<'_>, field: &str) -> Vec<NamespacePattern> {
    let mut patterns = Vec::new();
    for (spot, text) in texts(sheet, fields, field) {
        let pattern = NamespacePattern::of(&text);
        // No namespace is called so.
        let everybody = pattern.matches(&principal("?", ""));
        if everybody && text.bytes().any(|byte| byte != b'*') {
            let message =
                format!("`{pattern}` means everybody with an identity to Istio, which finds it in `/sa/`");
            sheet.note(spot, message);
        }
        patterns.push(pattern);
    }
    patterns
}

fn trust_domains(sheet: &mut Sheet, fields: Fields<'_>, field: &str) -> Vec<Pattern> {
    let texts = texts(sheet, fields, field);
    for (spot, text) in &texts {
        let inside = text.strip_prefix('*').or_else(|| text.strip_suffix('*')).unwrap_or(text);
        if inside.contains(['*', '/']) {
            let message =
                format!("`{text}` is no trust domain; write its name, with one `*` at an end at most");
            sheet.problem(*spot, message);
        }
    }
    texts.iter().map(|(_, text)| Pattern::of(text)).collect()
}

fn blocks(sheet: &mut Sheet, fields: Fields<'_>, field: &str) -> Vec<IpNet> {
    let Some(node) = fields.get(field) else { return Vec::new() };
    let items = sheet.list(node, field);
    not_empty(sheet, node, field);
    let address = |item: &Node| item.scalar()?.parse::<IpAddr>().ok().map(IpNet::from);
    items.iter().filter_map(|item| address(item).or_else(|| network(sheet, item, field))).collect()
}

fn operation(sheet: &mut Sheet, node: &Node, partly: &mut bool) -> Operation {
    let known: Vec<&str> = ["ports", "notPorts"].into_iter().chain(OF_REQUESTS).collect();
    let fields = sheet.fields(node, "operation", &known);
    OF_REQUESTS.iter().for_each(|field| drop(texts(sheet, fields, field)));
    *partly |= OF_REQUESTS.iter().any(|field| fields.get(field).is_some());
    let mut ports = |field: &str| -> Vec<u16> {
        let mut ports = Vec::new();
        for (spot, text) in texts(sheet, fields, field) {
            // Rust takes a sign before a number, and Istio does not.
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            match text.parse::<u16>().ok().filter(|&port| digits && port > 0) {
                Some(port) => ports.push(port),
                None => sheet
                    .problem(spot, format!("`{text}` is no port: write a number from 1 to 65535 in quotes")),
            }
        }
        ports
    };
    let (ports, not_ports) = (ports("ports"), ports("notPorts"));
    Operation { ports, not_ports }
}

/// What is not known of a connection is read for its mistakes alone.
fn condition(sheet: &mut Sheet, node: &Node) {
    let fields = sheet.fields(node, "a condition", &["key", "values", "notValues"]);
    let key = fields.get("key").and_then(|key| sheet.text(key, "key")).filter(|key| !key.is_empty());
    let Some(key) = key else {
        sheet.problem(node.spot, "this condition has no `key`; write one such as source.namespace");
        return;
    };
    let with_name = KEYS_OF.iter().any(|start| {
        let inside = key.strip_prefix(start).and_then(|rest| rest.strip_suffix(']'));
        inside.and_then(|rest| rest.split_once('[')).is_some_and(|(_, name)| !name.is_empty())
    });
    if !with_name && !KEYS.contains(&key) {
        sheet
            .problem(node.spot, format!("unknown key `{key}` of a condition; write one such as {}", KEYS[2]));
    }
    let values: Vec<_> =
        ["values", "notValues"].iter().flat_map(|field| texts(sheet, fields, field)).collect();
    if values.is_empty() {
        sheet.problem(
            node.spot,
            format!("this condition has no values for `{key}`; list some under `values`"),
        );
    }
}

/// The texts of a list, none of which may be empty.
fn texts(sheet: &mut Sheet, fields: Fields<'_>, field: &str) -> Vec<((u32, u32), String)> {
    let Some(node) = fields.get(field) else { return Vec::new() };
    let items = sheet.list(node, field);
    not_empty(sheet, node, field);
    let mut texts = Vec::new();
    for item in items {
        let Some(text) = sheet.text(item, field) else { continue };
        if text.is_empty() {
            sheet
                .problem(item.spot, format!("`{field}` has an empty text, which means nothing; take it out"));
        }
        texts.push((item.spot, text.to_owned()));
    }
    texts
}

/// A list that is there and empty is a problem: to Istio it is as if it were not there, which is seldom meant.
fn not_empty(sheet: &mut Sheet, node: &Node, field: &str) {
    if node.items().is_empty() && matches!(node.value, Value::List(_)) {
        sheet.problem(
            node.spot,
            format!("`{field}` is empty and would match nothing; take it out, or list something"),
        );
    }
}
