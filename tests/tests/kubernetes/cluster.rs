//! A cluster with a watcher, and what the watcher has said by now.

use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use watershed_aggregator::inventory::kubernetes::{Access, KubernetesStatus, KubernetesWatch};
use watershed_aggregator::{Inventory as _, OpenInventory};
use watershed_model::{Endpoint, Protocol, Timestamp};

/// How often to look whether something has come about, and how many times: a minute.
const LOOK_EVERY: Duration = Duration::from_millis(10);
const LOOK_TIMES: u32 = 6_000;

#[allow(clippy::disallowed_methods, reason = "a watcher is given a clock, and this is the test's")]
pub(crate) fn now() -> Timestamp {
    Timestamp::default().plus(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap())
}

/// Somebody who watches.
pub(crate) struct Watcher {
    pub(crate) inventory: OpenInventory,
    watch: KubernetesWatch,
}

impl Watcher {
    pub(crate) fn start(kubeconfig: &Path) -> Self {
        let mut inventory = OpenInventory::default();
        let access = Access::Kubeconfig(kubeconfig.to_owned());
        let watch = KubernetesWatch::start(&access, &mut inventory, now).unwrap();
        Self { inventory, watch }
    }

    pub(crate) fn status(&self) -> KubernetesStatus {
        self.watch.status()
    }

    /// Waits until something holds.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, mut holds: impl FnMut(&mut Self) -> bool) {
        for _ in 0..LOOK_TIMES {
            self.inventory.catch_up();
            if holds(self) {
                return;
            }
            std::thread::sleep(LOOK_EVERY);
        }
        panic!("waited in vain until {what}: {:#?}", self.status());
    }

    /// Who has an address, by name and kind: `deployment shop/web`.
    pub(crate) fn who(&self, address: &str, at: Timestamp) -> Option<String> {
        let workload = self.inventory.identify_at(address.parse().unwrap(), at)?;
        Some(format!("{} {workload}", workload.kind.as_str()))
    }

    /// Waits until an address is somebody's now.
    #[track_caller]
    pub(crate) fn until_who(&mut self, address: &str, who: Option<&str>) {
        self.until(&format!("{address} is {who:?}"), |watcher| watcher.who(address, now()).as_deref() == who);
    }

    /// Where a connection to an address and port leads now: `web.shop.svc:80 shop/web:8080`.
    pub(crate) fn leads(&self, address: &str, port: u16) -> Option<String> {
        let address: IpAddr = address.parse().unwrap();
        let owner = self.inventory.identify_at(address, now());
        let backend = self.inventory.reach(Endpoint { address, port }, Protocol::TCP, owner, now())?;
        let server = match &backend.server {
            watershed_aggregator::inventory::fronts::Server::Workload(workload) => workload.to_string(),
            watershed_aggregator::inventory::fronts::Server::Address(address) => address.to_string(),
            watershed_aggregator::inventory::fronts::Server::Declared(_) => return None,
        };
        let port = backend.port.map_or("?".to_owned(), |port| port.to_string());
        Some(format!("{} {server}:{port}", backend.service.as_deref().unwrap_or("-")))
    }
}

/// Somebody who changes things.
pub(crate) struct Cluster {
    runtime: Runtime,
    client: Client,
}

impl Cluster {
    pub(crate) fn connect(kubeconfig: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = runtime.block_on(async {
            let file = Kubeconfig::read_from(kubeconfig).unwrap();
            let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
            Client::try_from(config).unwrap()
        });
        Self { runtime, client }
    }

    /// Asks the API server, and says what it answered.
    #[track_caller]
    pub(crate) fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.runtime.block_on(request(&self.client, method, path, body));
        answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// Sends an object as YAML, and says what the API server has against it.
    pub(crate) fn post_yaml(&self, path: &str, text: &str) -> Result<Value, kube::Error> {
        let request = http::Request::builder().method("POST").uri(path);
        let request = request.header("content-type", "application/yaml").body(text.as_bytes().to_vec());
        self.runtime.block_on(self.client.request(request.unwrap()))
    }

