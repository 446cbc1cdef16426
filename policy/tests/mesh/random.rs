//! Random meshes with random policies.

use watershed_model::Labels;
use watershed_policy::k8s::Pod;

use super::{Mesh, Who};

/// The last is that whose policies are for every namespace.
const NAMESPACES: [&str; 3] = ["one", "two", "istio-system"];

const ACCOUNTS: [&str; 4] = ["front", "back", "default", "sa"];

const OUTSIDE: [&str; 5] = ["198.51.100.20", "198.51.100.1", "203.0.113.7", "2001:db8::1", "2001:db9::1"];

const PORTS: [u16; 7] = [80, 81, 443, 8080, 9100, 1, 65535];

/// What rules may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fields {
    /// What is known of a connection.
    Connections,
    /// Requests and conditions too.
    Requests,
}

impl Mesh {
    pub(crate) fn random(seed: u64, fields: Fields) -> Self {
        let mut random = Random { dice: fastrand::Rng::with_seed(seed), fields };
        let mut ends: Vec<Who> = (0..random.dice.usize(2..5)).map(|at| Who::Pod(random.pod(at))).collect();
        if random.one_of(3) {
            let address = random.one(&["10.0.0.250", "10.0.9.9"]).parse().expect("an address");
            let pod = Pod { host_network: true, addresses: vec![address], ..random.pod(9) };
            ends.push(Who::Pod(pod));
        }
        for _ in 0..2 {
            ends.push(Who::Outside(random.one(&OUTSIDE).parse().expect("an address")));
        }
        let policies = (0..random.dice.usize(1..6)).map(|at| random.policy(at)).collect();
        let mut ports = PORTS.to_vec();
        random.dice.shuffle(&mut ports);
        ports.truncate(4);
        Self { ends, ports, policies }
    }
}

struct Random {
    dice: fastrand::Rng,
    fields: Fields,
}

