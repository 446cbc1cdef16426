//! What people decide about rules, from here into the file of decisions.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path as InPath, State};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;
use tokio::task;
use utoipa::ToSchema;
use watershed_policy::decisions::{Decision, Decisions, Said};

use super::answer::{PeriodQuery, Problem, Problems, Query};
use super::guard::Asker;
use super::loaded::Library;
use crate::clock;

/// Octets of the file that are read: many thousands of decisions.
const MAX_FILE: u64 = 16 << 20;

/// The file of decisions, one writer at a time.
#[derive(Clone, Debug, Default)]
pub(super) struct Book(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// `None`: nothing can be decided.
    path: Option<PathBuf>,
    writing: Mutex<()>,
}

/// What is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DecisionRequest {
    decision: Choice,
    /// Why, at most 4096 octets.
    #[schema(max_length = 4096)]
    comment: Option<String>,
}

/// A decision, or that there is none (any more).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Choice {
    Approved,
    Rejected,
    None,
}

/// What was decided about a rule.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct DecisionItem {
    /// The rule's id.
    id: String,
    decision: Choice,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
}

impl DecisionItem {
    fn new(id: &str, said: Said) -> Self {
        let Said { decision, by, at, comment } = said;
        let decision = match decision {
            Some(Decision::Approved) => Choice::Approved,
            Some(Decision::Rejected) => Choice::Rejected,
            None => Choice::None,
        };
        Self { id: id.to_owned(), decision, comment, by, at: at.map(|at| at.to_string()) }
    }
}

/// Approves or rejects a rule, comments on it, or takes that back.
///
/// The name is the token's, the time the server's. `none` without a comment takes back what was said. What was said
/// before is replaced; other decisions stay as they are.
#[utoipa::path(
    post, path = "/api/v1/rules/{id}/decision",
    params(("id" = String, Path, description = "The rule's id, of the period asked about or decided before"), PeriodQuery),
    request_body = DecisionRequest,
    responses(
        (status = 200, body = DecisionItem),
        (status = 403, body = Problem, description = "The token is for reading, or nothing can be decided here"),
        (status = 404, body = Problem, description = "There is no such rule"),
        (status = 408, body = String, content_type = "text/plain", description = "The body did not come in time"),
        (status = 413, body = String, content_type = "text/plain", description = "The body is too large"),
        (status = 415, body = Problem, description = "The body is not application/json"),
        Problems
    ),
    security(("bearer" = []), ("basic" = []))
)]
pub(super) async fn decide(
    State(library): State<Library>,
    Extension(book): Extension<Book>,
    Extension(asker): Extension<Asker>,
    InPath(id): InPath<String>,
    Query(period): Query<PeriodQuery>,
    body: Result<Json<DecisionRequest>, JsonRejection>,
) -> Result<Json<DecisionItem>, Problem> {
    let by = asker.decides()?.to_owned();
    let Json(request) = body?;
    let period = period.parse()?;
    book.path()?;
    let proposed = library.read(period).await?.rule_ids.contains(&id);
    let written = task::spawn_blocking(move || book.write(&id, proposed, request, by));
    written.await.map_err(Problem::work)?.map(Json)
}

/// What was decided so far, in the order of the rules' ids.
#[utoipa::path(
    get, path = "/api/v1/decisions", params(super::answer::PageQuery),
    responses((status = 200, body = super::answer::Page<DecisionItem>), Problems)
)]
pub(super) async fn decisions(
    Extension(book): Extension<Book>,
    Query(page): Query<super::answer::PageQuery>,
) -> Result<Json<super::answer::Page<DecisionItem>>, Problem> {
    let read = task::spawn_blocking(move || book.all());
    let all = read.await.map_err(Problem::work)?.map_err(unreadable)?;
    Ok(Json(super::answer::Page::of(&all, &page)?))
}

/// The file is wrong or not to be had. What is wrong with it is for whoever runs this.
fn unreadable(error: anyhow::Error) -> Problem {
    Problem::work(error)
}

impl Book {
    /// In the file at `path`.
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        Self(Arc::new(Shared { path, writing: Mutex::default() }))
    }

    fn path(&self) -> Result<&Path, Problem> {
        let hint = "this server keeps no decisions: start it with --decisions FILE";
        self.0.path.as_deref().ok_or_else(|| Problem::forbidden(hint))
    }

    /// Everything that was decided about rules; nothing without a file.
    pub(super) fn all(&self) -> anyhow::Result<Vec<DecisionItem>> {
        let Some(path) = &self.0.path else { return Ok(Vec::new()) };
        Ok(read(path)?.rules.into_iter().map(|(id, said)| DecisionItem::new(&id, said)).collect())
    }

    /// Says something of a rule that is proposed, or of which something was said before.
    fn write(
        &self,
        id: &str,
        proposed: bool,
        request: DecisionRequest,
        by: String,
    ) -> Result<DecisionItem, Problem> {
        let path = self.path()?;
        // The file is whole whatever became of the one before.
        let _writing = self.0.writing.lock().unwrap_or_else(PoisonError::into_inner);
        // Read anew: people and other programs write it, too.
        let mut decisions = read(path).map_err(unreadable)?;
        if !proposed && !decisions.rules.contains_key(id) {
            return Err(Problem::missing("there is no such rule in this period, nor a decision about it"));
        }
        let decision = match request.decision {
            Choice::Approved => Some(Decision::Approved),
            Choice::Rejected => Some(Decision::Rejected),
            Choice::None => None,
        };
        let comment = request.comment.filter(|comment| !comment.is_empty());
        let mut said = Said::default();
        if decision.is_some() || comment.is_some() {
            said = Said { decision, by: Some(by), at: Some(clock::now()), comment };
            decisions.decide(id, said.clone()).map_err(|error| Problem::wrong(&error.to_string()))?;
        } else {
            decisions.forget(id);
        }
        replace(path, &decisions.write()).map_err(unreadable)?;
        Ok(DecisionItem::new(id, said))
    }
}

/// What the file says; nothing where there is none yet.
fn read(path: &Path) -> anyhow::Result<Decisions> {
    let place = path.display().to_string();
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Decisions::default()),
        Ok(file) if file.len() > MAX_FILE => anyhow::bail!("{place} has more than {MAX_FILE} octets"),
        _ => {}
    }
    let text = fs::read_to_string(path).with_context(|| format!("cannot read the decisions in {place}"))?;
    Decisions::read(&place, &text).map_err(|problems| anyhow::anyhow!("{problems}"))
}

/// Writes the file whole or not at all, on the disk when this returns; it keeps the permissions that it had.
fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let cannot = || format!("cannot write the decisions to {}", path.display());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = NamedTempFile::with_prefix_in(".decisions-", folder).with_context(cannot)?;
    file.write_all(text.as_bytes()).with_context(cannot)?;
    if let Ok(before) = fs::metadata(path) {
        file.as_file().set_permissions(before.permissions()).with_context(cannot)?;
    }
    file.as_file().sync_all().with_context(cannot)?;
    file.persist(path).map_err(|error| error.error).with_context(cannot)?;
    Ok(())
}