    /// The status with which it refuses.
    #[track_caller]
    pub(crate) fn refusal(&self, method: &str, path: &str, body: &Value) -> u16 {
        match self.runtime.block_on(request(&self.client, method, path, body)) {
            Err(kube::Error::Api(status)) => status.code,
            answer => panic!("{method} {path} is not refused: {answer:?}"),
        }
    }

    pub(crate) fn namespace(&self, name: &str) {
        self.ask("POST", "/api/v1/namespaces", &json!({"metadata": {"name": name}}));
    }

    /// A pod, as it runs. The pod's kubelet would tell its status.
    pub(crate) fn pod(&self, pod: &Pod<'_>) {
        self.runtime.block_on(pod.create(&self.client));
    }

    /// Several pods, a few at a time.
    pub(crate) fn pods(&self, pods: &[Pod<'_>]) {
        use futures::StreamExt as _;
        let create = |pod: &'_ Pod<'_>| {
            let (client, pod) = (self.client.clone(), pod.owned());
            async move { pod.send(&client).await }
        };
        let all = futures::stream::iter(pods.iter().map(create).collect::<Vec<_>>());
        self.runtime.block_on(all.buffer_unordered(16).collect::<Vec<()>>());
    }

    pub(crate) fn delete(&self, path: &str) {
        // At once: there is no kubelet to end a pod in peace.
        self.ask("DELETE", path, &json!({"gracePeriodSeconds": 0}));
    }
}

/// What the tests say of a pod.
#[derive(Clone, Debug)]
pub(crate) struct Pod<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) name: String,
    /// Kind and name of who controls it.
    pub(crate) owner: Option<(&'a str, &'a str, &'a str)>,
    pub(crate) labels: Value,
    pub(crate) addresses: Vec<String>,
    pub(crate) ports: Value,
    pub(crate) on_host: bool,
    /// Its node's address.
    pub(crate) on_node: &'a str,
}

impl<'a> Pod<'a> {
    pub(crate) fn new(namespace: &'a str, name: &str, address: &str) -> Self {
        Self {
            namespace,
            name: name.to_owned(),
            owner: None,
            labels: json!({"app": "web"}),
            addresses: vec![address.to_owned()],
            ports: json!([{"name": "http", "containerPort": 8080}]),
            on_host: false,
            on_node: "192.0.2.10",
        }
    }

    pub(crate) fn owned_by(self, version: &'a str, kind: &'a str, name: &'a str) -> Self {
        Self { owner: Some((version, kind, name)), ..self }
    }

    fn owned(&self) -> OwnedPod {
        let mut metadata = json!({"name": self.name, "labels": self.labels});
        if let Some((version, kind, name)) = self.owner {
            metadata["ownerReferences"] =
                json!([{"apiVersion": version, "kind": kind, "name": name, "uid": name, "controller": true}]);
        }
        let container = json!({"name": "c", "image": "none", "ports": self.ports});
        let ips: Vec<Value> = self.addresses.iter().map(|ip| json!({"ip": ip})).collect();
        let started = now().to_string();
        OwnedPod {
            path: format!("/api/v1/namespaces/{}/pods", self.namespace),
            name: self.name.clone(),
            object: json!({"metadata": metadata, "spec": {"hostNetwork": self.on_host, "containers": [container]}}),
            status: json!({"status": {"phase": "Running", "podIP": self.addresses[0], "podIPs": ips,
                "hostIP": self.on_node, "hostIPs": [{"ip": self.on_node}], "startTime": format!("{}Z", &started[..19])}}),
        }
    }

    async fn create(&self, client: &Client) {
        self.owned().send(client).await;
    }
}

struct OwnedPod {
    path: String,
    name: String,
    object: Value,
    status: Value,
}

impl OwnedPod {
    async fn send(self, client: &Client) {
        request(client, "POST", &self.path, &self.object).await.unwrap();
        let status = format!("{}/{}/status", self.path, self.name);
        request(client, "PATCH", &status, &self.status).await.unwrap();
    }
}

async fn request(client: &Client, method: &str, path: &str, body: &Value) -> Result<Value, kube::Error> {
    let content = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let request = http::Request::builder().method(method).uri(path).header("content-type", content);
    client.request(request.body(serde_json::to_vec(body).unwrap()).unwrap()).await
}
