//! The settings file: TOML to keys, values and lines.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::SettingsError;

/// Finds and reads the settings file: the named one, which must exist, else the first of `places`.
pub(super) fn find(
    named: Option<PathBuf>,
    places: &[&str],
) -> Result<Option<(PathBuf, String)>, SettingsError> {
    if let Some(path) = named {
        return match fs::read_to_string(&path) {
            Ok(text) => Ok(Some((path, text))),
            Err(source) => Err(SettingsError::Read { path, source }),
        };
    }
    for path in places.iter().map(PathBuf::from) {
        match fs::read_to_string(&path) {
            Ok(text) => return Ok(Some((path, text))),
            Err(source) if source.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(SettingsError::Read { path, source }),
        }
    }
    Ok(None)
}

/// The file's settings: dotted key, value as text, line.
pub(super) fn read(path: &Path, text: &str) -> Result<Vec<(String, String, usize)>, SettingsError> {
    let table = DeTable::parse(text).map_err(|error| SettingsError::Syntax {
        path: path.to_owned(),
        line: line_of(text, error.span().map_or(0, |span| span.start)),
        message: error.message().replace('\n', ", "),
    })?;
    let mut settings = Vec::new();
    flatten(text, "", table.get_ref(), &mut settings);
    settings.sort_by_key(|&(_, _, line)| line);
    Ok(settings)
}

fn flatten(text: &str, prefix: &str, table: &DeTable<'_>, settings: &mut Vec<(String, String, usize)>) {
    for (key, value) in table {
        let name = format!("{prefix}{}", key.get_ref());
        match value.get_ref() {
            DeValue::Table(inner) => flatten(text, &format!("{name}."), inner, settings),
            other => settings.push((name, as_text(other), line_of(text, key.span().start))),
        }
    }
}

/// A value as an environment variable would hold it: lists are joined by commas.
fn as_text(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
            .map_or_else(|_| integer.as_str().to_owned(), |number| number.to_string()),
        DeValue::Boolean(yes) => yes.to_string(),
        DeValue::Array(items) => {
            items.iter().map(|item| as_text(item.get_ref())).collect::<Vec<_>>().join(",")
        }
        DeValue::Float(float) => float.as_str().to_owned(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Table(_) => "{...}".to_owned(),
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|&byte| byte == b'\n').count()
}
