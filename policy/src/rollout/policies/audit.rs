//! What to do for Cilium to show what a step would deny before it denies it.
//!
//! Cilium has no staged policy. In audit mode, which is a switch of each endpoint, it lets everything pass and tells
//! what it would have denied. Source: Cilium's documentation, "Creating Policies from Verdicts".

use std::fmt::Write as _;

use watershed_model::Labels;

/// Letters of a name in the notes.
const NAME: usize = 400;

/// The notes for pods of namespaces, by their labels.
pub(super) fn notes(unit: &str, pods: &[(&str, &Labels)]) -> String {
    let unit = crate::text::printable(unit, NAME);
    let mut text = format!(
        "Shows what enforcing {unit} would deny, and denies nothing: policy audit mode of Cilium.\n\n\
         1. Turn audit mode on for each of its pods, before apply.yaml. It is set at the endpoint, by the agent of\n\
         \u{20}  the pod's node. A pod that starts later does not have it: start none, or repeat this for it first.\n\
         \u{20}  While it is on, no policy is enforced for these pods, those of other steps and people neither.\n\n"
    );
    pods.iter().for_each(|(namespace, labels)| switch(&mut text, namespace, labels, "Enabled"));
    text.push_str(
        "2. Apply the step. The policies are in force and deny nothing of these pods.\n\n\
         \u{20}    kubectl apply -f apply.yaml\n\n\
         3. Read the verdicts, for as long as the slowest job needs: AUDIT is what would have been denied.\n\n",
    );
    let namespaces: std::collections::BTreeSet<&str> = pods.iter().map(|(namespace, _)| *namespace).collect();
    for namespace in namespaces {
        // Writing to a String does not fail.
        let _ = writeln!(
            text,
            "     hubble observe --type policy-verdict --verdict AUDIT --namespace {namespace} --follow"
        );
    }
    text.push_str(
        "\n   Audit mode speaks of addresses, ports and identities, and not of what is inside a request.\n\
         \u{20}  What is wanted: export again with it, and repeat from 2. To give up: kubectl apply -f revert.yaml.\n\n\
         4. End it. From now on the step denies.\n\n",
    );
    pods.iter().for_each(|(namespace, labels)| switch(&mut text, namespace, labels, "Disabled"));
    text
}

/// The commands that set audit mode for the pods with some labels.
fn switch(text: &mut String, namespace: &str, labels: &Labels, mode: &str) {
    let selector: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let selector = match selector.is_empty() {
        true => String::new(),
        false => format!(" -l '{}'", selector.join(",")),
    };
    let _ = write!(
        text,
        r#"     kubectl -n {namespace} get pods{selector} -o jsonpath='{{range .items[*]}}{{.metadata.name}} {{.spec.nodeName}}{{"\n"}}{{end}}' |
     while read -r pod node; do
       id=$(kubectl -n {namespace} get ciliumendpoint "$pod" -o jsonpath='{{.status.id}}')
       agent=$(kubectl -n kube-system get pods -l k8s-app=cilium --field-selector "spec.nodeName=$node" -o name)
       kubectl -n kube-system exec "$agent" -c cilium-agent -- cilium-dbg endpoint config "$id" PolicyAuditMode={mode}
     done

"#
    );
}
