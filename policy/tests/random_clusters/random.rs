//! Pods and NetworkPolicies at random.

use watershed_model::{Labels, Protocol};
use watershed_policy::k8s::{NamedPort, Pod};

use super::NAMESPACES;

/// Makes everything at random.
pub(crate) struct Random(pub(crate) fastrand::Rng);

impl Random {
    pub(crate) fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.0.usize(..of.len())]
    }

    pub(crate) fn pod(&mut self, at: usize) -> Pod {
        let mut labels = Labels::from([("zone".to_owned(), self.one(&["north", "south"]).to_owned())]);
        for (key, values) in [("app", ["a", "b", ""]), ("tier", ["x", "z", ""])] {
            let value = self.one(&values);
            if !value.is_empty() {
                labels.insert(key.into(), value.into());
            }
        }
        let address = match self.0.bool() {
            true => format!("10.0.{}.{}", self.0.u8(..2), at + 1),
            false => format!("fd00:{}::{}", self.0.u8(1..3), at + 1),
        };
        let web = [80, 8080][self.0.usize(..2)];
        let named = [("web", Protocol::TCP, web), ("dns", Protocol::UDP, 53), ("s1ap", Protocol::SCTP, 9900)];
        let mut ports: Vec<_> = named
            .into_iter()
            .map(|(name, protocol, port)| NamedPort { name: name.into(), protocol, port })
            .collect();
        ports.truncate(self.0.usize(..4));
        Pod {
            namespace: NAMESPACES[self.0.usize(..3)].0.into(),
            name: format!("p{at}"),
            labels,
            addresses: vec![address.parse().expect("an address")],
            ports,
            ..Pod::default()
        }
    }

    pub(crate) fn selector(&mut self) -> &'static str {
        self.one(&[
            "{}",
            "{matchLabels: {app: a}}",
            "{matchLabels: {app: b, tier: z}}",
            "{matchExpressions: [{key: app, operator: In, values: [a, b]}]}",
            "{matchExpressions: [{key: zone, operator: NotIn, values: [north]}]}",
            "{matchExpressions: [{key: tier, operator: DoesNotExist}]}",
            "{matchLabels: {tier: x}, matchExpressions: [{key: app, operator: Exists}]}",
        ])
    }

    pub(crate) fn namespaces(&mut self) -> &'static str {
        self.one(&[
            "{}",
            "{matchLabels: {team: red}}",
            "{matchLabels: {kubernetes.io/metadata.name: two}}",
            "{matchExpressions: [{key: team, operator: NotIn, values: [red]}]}",
        ])
    }

    fn peer(&mut self) -> String {
        match self.0.usize(..5) {
            0 => format!("{{podSelector: {}}}", self.selector()),
            1 => format!("{{namespaceSelector: {}}}", self.namespaces()),
            2 => {
                format!("{{namespaceSelector: {}, podSelector: {}}}", self.namespaces(), self.selector())
            }
            _ => {
                let blocks = [
                    "{cidr: 198.51.100.0/24}",
                    "{cidr: 198.51.100.0/24, except: [198.51.100.16/28, 198.51.100.1/32]}",
                    "{cidr: 0.0.0.0/0}",
                    "{cidr: 0.0.0.0/0, except: [10.0.1.0/24]}",
                    "{cidr: 10.0.0.0/24}",
                    "{cidr: 203.0.113.7/32}",
                    "{cidr: \"::/0\"}",
                    "{cidr: \"::/0\", except: [\"fd00:1::/32\"]}",
                    "{cidr: \"2001:db8::/32\", except: [\"2001:db8:0:1::/64\"]}",
                    "{cidr: \"fd00:2::/32\"}",
                ];
                format!("{{ipBlock: {}}}", self.one(&blocks))
            }
        }
    }

    fn rule(&mut self, side: &str) -> String {
        let mut parts = Vec::new();
        if self.0.usize(..6) > 0 {
            let peers: Vec<_> = (0..self.0.usize(..3)).map(|_| self.peer()).collect();
            parts.push(format!("{side}: [{}]", peers.join(", ")));
        }
        if self.0.usize(..4) > 0 {
            let ports = [
                "{}",
                "{protocol: UDP}",
                "{protocol: SCTP}",
                "{port: 80}",
                "{port: 443, protocol: SCTP}",
                "{port: 80, endPort: 443}",
                "{port: 53, endPort: 80, protocol: UDP}",
                "{port: 81, endPort: 65535}",
                "{port: web}",
                "{port: web, protocol: UDP}",
                "{port: dns, protocol: UDP}",
                "{port: s1ap, protocol: SCTP}",
            ];
            let ports: Vec<_> = (0..self.0.usize(..3)).map(|_| self.one(&ports)).collect();
            parts.push(format!("ports: [{}]", ports.join(", ")));
        }
        format!("{{{}}}", parts.join(", "))
    }

    pub(crate) fn policy(&mut self, at: usize) -> String {
        let mut parts = vec![format!("podSelector: {}", self.selector())];
        let types = self.one(&["", "[]", "[Ingress]", "[Egress]", "[Ingress, Egress]"]);
        if !types.is_empty() {
            parts.push(format!("policyTypes: {types}"));
        }
        for (key, side) in [("ingress", "from"), ("egress", "to")] {
            if self.0.usize(..3) > 0 {
                let rules: Vec<_> = (0..self.0.usize(..3)).map(|_| self.rule(side)).collect();
                parts.push(format!("{key}: [{}]", rules.join(", ")));
            }
        }
        policy(&format!("p{at}"), NAMESPACES[self.0.usize(..3)].0, &parts.join(", "))
    }
}

pub(crate) fn policy(name: &str, namespace: &str, spec: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {{{spec}}}\n"
    )
}
