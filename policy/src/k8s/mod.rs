//! Kubernetes NetworkPolicy (`networking.k8s.io/v1`): read from manifests and evaluated with its own
//! semantics.
//!
//! [`Manifests::read`] makes typed policies of YAML, and of the pods and namespaces beside them the [`World`]
//! they are for. [`Evaluator`] tells which connections they allow between two ends of that world. Source:
//! the documentation of the API (`k8s.io/api/networking/v1`) and the conformance tests of Kubernetes.

mod problem;

pub(crate) mod yaml;

mod selector;

mod policy;

mod world;

pub(crate) mod read;

mod connections;

mod evaluate;

mod indexed;

mod loaded;

pub use connections::{Connections, PROTOCOLS};
pub use evaluate::{Blocks, End, Evaluator, Isolation};
pub(crate) use indexed::{AT_ONCE, Indexed};
pub use policy::{Direction, NetworkPolicy, Peer, PeerKind, PolicyRule, PortMatch, Ports};
pub use problem::{MAX_PROBLEMS, Place, Problem, Problems};
pub use read::Manifests;
pub use selector::{Operator, Requirement, Selector};
pub use world::{NAMESPACE_NAME, NamedPort, Pod, World};
