//! Selectors that are right, and what is said of those that are not.

use proptest::prelude::*;
use watershed_model::Labels;

use super::{Anywhere, Expression};

fn matches(selector: &str, labels: &str) -> bool {
    let pair = |pair: &str| pair.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    let labels: Labels = labels.split_whitespace().filter_map(pair).collect();
    let expression = Expression::parse(selector).unwrap_or_else(|mistake| panic!("{selector}: {mistake:?}"));
    let again = Expression::parse(&expression.to_string()).unwrap();
    let it = Anywhere { labels: &labels, global: false };
    assert_eq!(expression.matches(&it), again.matches(&it), "{selector} is written as {expression}");
    expression.matches(&it)
}

#[test]
fn absence_is_unequal_and_not_in() {
    for (selector, none, web, api) in [
        ("app == 'web'", false, true, false),
        ("app != 'web'", true, false, true),
        ("app in {'web', 'db'}", false, true, false),
        ("app not in {'web', 'db'}", true, false, true),
        ("app in {}", false, false, false),
        ("app in {'web',}", false, true, false),
        ("has(app)", false, true, true),
        ("!has(app)", true, false, false),
        ("app contains 'e'", false, true, false),
        ("app starts with \"a\"", false, false, true),
        ("app ends   with 'b'", false, true, false),
        ("all()", true, true, true),
        ("", true, true, true),
        ("!!all( )", true, true, true),
        ("app=='web'&&has( app )", false, true, false),
    ] {
        let found = (matches(selector, ""), matches(selector, "app=web"), matches(selector, "app=api"));
        assert_eq!(found, (none, web, api), "{selector}");
    }
}

#[test]
fn and_binds_more_than_or_and_not_more_than_both() {
    assert!(matches("a == '1' || b == '1' && c == '1'", "a=1"));
    assert!(!matches("(a == '1' || b == '1') && c == '1'", "a=1"));
    assert!(matches("!a == '1' && b == '1'", "b=1"));
    assert!(!matches("!(a == '1' || b == '1')", "b=1"));
}

#[test]
fn labels_may_be_called_like_operators() {
    assert!(matches("in in {'in'} && not not in {'in'} && has(has) && all == 'x'", "in=in has=1 all=x"));
    assert!(matches("example.com/a_b-c == 'it\"s'", "example.com/a_b-c=it\"s"));
}

#[test]
fn mistakes_are_told_with_their_place() {
    for (selector, offset, message) in [
        ("app = 'web'", 4, "expected ==, !=, in"),
        ("app == web", 7, "expected a value in quotes, found `web`"),
        ("app == 'web", 7, "this value has no end; close it with '"),
        ("app", 3, "expected an operator such as == after the label `app`, found the end"),
        ("app == 'a' tier == 'b'", 11, "`tier` does not belong here; write && or ||"),
        ("(app == 'a'", 11, "expected `)`, found the end"),
        ("app in 'a'", 7, "expected values in braces such as {'a', 'b'}, found 'a'"),
        ("app in {'a' 'b'}", 12, "expected a value in quotes, or `}`, found 'b'"),
        ("app not {'a'}", 8, "`not` wants `in` after it"),
        ("has()", 4, "has() wants the key of a label"),
        ("has(a b)", 6, "expected `)` after the key"),
        ("all(1)", 4, "all() takes nothing"),
        ("&& has(a)", 0, "expected a label, has(), all(), global() or `(`, found `&&`"),
        ("has(a) & has(b)", 7, "a single `&`; write &&"),
        ("ü == 'a'", 0, "`ü` begins nothing that a selector knows"),
    ] {
        let mistake = Expression::parse(selector).unwrap_err();
        assert_eq!(mistake.offset, offset, "{selector}: {}", mistake.message);
        assert!(mistake.message.contains(message), "{selector}: {}", mistake.message);
    }
    assert!(Expression::parse(&"(".repeat(5000)).is_err());
    assert!(Expression::parse(&format!("{}has(a)", "!".repeat(5000))).is_ok());
}

#[test]
fn contradictions_are_seen() {
    let contradicts = |text: &str| Expression::parse(text).unwrap().is_contradiction();
    for text in ["a == '1' && a == '2'", "has(a) && !has(a)", "a in {'1'} && a not in {'1', '2'}", "a in {}"]
    {
        assert!(contradicts(text), "{text}");
    }
    for text in [
        "a == '1' || a == '2'",
        "a != '1' && a != '2'",
        "a contains 'x' && a == 'y'",
        "global()",
        "!global()",
    ] {
        assert!(!contradicts(text), "{text}");
    }
}

fn expression() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec!["a", "b", "in", "x/y"]);
    let value = prop::sample::select(vec!["'1'", "\"2\"", "''"]);
    let leaf = prop_oneof![
        (
            key.clone(),
            prop::sample::select(vec!["==", "!=", "contains", "starts with", "ends with"]),
            value.clone()
        )
            .prop_map(|(key, operator, value)| format!("{key} {operator} {value}")),
        (key.clone(), prop::sample::select(vec!["in", "not in"]), prop::collection::vec(value, 0..3))
            .prop_map(|(key, operator, values)| format!("{key} {operator} {{{}}}", values.join(", "))),
        key.prop_map(|key| format!("has({key})")),
        Just("all()".to_owned()),
    ];
    leaf.prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|one| format!("!({one})")),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|all| format!("({})", all.join(" && "))),
            prop::collection::vec(inner, 2..4).prop_map(|any| format!("({})", any.join(" || "))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, rng_seed: proptest::test_runner::RngSeed::Fixed(7), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_reads_back_as_itself(text in expression()) {
        let expression = Expression::parse(&text).unwrap();
        prop_assert_eq!(Expression::parse(&expression.to_string()).unwrap(), expression);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "[ a-c='\"(){}!&|,ü]{0,40}") {
        let _ = Expression::parse(&text);
    }
}
