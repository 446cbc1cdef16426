//! What a process that runs for long tells about itself: metrics, health, logs.
//!
//! A command opens it before its work and serves it once privileges are dropped:
//!
//! ```ignore
//! let telemetry = Telemetry::open(settings, "run")?;
//! let metrics = CaptureMetrics::register(telemetry.metrics());
//! let _server = telemetry.serve(Router::new())?;
//! telemetry.health().ready();
//! ```

pub(crate) mod metrics;

mod health;
mod interfaces;
mod log;
mod store;

use std::net::SocketAddr;

use anyhow::Context as _;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tracing::info;

pub(crate) use self::health::Health;
pub(crate) use self::interfaces::InterfaceWatch;
pub(crate) use self::log::{LogFormat, LogLevel};
pub(crate) use self::store::MeteredStore;

use self::metrics::Metrics;
use crate::failure::Failure;
use crate::http::{self, Bound, Server};
use crate::settings::Settings;

/// Where metrics are served, and what is logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TelemetryConfig {
    /// `None`: metrics and health are not served.
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) level: LogLevel,
    pub(crate) format: LogFormat,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        // Loopback: whoever wants more says so. The port is free in Prometheus' list of exporters' ports.
        Self {
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 9464))),
            level: LogLevel::Info,
            format: LogFormat::Text,
        }
    }
}

/// Metrics, health and logs of this process.
#[derive(Debug)]
pub(crate) struct Telemetry {
    metrics: Metrics,
    health: Health,
    bound: Option<Bound>,
}

impl Telemetry {
    /// Begins to log and takes the address; nothing is served yet, and no thread started.
    ///
    /// # Errors
    ///
    /// The address cannot be had.
    pub(crate) fn open(settings: &Settings, command: &'static str) -> Result<Self, Failure> {
        let TelemetryConfig { listen, level, format } = settings.telemetry;
        let metrics = Metrics::new(command);
        log::start(level, format, &metrics);
        let bind = |address| {
            let hint = "give another address, such as 127.0.0.1:0: --listen of serve, else the setting metrics.listen";
            http::bind(address).with_context(|| format!("cannot serve metrics on {address} ({hint})"))
        };
        let bound = listen.map(bind).transpose().map_err(Failure::usage)?;
        Ok(Self { metrics, health: Health::starting(), bound })
    }

    /// The address that is taken, with its port; `None` where nothing is served.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.bound.as_ref().map(Bound::address)
    }

    /// Where metrics are registered.
    pub(crate) const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// What is wrong at the moment.
    pub(crate) const fn health(&self) -> &Health {
        &self.health
    }

    /// Serves `/metrics`, `/healthz`, `/readyz` and `more` until the server is dropped.
    ///
    /// # Errors
    ///
    /// The system has no room for another thread.
    pub(crate) fn serve(&mut self, more: Router) -> Result<Option<Server>, Failure> {
        let Some(bound) = self.bound.take() else { return Ok(None) };
        let address = bound.address();
        let routes = routes(&self.metrics, &self.health).merge(more);
        let server = bound.serve(routes).context("cannot start to serve metrics")?;
        info!(%address, "serving /metrics, /healthz and /readyz");
        Ok(Some(server))
    }
}

fn routes(metrics: &Metrics, health: &Health) -> Router {
    Router::new()
        .route("/metrics", get(exposition).with_state(metrics.clone()))
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(readiness).with_state(health.clone()))
}

async fn exposition(State(metrics): State<Metrics>) -> Response {
    match metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn readiness(State(health): State<Health>) -> Response {
    let faults = health.faults();
    if faults.is_empty() {
        return "ready\n".into_response();
    }
    let lines = faults.into_iter().map(|(part, reason)| format!("{part}: {reason}\n"));
    (StatusCode::SERVICE_UNAVAILABLE, lines.collect::<String>()).into_response()
}