impl Random {
    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.dice.usize(..of.len())]
    }

    /// Once in `times`.
    fn one_of(&mut self, times: u8) -> bool {
        self.dice.u8(..times) == 0
    }

    /// One to three of them, as a list.
    fn some(&mut self, of: &[&str]) -> String {
        let chosen: Vec<String> =
            (0..self.dice.usize(1..4)).map(|_| format!("\"{}\"", self.one(of))).collect();
        format!("[{}]", chosen.join(", "))
    }

    fn pod(&mut self, at: usize) -> Pod {
        let mut labels = Labels::new();
        for (key, values) in [("app", ["a", "b", ""]), ("tier", ["x", "z", ""])] {
            let value = self.one(&values);
            if !value.is_empty() {
                labels.insert(key.into(), value.into());
            }
        }
        let address = match self.dice.bool() {
            true => format!("10.0.{}.{}", self.dice.u8(..2), at + 1),
            false => format!("fd00:{}::{}", self.dice.u8(1..3), at + 1),
        };
        let account = self.one(&ACCOUNTS);
        let known =
            self.one(&["", "projectcalico.org/serviceaccount", "io.cilium.k8s.policy.serviceaccount"]);
        if !known.is_empty() {
            labels.insert(known.into(), account.into());
        }
        Pod {
            namespace: self.one(&NAMESPACES).into(),
            name: format!("p{at}"),
            labels,
            service_account: known.is_empty().then(|| account.into()),
            addresses: vec![address.parse().expect("an address")],
            ..Pod::default()
        }
    }

    /// Identities, by one kind of names: Istio takes accounts with neither of the others.
    fn identities(&mut self) -> Vec<String> {
        let principals = [
            "cluster.local/ns/one/sa/front",
            "cluster.local/ns/two/sa/back",
            "cluster.local/ns/istio-system/sa/default",
            "cluster.local/ns/one/sa/front-2",
            "example.org/ns/one/sa/front",
            "cluster.local/ns/one/*",
            "cluster.local/ns/o*",
            "cluster.local/*",
            "*/sa/back",
            "*/ns/two/sa/default",
            "*local/ns/one/sa/back",
            "clus*/ns/two/sa/front",
            "*/ns/one/sa/*",
            "*a",
            "*",
        ];
        let namespaces = [
            "one",
            "two",
            "istio-system",
            "on",
            "t*",
            "istio-*",
            "*o",
            "*ne",
            "*system",
            "*a",
            "*sa",
            "o*e",
            "*",
        ];
        let accounts =
            ["front", "back", "sa", "one/front", "two/back", "istio-system/default", "three/front"];
        let (yes, of): (&str, &[&str]) = match self.dice.u8(..3) {
            0 => ("principals", &principals),
            1 => ("namespaces", &namespaces),
            _ => ("serviceAccounts", &accounts),
        };
        let mut fields = Vec::new();
        if !self.one_of(4) {
            fields.push(format!("{yes}: {}", self.some(of)));
        }
        if fields.is_empty() || self.one_of(3) {
            let no = format!("not{}{}", yes[..1].to_uppercase(), &yes[1..]);
            fields.push(format!("{no}: {}", self.some(of)));
        }
        if self.one_of(4) {
            let domains = ["cluster.local", "example.org", "clu*", "*.local", "*"];
            let field = self.one(&["trustDomains", "notTrustDomains"]);
            fields.push(format!("{field}: {}", self.some(&domains)));
        }
        if yes == "principals" && self.one_of(3) {
            fields.push(format!("notNamespaces: {}", self.some(&namespaces)));
        }
        fields
    }

    fn source(&mut self) -> String {
        let blocks = [
            "10.0.0.0/24",
            "10.0.1.1",
            "10.0.1.2/32",
            "10.0.0.0/8",
            "198.51.100.0/24",
            "198.51.100.20",
            "0.0.0.0/0",
            "::/0",
            "2001:db8::/32",
            "fd00:1::/32",
            "fd00:2::1",
        ];
        let mut fields = if self.one_of(3) { Vec::new() } else { self.identities() };
        if fields.is_empty() || self.one_of(4) {
            let no = self.one(&["ipBlocks", "ipBlocks", "notIpBlocks"]);
            fields.push(format!("{no}: {}", self.some(&blocks)));
            if no == "ipBlocks" && self.one_of(3) {
                fields.push(format!("notIpBlocks: {}", self.some(&blocks)));
            }
        }
        if self.fields == Fields::Requests && self.one_of(3) {
            let blocks = self.some(&blocks);
            let one = ["remoteIpBlocks: ", "notRemoteIpBlocks: "].map(|field| format!("{field}{blocks}"));
            let others = ["requestPrincipals: [\"*\"]", "notRequestPrincipals: [\"issuer/me\"]"];
            fields.push(self.one(&[&one[0], &one[1], others[0], others[1]]).to_owned());
        }
        format!("{{source: {{{}}}}}", fields.join(", "))
    }

    fn operation(&mut self) -> String {
        let ports = ["80", "81", "443", "8080", "9100", "65535", "1", "82"];
        let mut fields = Vec::new();
        if !self.one_of(4) {
            fields.push(format!("ports: {}", self.some(&ports)));
        }
        if fields.is_empty() || self.one_of(4) {
            fields.push(format!("notPorts: {}", self.some(&ports)));
        }
        if self.fields == Fields::Requests && self.one_of(3) {
            let requests = ["methods: [GET]", "notPaths: [\"/health*\"]", "hosts: [\"*.example\"]"];
            fields.push(self.one(&requests).to_owned());
        }
        format!("{{operation: {{{}}}}}", fields.join(", "))
    }

    fn rule(&mut self) -> String {
        let mut parts = Vec::new();
        if !self.one_of(5) {
            let sources: Vec<String> = (0..self.dice.usize(1..3)).map(|_| self.source()).collect();
            parts.push(format!("from: [{}]", sources.join(", ")));
        }
        if !self.one_of(3) {
            let operations: Vec<String> = (0..self.dice.usize(1..3)).map(|_| self.operation()).collect();
            parts.push(format!("to: [{}]", operations.join(", ")));
        }
        if self.fields == Fields::Requests && self.one_of(3) {
            let conditions = [
                "{key: source.namespace, values: [one]}",
                "{key: source.ip, notValues: [\"10.0.0.0/24\"]}",
                "{key: \"request.headers[x-user]\", values: [a]}",
                "{key: destination.port, values: [\"80\"]}",
                "{key: connection.sni, notValues: [shop.example]}",
            ];
            parts.push(format!("when: [{}]", self.one(&conditions)));
        }
        format!("{{{}}}", parts.join(", "))
    }

    fn policy(&mut self, at: usize) -> String {
        let (namespace, mut parts) = (self.one(&NAMESPACES), Vec::new());
        let selectors = [
            "",
            "",
            "{}",
            "{matchLabels: {app: a}}",
            "{matchLabels: {app: b, tier: z}}",
            "{matchLabels: {tier: x}}",
        ];
        let selector = self.one(&selectors);
        if !selector.is_empty() {
            parts.push(format!("selector: {selector}"));
        }
        let action = self.one(&["", "ALLOW", "ALLOW", "ALLOW", "DENY", "DENY", "DENY", "AUDIT"]);
        if !action.is_empty() {
            parts.push(format!("action: {action}"));
        }
        // Without rules DENY is refused.
        let least = usize::from(action == "DENY");
        let rules: Vec<String> = (0..self.dice.usize(least..4)).map(|_| self.rule()).collect();
        if !rules.is_empty() || self.dice.bool() {
            parts.push(format!("rules: [{}]", rules.join(", ")));
        }
        // What logs cannot be a dry run.
        let dry = action != "AUDIT" && self.one_of(5);
        let annotations = match dry {
            true => format!(", annotations: {{istio.io/dry-run: \"{}\"}}", self.one(&["true", "1", "false"])),
            false => String::new(),
        };
        let version = self.one(&["v1", "v1beta1"]);
        format!(
            "apiVersion: security.istio.io/{version}\nkind: AuthorizationPolicy\n\
             metadata: {{name: p{at}, namespace: {namespace}{annotations}}}\nspec: {{{}}}\n",
            parts.join(", ")
        )
    }
}
