//! Every dialect with its export and its proof.

use watershed_model::Edge;
use watershed_policy::export::calico::{self, Form};
use watershed_policy::export::directory::Directory;
use watershed_policy::export::istio::{self, Sayable};
use watershed_policy::export::nftables::{self, Nftables};
use watershed_policy::export::{cilium, cluster, kubernetes};
use watershed_policy::mine::{Census, Level, mine};
use watershed_policy::nft::Hook;
use watershed_policy::proof::kubernetes::{prove, prove_cilium, prove_cluster};
use watershed_policy::proof::{self, calico as proof_calico, istio as proof_istio};
use watershed_policy::{Error, RuleSet};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Nftables,
    Kubernetes,
    ClusterNetworkPolicy,
    Cilium,
    Calico,
    CalicoStaged,
    Istio,
}

/// What was written in a dialect.
pub(crate) enum Export {
    Rules(Box<Nftables>),
    Policies(Dialect, Directory),
}

/// What the defects need of a certificate.
pub(crate) struct Proven {
    pub(crate) input_sha256: String,
}

impl Dialect {
    pub(crate) const ALL: [Self; 7] = [
        Self::Nftables,
        Self::Kubernetes,
        Self::ClusterNetworkPolicy,
        Self::Cilium,
        Self::Calico,
        Self::CalicoStaged,
        Self::Istio,
    ];

    /// What is written of these edges.
    pub(crate) fn export(self, edges: &[Edge]) -> Export {
        if self == Self::Nftables {
            let rules = RuleSet::from_edges(edges, &[]).expect("rules");
            return Export::Rules(Box::new(nftables::export(&rules, Hook::Forward)));
        }
        let census = Census::of(edges, &[]).expect("a census");
        let plan = mine(&census, Level::Service);
        let export = match self {
            Self::Nftables | Self::Kubernetes => kubernetes::export(&census, &plan),
            Self::ClusterNetworkPolicy => cluster::export(&census, &plan),
            Self::Cilium => cilium::export(&census, &plan),
            Self::Calico => calico::export(&census, &plan, Form::Enforced),
            Self::CalicoStaged => calico::export(&census, &plan, Form::Staged),
            Self::Istio => istio::export(&census, &Sayable::of(&census, plan)),
        };
        Export::Policies(self, export.expect("policies"))
    }
}

impl Export {
    /// Holds what is written against these edges.
    pub(crate) fn proof(&self, edges: &[Edge]) -> Result<Proven, Error> {
        let (dialect, export) = match self {
            Self::Rules(rules) => {
                let input_sha256 = proof::prove(edges, rules, "test")?.input_sha256;
                return Ok(Proven { input_sha256 });
            }
            Self::Policies(dialect, export) => (*dialect, export),
        };
        let census = Census::of(edges, &[]).expect("a census");
        let plan = mine(&census, Level::Service);
        let certificate = match dialect {
            Dialect::Nftables | Dialect::Kubernetes => prove(&census, &plan, export, "test"),
            Dialect::ClusterNetworkPolicy => prove_cluster(&census, &plan, export, "test"),
            Dialect::Cilium => prove_cilium(&census, &plan, export, "test"),
            Dialect::Calico => proof_calico::prove(Form::Enforced, &census, &plan, export, "test"),
            Dialect::CalicoStaged => proof_calico::prove(Form::Staged, &census, &plan, export, "test"),
            Dialect::Istio => proof_istio::prove(&census, &Sayable::of(&census, plan), export, "test"),
        };
        certificate.map(|certificate| Proven { input_sha256: certificate.input_sha256 })
    }

    /// The same with every text changed.
    pub(crate) fn rewritten(&self, change: &dyn Fn(&str) -> String) -> Self {
        match self {
            Self::Rules(rules) => {
                let mut rules = rules.clone();
                rules.allow = change(&rules.allow);
                Self::Rules(rules)
            }
            Self::Policies(dialect, export) => {
                let mut export = export.clone();
                export.files.values_mut().for_each(|text| *text = change(text));
                Self::Policies(*dialect, export)
            }
        }
    }

    pub(crate) fn text(&self) -> String {
        match self {
            Self::Rules(rules) => rules.allow.clone(),
            Self::Policies(_, export) => {
                export.files.iter().map(|(path, text)| format!("# {path}\n{text}")).collect()
            }
        }
    }
}
