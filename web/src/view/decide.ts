// Approve, reject or comment on a rule.

import type { App } from "../app";
import { button, h } from "../dom";
import { plain, plural } from "../format";
import { MAX_COMMENT, sentence } from "../model/decisions";
import { section } from "./parts";

/** The form for one rule. */
export function decision(app: App, rule: string): HTMLElement {
  const { decisions } = app;
  const said = decisions.said.get(rule);
  const { told } = decisions;
  const comment = h("textarea", { id: "comment", rows: 2, maxlength: MAX_COMMENT, input: (event) => decisions.drafts.set(rule, (event.target as HTMLTextAreaElement).value) }) as HTMLTextAreaElement;
  comment.value = decisions.draft(rule);
  const act = (text: string, what: "approved" | "rejected" | undefined) =>
    button(text, () => void decisions.decide(rule, what), { "aria-pressed": what && String(said?.decision === what) });
  return section("Decision",
    h("p", { class: said?.decision ?? "muted" }, said ? plain(upper(sentence(said))) : app.served ? "Nothing was decided yet." : "Nothing was decided on this page yet."),
    h("div", { class: "form" },
      h("label", { for: "comment" }, "Comment"), comment,
      ...who(app)),
    h("p", { class: "choice" }, act("Approve", "approved"), act("Reject", "rejected"), act("Comment only", undefined)),
    told.rule === rule ? h("p", { class: told.wrong ? "warn-text" : "muted", role: "status" }, plain(told.text)) : null,
    kept(app));
}

/** Who decides: a server has it from a token, a file from a name. */
function who(app: App): Node[] {
  const { decisions, served } = app;
  const typed = (event: Event) => {
    const { value } = event.target as HTMLInputElement;
    if (served) decisions.token = value.trim();
    else decisions.by = value.trim();
  };
  const field = h("input", { id: "decider", type: served ? "password" : "text", autocomplete: "off", spellcheck: "false", maxlength: 200, input: typed }) as HTMLInputElement;
  field.value = served ? decisions.token : decisions.by;
  return [h("label", { for: "decider" }, served ? "Token" : "Your name"), field];
}

/** What this page keeps, and how to take it away; nothing where a server has it. */
export function kept(app: App): HTMLElement | null {
  const { decisions, served } = app;
  if (served || decisions.said.size === 0) return null;
  return h("p", {}, button("Download decisions.yaml", () => decisions.download(), { class: "primary" }), h("span", { class: "muted" }, ` ${plural(decisions.said.size, "rule")}`));
}

function upper(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
