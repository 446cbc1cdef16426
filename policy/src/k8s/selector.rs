//! Label selectors (`LabelSelector` of `k8s.io/apimachinery`, meta/v1).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use watershed_model::Labels;

/// Selects by labels: every requirement must hold; none selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Selector {
    /// `matchLabels` as `In` with one value, and `matchExpressions`; in order of the file.
    pub requirements: Vec<Requirement>,
}

/// One requirement on one label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Requirement {
    /// The label's key.
    pub key: String,
    /// What must hold.
    pub operator: Operator,
}

/// What must hold for a label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operator {
    /// The label has one of these values.
    In(BTreeSet<String>),
    /// The label is absent or has none of these values.
    NotIn(BTreeSet<String>),
    /// The label is there.
    Exists,
    /// The label is absent.
    DoesNotExist,
}

impl Requirement {
    fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        match &self.operator {
            Operator::In(values) => value.is_some_and(|value| values.contains(value)),
            Operator::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

impl Selector {
    /// Whether something with `labels` is selected.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.requirements.iter().all(|requirement| requirement.matches(labels))
    }

    /// The key of a label on which no value, nor its absence, can satisfy every requirement: then nothing is
    /// ever selected.
    #[must_use]
    pub fn contradiction(&self) -> Option<&str> {
        // One requirement alone can be met, unless it asks for one of no values.
        let alone = |requirement: &Requirement| match &requirement.operator {
            Operator::In(values) => !values.is_empty(),
            Operator::NotIn(_) | Operator::Exists | Operator::DoesNotExist => true,
        };
        if self.requirements.len() < 2 && self.requirements.iter().all(alone) {
            return None;
        }
        let mut keys: BTreeMap<&str, Vec<&Requirement>> = BTreeMap::new();
        for requirement in &self.requirements {
            keys.entry(&requirement.key).or_default().push(requirement);
        }
        keys.into_iter().find(|(key, all)| !satisfiable(key, all)).map(|(key, _)| key)
    }
}

/// Whether absence, one of the values named by `In`, or a value named nowhere satisfies all requirements.
fn satisfiable(key: &str, requirements: &[&Requirement]) -> bool {
    let holds = |labels: &Labels| requirements.iter().all(|requirement| requirement.matches(labels));
    let named = requirements.iter().filter_map(|requirement| match &requirement.operator {
        Operator::In(values) => Some(values),
        _ => None,
    });
    // No label value holds a blank: this one is named nowhere.
    let with = |value: &str| Labels::from([(key.to_owned(), value.to_owned())]);
    holds(&Labels::new()) || holds(&with(" ")) || named.flatten().any(|value| holds(&with(value)))
}

/// `app=web, tier in (a, b), !legacy`; `everything` where there are no requirements.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.requirements.is_empty() {
            return f.write_str("everything");
        }
        for (index, requirement) in self.requirements.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            requirement.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        let list = |values: &BTreeSet<String>| values.iter().cloned().collect::<Vec<_>>().join(", ");
        match &self.operator {
            Operator::In(values) if values.len() == 1 => write!(f, "{key}={}", list(values)),
            Operator::In(values) => write!(f, "{key} in ({})", list(values)),
            Operator::NotIn(values) => write!(f, "{key} not in ({})", list(values)),
            Operator::Exists => f.write_str(key),
            Operator::DoesNotExist => write!(f, "!{key}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requirement(key: &str, operator: Operator) -> Requirement {
        Requirement { key: key.into(), operator }
    }

    fn values(values: &[&str]) -> BTreeSet<String> {
        values.iter().map(|&value| value.to_owned()).collect()
    }

    #[test]
    fn not_in_holds_where_the_label_is_absent() {
        let selector = |operator| Selector { requirements: vec![requirement("a", operator)] };
        let (none, one) = (Labels::new(), Labels::from([("a".to_owned(), "1".to_owned())]));
        let both = |operator| {
            let selector = selector(operator);
            (selector.matches(&none), selector.matches(&one))
        };
        assert_eq!(both(Operator::NotIn(values(&["1"]))), (true, false));
        assert_eq!(both(Operator::In(values(&["1", "2"]))), (false, true));
        assert_eq!(both(Operator::Exists), (false, true));
        assert_eq!(both(Operator::DoesNotExist), (true, false));
        assert!(Selector::default().matches(&none));
    }

    #[test]
    fn contradictions_are_seen() {
        let contradicts = |operators: &[Operator]| {
            let requirements = operators.iter().map(|operator| requirement("a", operator.clone())).collect();
            Selector { requirements }.contradiction().is_some()
        };
        let is = |text: &[&str]| Operator::In(values(text));
        assert!(contradicts(&[is(&["1"]), is(&["2"])]));
        assert!(contradicts(&[is(&["1"]), Operator::NotIn(values(&["1", "2"]))]));
        assert!(contradicts(&[Operator::Exists, Operator::DoesNotExist]));
        assert!(contradicts(&[is(&["1"]), Operator::DoesNotExist]));
        assert!(!contradicts(&[is(&["1", "2"]), is(&["2", "3"]), Operator::Exists]));
        assert!(!contradicts(&[Operator::NotIn(values(&["1"])), Operator::Exists]));
        assert!(!contradicts(&[]));
    }
}
