//! Which pods a selector means, quickly: by the labels that it asks for.

use std::cell::RefCell;
use std::collections::HashMap;

use watershed_model::Labels;

use super::Pods;
use crate::k8s::{NAMESPACE_NAME, Operator, Requirement, Selector, World};

/// Pods by the labels that a dialect sees on them.
pub(crate) struct Selection {
    /// For each pod; `None` for one that no selector means.
    labels: Vec<Option<Labels>>,
    of_label: HashMap<(String, String), Vec<usize>>,
    known: RefCell<HashMap<Selector, Pods>>,
}

impl Selection {
    /// Takes the labels of each pod in order; `None` for one that no selector means.
    pub(crate) fn of(labels: impl Iterator<Item = Option<Labels>>) -> Self {
        let labels: Vec<Option<Labels>> = labels.collect();
        let mut of_label: HashMap<(String, String), Vec<usize>> = HashMap::new();
        for (at, labels) in labels.iter().enumerate() {
            for (key, value) in labels.iter().flatten() {
                of_label.entry((key.clone(), value.clone())).or_default().push(at);
            }
        }
        Self { labels, of_label, known: RefCell::default() }
    }

    /// The pods that `selector` means.
    pub(crate) fn select(&self, selector: &Selector) -> Pods {
        if let Some(known) = self.known.borrow().get(selector) {
            return Pods::clone(known);
        }
        let matches = |&at: &usize| self.labels[at].as_ref().is_some_and(|labels| selector.matches(labels));
        // The requirement that fewest pods meet is looked up, the others are checked.
        let asked = selector.requirements.iter().filter_map(|requirement| match &requirement.operator {
            Operator::In(values) => {
                let of = |value: &String| self.of_label.get(&(requirement.key.clone(), value.clone()));
                Some(values.iter().filter_map(of).flatten().copied().collect::<Vec<usize>>())
            }
            _ => None,
        });
        let mut pods: Vec<usize> = match asked.min_by_key(Vec::len) {
            Some(few) => few.into_iter().filter(matches).collect(),
            None => (0..self.labels.len()).filter(matches).collect(),
        };
        pods.sort_unstable();
        let pods: Pods = pods.into();
        self.known.borrow_mut().insert(selector.clone(), Pods::clone(&pods));
        pods
    }
}

/// What labels of a namespace are called among those of its pods: no label of a pod has a colon in its key.
const OF_NAMESPACE: &str = "namespace:";

impl Selection {
    /// Pods by their own labels and those of their namespaces; none on its node's network.
    pub(crate) fn of_world(world: &World) -> Self {
        Self::of(world.pods().iter().map(|pod| {
            let of_namespace = world.namespaces().get(&pod.namespace).into_iter().flatten();
            let of_namespace =
                of_namespace.map(|(key, value)| (format!("{OF_NAMESPACE}{key}"), value.clone()));
            (!pod.host_network).then(|| {
                let own = pod.labels.iter().map(|(key, value)| (key.clone(), value.clone()));
                own.chain(of_namespace).collect()
            })
        }))
    }

    /// The pods that both selectors mean.
    pub(crate) fn in_namespaces(&self, namespaces: &Selector, pods: &Selector) -> Pods {
        let of_namespace = |requirement: &Requirement| Requirement {
            key: format!("{OF_NAMESPACE}{}", requirement.key),
            operator: requirement.operator.clone(),
        };
        let namespaces = namespaces.requirements.iter().map(of_namespace);
        self.select(&Selector { requirements: namespaces.chain(pods.requirements.iter().cloned()).collect() })
    }

    /// The pods of one namespace that `pods` means.
    pub(crate) fn in_namespace(&self, name: &str, pods: &Selector) -> Pods {
        let operator = Operator::In([name.to_owned()].into());
        let namespace = Requirement { key: NAMESPACE_NAME.to_owned(), operator };
        self.in_namespaces(&Selector { requirements: vec![namespace] }, pods)
    }
}
