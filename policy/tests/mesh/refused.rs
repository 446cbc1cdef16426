//! Policies with one mistake each, as the text after `spec:`. An annotation stands before `|`.

/// What Istio's admission refuses, and our reader.
pub(crate) const BY_BOTH: [&str; 59] = [
    "{selector: {matchLabels: {app: 1}}}",
    "{rules: [{to: [{operation: {ports: [80]}}]}]}",
    "{action: DENY}",
    "{action: DENY, rules: []}",
    "{action: allow}",
    "{action: BLOCK}",
    "{rule: []}",
    "{provider: {name: x}}",
    "{action: DENY, provider: {name: x}, rules: [{}]}",
    "yes|{rules: [{}]}",
    "2|{rules: [{}]}",
    "tRUE|{rules: [{}]}",
    "true|{action: AUDIT, rules: [{}]}",
    "false|{action: AUDIT, rules: [{}]}",
    "true|{action: CUSTOM, provider: {name: x}, rules: [{}]}",
    "{selector: {matchLabels: {app: \"*\"}}}",
    "{selector: {matchLabels: {app: \"a*\"}}}",
    "{selector: {matchLabels: {\"a*\": a}}}",
    "{selector: {matchLabels: {\"\": a}}}",
    "{selector: {matchExpressions: [{key: a, operator: Exists}]}}",
    "{selector: {app: a}}",
    "{rules: [{from: [{}]}]}",
    "{rules: [{from: [{source: {}}]}]}",
    "{rules: [{from: [{source: {ipBlocks: []}}]}]}",
    "{rules: [{from: [{source: {notIpBlocks: []}}]}]}",
    "{rules: [{from: [{source: {namespaces: []}}]}]}",
    "{rules: [{from: [{source: {principal: [a]}}]}]}",
    "{rules: [{from: [{source: {principals: [\"\"]}}]}]}",
    "{rules: [{from: [{source: {notPrincipals: [a, \"\"]}}]}]}",
    "{rules: [{from: [{source: {namespaces: [\"\"]}}]}]}",
    "{rules: [{from: [{source: {requestPrincipals: [\"\"]}}]}]}",
    "{rules: [{from: [{source: {ipBlocks: [10.0.0.0/33]}}]}]}",
    "{rules: [{from: [{source: {ipBlocks: [10.0.0]}}]}]}",
    "{rules: [{from: [{source: {ipBlocks: [\"\"]}}]}]}",
    "{rules: [{from: [{source: {notIpBlocks: [shop.example]}}]}]}",
    "{rules: [{from: [{source: {ipBlocks: [010.0.0.1]}}]}]}",
    "{rules: [{from: [{source: {remoteIpBlocks: [10.0.0.0/40]}}]}]}",
    "{rules: [{from: [{source: {serviceAccounts: [\"*\"]}}]}]}",
    "{rules: [{from: [{source: {serviceAccounts: [a/b/c]}}]}]}",
    "{rules: [{from: [{source: {serviceAccounts: [/a]}}]}]}",
    "{rules: [{from: [{source: {notServiceAccounts: [a/]}}]}]}",
    "{rules: [{from: [{source: {serviceAccounts: [a], namespaces: [b]}}]}]}",
    "{rules: [{from: [{source: {serviceAccounts: [a], notPrincipals: [b]}}]}]}",
    "{rules: [{from: [{source: {serviceAccounts: [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q]}}]}]}",
    "{rules: [{from: [{source: {trustDomains: [\"a*b\"]}}]}]}",
    "{rules: [{from: [{source: {trustDomains: [\"**\"]}}]}]}",
    "{rules: [{from: [{source: {notTrustDomains: [a/b]}}]}]}",
    "{rules: [{to: [{}]}]}",
    "{rules: [{to: [{operation: {}}]}]}",
    "{rules: [{to: [{operation: {ports: [\"80-90\"]}}]}]}",
    "{rules: [{to: [{operation: {ports: [\"+80\"]}}]}]}",
    "{rules: [{to: [{operation: {ports: [\"65536\"]}}]}]}",
    "{rules: [{to: [{operation: {notPorts: [http]}}]}]}",
    "{rules: [{to: [{operation: {methods: [\"\"]}}]}]}",
    "{rules: [{when: [{values: [a]}]}]}",
    "{rules: [{when: [{key: source.namespace}]}]}",
    "{rules: [{when: [{key: source.name, values: [a]}]}]}",
    "{rules: [{when: [{key: \"request.headers[]\", values: [a]}]}]}",
    "{rules: [{when: [{key: source.namespace, values: [\"\"]}]}]}",
];

/// What Istio takes and our reader refuses, since it is seldom meant.
pub(crate) const BY_US: [&str; 6] = [
    // The host bits say nothing.
    "{rules: [{from: [{source: {ipBlocks: [10.0.0.1/8]}}]}]}",
    // A list that is empty is as if it were not there.
    "{rules: [{from: [{source: {namespaces: [a], principals: []}}]}]}",
    "{rules: [{to: [{operation: {ports: [\"80\"], notPorts: []}}]}]}",
    // There is no such port.
    "{rules: [{to: [{operation: {ports: [\"0\"]}}]}]}",
    // No pod can have such a label.
    "{selector: {matchLabels: {app: \"a b\"}}}",
    "{selector: {matchLabels: {\"a b\": a}}}",
];

/// What Istio refuses and our reader takes: it is not evaluated.
pub(crate) const BY_ISTIO: [&str; 7] = [
    "{action: CUSTOM}",
    "{action: CUSTOM, rules: [{}]}",
    "{action: CUSTOM, provider: {name: x}, rules: [{from: [{source: {namespaces: [a]}}]}]}",
    "{rules: [{to: [{operation: {paths: [\"/{**}/{*}\"]}}]}]}",
    "{rules: [{when: [{key: source.ip, values: [10.0.0]}]}]}",
    "{rules: [{when: [{key: destination.port, values: [http]}]}]}",
    "{selector: {matchLabels: {app: a}}, targetRefs: [{kind: Gateway, name: x}]}",
];
