//! The streams of objects, one for each kind, started again where they break.

use std::fmt::Debug;
use std::time::Duration;

use futures::stream::{BoxStream, select_all, unfold};
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::batch::v1::Job;
use kube::core::PartialObjectMeta;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use super::Trouble;
use super::client::{is_too_large, told};
use super::cluster::{Kind, Object};
use super::objects::{Between, EndpointSlice, Node, Pod, Service};

/// Objects of one page of a list: what is asked for at once, so that 50,000 pods are never in memory together.
const PAGE: u32 = 500;

/// How long to wait where the server says again and again that what was seen last is too old.
const START_AGAIN: Duration = Duration::from_secs(1);

/// What a stream says.
#[derive(Debug)]
pub(super) enum Event {
    /// A list begins.
    Begin,
    /// There is an object, or a new version of it.
    Apply(Object),
    /// An object is gone.
    Delete(Object),
    /// The list is complete.
    End,
    /// Something failed; the stream tries again.
    Failed(Trouble, String),
}

/// Everything of every kind, as it comes.
pub(super) fn all(client: &Client) -> impl Stream<Item = (Kind, Event)> + use<> {
    let between = |metadata| Between { metadata };
    select_all([
        of::<Node>(client, Kind::Nodes, Object::Node),
        of::<PartialObjectMeta<ReplicaSet>>(client, Kind::ReplicaSets, move |object| {
            Object::ReplicaSet(between(object.metadata))
        }),
        of::<PartialObjectMeta<Job>>(client, Kind::Jobs, move |object| Object::Job(between(object.metadata))),
        of::<Pod>(client, Kind::Pods, |pod| Object::Pod(Box::new(pod))),
        of::<Service>(client, Kind::Services, |service| Object::Service(Box::new(service))),
        of::<EndpointSlice>(client, Kind::EndpointSlices, Object::EndpointSlice),
    ])
}

/// The objects of one kind. Where the server says, when asked to go on, that what was seen last is too old, all are
/// listed again.
fn of<K>(
    client: &Client,
    kind: Kind,
    object: impl Fn(K) -> Object + Clone + Send + 'static,
) -> BoxStream<'static, (Kind, Event)>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let api: Api<K> = Api::all(client.clone());
    let started = watched(api.clone(), object.clone());
    let streams = unfold(started, move |mut stream| {
        let (api, object) = (api.clone(), object.clone());
        async move {
            let event = stream.next().await?;
            if matches!(event, Event::Failed(Trouble::Expired, _)) {
                tokio::time::sleep(START_AGAIN).await;
                stream = watched(api, object);
            }
            Some(((kind, event), stream))
        }
    });
    streams.boxed()
}

fn watched<K>(api: Api<K>, object: impl Fn(K) -> Object + Send + 'static) -> BoxStream<'static, Event>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let events = watcher(api, watcher::Config::default().page_size(PAGE)).default_backoff();
    let events = events.map_ok(move |event| match event {
        watcher::Event::Init => Event::Begin,
        watcher::Event::InitApply(one) | watcher::Event::Apply(one) => Event::Apply(object(one)),
        watcher::Event::Delete(one) => Event::Delete(object(one)),
        watcher::Event::InitDone => Event::End,
    });
    events.map(|event| event.unwrap_or_else(|error| failed(&error))).boxed()
}

/// What an error means, in words for a person.
fn failed(error: &watcher::Error) -> Event {
    use watcher::Error as E;
    let cause = match error {
        E::InitialListFailed(cause) | E::WatchStartFailed(cause) | E::WatchFailed(cause) => cause,
        E::WatchError(status) => {
            let trouble = if status.code == 410 { Trouble::Expired } else { Trouble::Refused };
            return Event::Failed(trouble, status.message.clone());
        }
        E::NoResourceVersion => return Event::Failed(Trouble::Malformed, error.to_string()),
    };
    match cause {
        kube::Error::Api(status) => {
            let trouble = match status.code {
                401 | 403 => Trouble::Denied,
                410 => Trouble::Expired,
                _ => Trouble::Refused,
            };
            Event::Failed(trouble, status.message.clone())
        }
        cause if is_too_large(cause) => Event::Failed(Trouble::TooLarge, told(cause)),
        kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => Event::Failed(Trouble::Malformed, told(cause)),
        cause => Event::Failed(Trouble::Unreachable, told(cause)),
    }
}
