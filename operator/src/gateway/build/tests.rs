//! Each wanted object, from a resource through the real validation, as a snapshot.

use crds::conditions::Finding;
use crds::{FileGateway, FileGatewayClass};

use super::*;
use crate::gateway::webhook::WebhookSecret;
use crate::gateway::{AuthSecret, DatabasePlan, Dereferenced, Plan, validate};
use crate::meta::Owner;

const CLASS: &str = "
apiVersion: filegateway.dev/v1alpha1
kind: FileGatewayClass
metadata: {name: platform}
spec:
  objectStore:
    endpoint: http://s3.storage.svc:7070
    credentialsSecretRef: {name: s3-admin}
  iam: {endpoint: 'http://s3.storage.svc:7071'}
  database:
    host: postgres.storage.svc
    credentialsSecretRef: {name: postgres-admin}
";

const GATEWAY: &str = "
apiVersion: filegateway.dev/v1alpha1
kind: FileGateway
metadata: {name: files, namespace: tenant, uid: 0b5ba1f6-9d5c-4f3e-8a52-2f1f0c5d9e77}
spec:
  className: platform
  organization: acme
  auth: {issuer: 'https://id.example.com', audience: files}
";

const AUTOSCALING: &str = "
  scaling: {autoscaling: {minReplicas: 3, maxReplicas: 10, targetCpuPercent: 60}}
  scheduling:
    nodeSelector: {disk: fast}
    tolerations: [{key: files, operator: Exists}]
    priorityClassName: files
    topologySpread: [{topologyKey: rack, maxSkew: 2, whenUnsatisfiable: DoNotSchedule}]
  shutdown: {delaySeconds: 10, drainSeconds: 90}
";

const SQLITE: &str = "
apiVersion: filegateway.dev/v1alpha1
kind: FileGateway
metadata: {name: files, namespace: tenant, uid: 0b5ba1f6-9d5c-4f3e-8a52-2f1f0c5d9e77}
spec:
  className: platform
  organization: acme
  database: {type: SQLite, sqlite: {size: 2Gi, storageClassName: fast}}
  auth:
    issuer: https://id.example.com
    audience: files
    secretRef: {name: jwt, key: hmac}
    algorithms: [HS256, HS512]
    claims: {subject: uid, organization: tenant.id, roles: realm_access.roles}
    adminRole: boss
  tokens: {lifetimeSeconds: 60}
  video: {outputs: [poster, hls], rungs: [720], codecs: [h264, aac], worker: {concurrency: 2, threads: 4, scratchSize: 1Gi}}
  access: {locations: Owner, locationStream: 'Off', locationStreamSunset: '2027-06-30'}
  uploads: {maxFileSize: 100M, maxFiles: 3, allowedTypes: [image/*, video/mp4], deniedTypes: [image/svg+xml]}
  quota: {size: 1Ti, files: 1000000, perOwner: {size: 10Gi, files: 1000}}
  cors: {origins: ['https://app.example.com', 'http://localhost:5173']}
  server: {requestsPerMinute: 600, log: 'gateway=debug,info'}
  delivery: Redirect
  resources: {limits: {memory: 1Gi}}
";

/// A class that says something about everything.
const OPEN_CLASS: &str = "
apiVersion: filegateway.dev/v1alpha1
kind: FileGatewayClass
metadata: {name: platform}
spec:
  objectStore:
    endpoint: https://s3.eu-central-1.amazonaws.com
    credentialsSecretRef: {name: s3-admin}
  iam: {endpoint: 'https://iam.amazonaws.com'}
  database:
    host: 10.0.0.7
    credentialsSecretRef: {name: postgres-admin}
  networkPolicy:
    clients: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress}}}]
    scrapers: [{namespaceSelector: {}, podSelector: {matchLabels: {app: prometheus}}}]
    egress:
      dns: {to: [{namespaceSelector: {}}], ports: [5353]}
      others: [{to: [{ipBlock: {cidr: 10.1.0.0/16}}], ports: [3128]}]
  exposure:
    hosts: ['*']
    ingress:
      className: nginx
      annotations: {nginx.ingress.kubernetes.io/proxy-body-size: '0'}
      clusterIssuer: letsencrypt
    httpRoute:
      parentRefs: [{name: public, namespace: gateways, sectionName: https}]
  monitoring:
    serviceMonitor: {labels: {release: prometheus}}
  tracing: {endpoint: 'http://collector.observability.svc:4318', samplePercent: 5}
";

/// A class whose gateways get temporary keys.
const KEYLESS_CLASS: &str = "
apiVersion: filegateway.dev/v1alpha1
kind: FileGatewayClass
metadata: {name: platform}
spec:
  objectStore:
    endpoint: https://s3.eu-central-1.amazonaws.com
    credentialsSecretRef: {name: s3-admin}
  credentials:
    type: WebIdentity
    webIdentity:
      roleARN: arn:aws:iam::123456789012:role/fgw/{namespace}_{name}
      audience: sts.amazonaws.com
      endpoint: https://sts.example.com
  database:
    host: 10.0.0.7
    credentialsSecretRef: {name: postgres-admin}
";

fn exposed(exposure: &str) -> Plan {
    let gateway = format!("{GATEWAY}  exposure: {exposure}\n");
    plan_of(&gateway, OPEN_CLASS)
}

fn plan(gateway: &str) -> Plan {
    plan_of(gateway, CLASS)
}

fn plan_of(gateway: &str, class: &str) -> Plan {
    checked(gateway, class).unwrap()
}

fn checked(gateway: &str, class: &str) -> Result<Plan, Finding> {
    let gateway: FileGateway = serde_saphyr::from_str(gateway).unwrap();
    let class: FileGatewayClass = serde_saphyr::from_str(class).unwrap();
    let found = Dereferenced {
        class: Some(class),
        auth_secret: AuthSecret::Found,
        webhook_secret: WebhookSecret::Found,
        ..Dereferenced::default()
    };
    let owner = Owner::of(&gateway).unwrap();
    validate(&gateway, &owner, &found, "filegateway/gateway:0.1.0")
}

fn restarts() -> Restarts {
    Restarts {
        database: "login".into(),
    }
}

#[test]
fn config_maps() {
    insta::assert_yaml_snapshot!("config_map_postgresql", config_map(&plan(GATEWAY)));
    insta::assert_yaml_snapshot!(
        "config_map_no_video",
        config_map(&plan(&format!("{GATEWAY}  video: {{enabled: false}}\n")))
    );
    insta::assert_yaml_snapshot!("config_map_sqlite", config_map(&plan(SQLITE)));
}

#[test]
fn deployments() {
    let postgresql = plan(GATEWAY);
    insta::assert_yaml_snapshot!("serve_postgresql", serve(&postgresql, &restarts()));
    insta::assert_yaml_snapshot!("worker_postgresql", worker(&postgresql, &restarts()));
    let no_video = plan(&format!("{GATEWAY}  video: {{enabled: false}}\n"));
    insta::assert_yaml_snapshot!("serve_no_video", serve(&no_video, &restarts()));
    assert_eq!(worker(&no_video, &restarts()), None);
    let sqlite = plan(SQLITE);
    insta::assert_yaml_snapshot!("serve_sqlite", serve(&sqlite, &restarts()));
    assert_eq!(worker(&sqlite, &restarts()), None);
}

#[test]
fn pods_without_a_stored_key() {
    let keyless = plan_of(GATEWAY, KEYLESS_CLASS);
    insta::assert_yaml_snapshot!("config_map_keyless", config_map(&keyless));
    insta::assert_yaml_snapshot!("serve_keyless", serve(&keyless, &restarts()));
    insta::assert_yaml_snapshot!("network_policy_keyless", network_policy(&keyless));
}

#[test]
fn scaling() {
    let plain = plan(GATEWAY);
    assert_eq!(autoscaler(&plain), None);
    assert_eq!(disruption_budget(&plain), None);
    let scaled = plan(&format!("{GATEWAY}{AUTOSCALING}"));
    insta::assert_yaml_snapshot!("autoscaler", autoscaler(&scaled));
    insta::assert_yaml_snapshot!("disruption_budget", disruption_budget(&scaled));
    insta::assert_yaml_snapshot!("serve_autoscaled", serve(&scaled, &restarts()));
}

#[test]
fn where_traces_go() {
    let traced = plan_of(GATEWAY, OPEN_CLASS);
    let standard = |(name, _): &(String, String)| name.starts_with("OTEL_");
    let set = config_map(&traced).data.unwrap().into_iter();
    let set: Vec<_> = set
        .filter(standard)
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(
        set,
        [
            "OTEL_EXPORTER_OTLP_ENDPOINT=http://collector.observability.svc:4318",
            "OTEL_RESOURCE_ATTRIBUTES=k8s.namespace.name=tenant,filegateway.name=files",
            "OTEL_TRACES_SAMPLER=parentbased_traceidratio",
            "OTEL_TRACES_SAMPLER_ARG=0.05",
        ]
    );
    let untraced = config_map(&plan(GATEWAY)).data.unwrap();
    assert!(!untraced.into_iter().any(|set| standard(&set)));
}

#[test]
fn what_pods_may_talk_to() {
    insta::assert_yaml_snapshot!("network_policy", network_policy(&plan(GATEWAY)));
    insta::assert_yaml_snapshot!("network_policy_sqlite", network_policy(&plan(SQLITE)));
    let open = plan_of(GATEWAY, OPEN_CLASS);
    insta::assert_yaml_snapshot!("network_policy_open", network_policy(&open));
    let mut none = plan(GATEWAY);
    none.network.enabled = false;
    assert_eq!(network_policy(&none), None);
}

#[test]
fn a_receiver_of_events_can_be_reached_and_its_secret_is_mounted() {
    let webhooks = "  webhooks: {url: 'https://hooks.tenant.svc/files', events: [file.ready, file.failed], \
                    secretRef: {name: crm, key: signing}}\n";
    let plan = plan(&format!("{GATEWAY}{webhooks}"));
    let data = config_map(&plan).data.unwrap();
    let variable = |name: &str| data[&format!("FILEGATEWAY_WEBHOOK_{name}")].clone();
    assert_eq!(variable("URL"), "https://hooks.tenant.svc/files");
    assert_eq!(variable("EVENTS"), "file.ready,file.failed");
    assert_eq!(variable("PRIVATE_ADDRESSES"), "false");
    assert_eq!(variable("SECRET_FILE"), "/etc/filegateway/webhook/secret");
    let pod = serve(&plan, &restarts())
        .spec
        .unwrap()
        .template
        .spec
        .unwrap();
    let volumes = serde_json::to_value(pod.volumes).unwrap();
    let expected = serde_json::json!({"name": "webhook", "secret": {"secretName": "crm",
        "defaultMode": 0o440, "items": [{"key": "signing", "path": "secret"}]}});
    assert!(volumes.as_array().unwrap().contains(&expected), "{volumes}");
    let mounts = pod.containers[0].volume_mounts.clone().unwrap();
    let mount = mounts.iter().find(|mount| mount.name == "webhook").unwrap();
    assert_eq!(mount.mount_path, "/etc/filegateway/webhook");
    let egress = serde_json::to_value(network_policy(&plan).unwrap().spec.unwrap().egress);
    let allowed = serde_json::json!({"to": [{"podSelector": {}}]});
    assert!(egress.unwrap().as_array().unwrap().contains(&allowed));
}

#[test]
fn what_a_tenant_may_not_open_the_class_can() {
    let webhooks = "  webhooks: {url: 'https://hooks.crm.svc', secretRef: {name: crm}}\n";
    let asked = |field: &str, gateway: &str, egress: &str| {
        let class = format!("{CLASS}  networkPolicy: {egress}\n");
        let refused = checked(gateway, &class).unwrap_err();
        assert_eq!(refused.reason, "NotAllowedByClass");
        assert!(refused.message.starts_with(field), "{}", refused.message);
        refused.message
    };
    let issuer = GATEWAY.replace("id.example.com", "keycloak.kube-system.svc");
    let told = asked("spec.auth.issuer", &issuer, "{}");
    assert!(told.contains("namespace kube-system") && told.contains("egress.issuer"));
    let keys = GATEWAY.replace("audience", "jwksUrl: 'https://10.0.0.7/keys', audience");
    let told = asked("spec.auth.jwksUrl", &keys, "{}");
    assert!(told.contains("10.0.0.7"), "{told}");
    let hooks = format!("{GATEWAY}{webhooks}");
    let told = asked(
        "spec.webhooks.url",
        &hooks,
        "{egress: {issuer: {ports: [443]}}}",
    );
    assert!(told.contains("egress.webhooks"), "{told}");

    // Named by the class, that is the rule; without a policy there is none to open.
    let to = "{to: [{namespaceSelector: {}}], ports: [8443]}";
    let pinned = format!("{CLASS}  networkPolicy: {{egress: {{issuer: {to}, webhooks: {to}}}}}\n");
    let rule = serde_json::json!({"to": [{"namespaceSelector": {}}],
        "ports": [{"protocol": "TCP", "port": 8443}]});
    for gateway in [&issuer, &keys, &hooks] {
        let policy = network_policy(&plan_of(gateway, &pinned)).unwrap();
        let egress = serde_json::to_value(policy.spec.unwrap().egress).unwrap();
        assert!(egress.as_array().unwrap().contains(&rule), "{egress}");
        plan_of(
            gateway,
            &format!("{CLASS}  networkPolicy: {{enabled: false}}\n"),
        );
    }
}

#[test]
fn temporary_keys_of_aws_are_fetched_from_public_addresses() {
    let class = KEYLESS_CLASS
        .replace("      endpoint: https://sts.example.com\n", "")
        .replace(
            "https://s3.eu-central-1.amazonaws.com",
            "https://s3.storage.svc",
        );
    let egress = network_policy(&plan_of(SQLITE, &class))
        .unwrap()
        .spec
        .unwrap()
        .egress
        .unwrap();
    let sts = serde_json::to_value(&egress[2]).unwrap();
    assert_eq!(sts["to"][0]["ipBlock"]["cidr"], "0.0.0.0/0");
    assert_eq!(
        sts["ports"],
        serde_json::json!([{"protocol": "TCP", "port": 443}])
    );
}

#[test]
fn ways_in() {
    let hidden = plan(GATEWAY);
    assert_eq!(ingress(&hidden), None);
    assert_eq!(http_route(&hidden), None);
    assert_eq!(service_monitor(&hidden), None);
    assert_eq!(pod_monitor(&hidden), None);
    assert_eq!(hidden.address(), "http://files.tenant.svc");

    let issued = exposed("{host: acme.example.com}");
    insta::assert_yaml_snapshot!("ingress", ingress(&issued));
    assert_eq!(http_route(&issued), None);
    assert_eq!(issued.address(), "https://acme.example.com");
    let own = exposed("{host: acme.example.com, tlsSecretRef: {name: own}}");
    insta::assert_yaml_snapshot!("ingress_own_certificate", ingress(&own));

    let route = exposed("{type: HTTPRoute, host: acme.example.com}");
    insta::assert_yaml_snapshot!("http_route", http_route(&route));
    assert_eq!(ingress(&route), None);
    insta::assert_yaml_snapshot!("service_monitor", service_monitor(&route));
    insta::assert_yaml_snapshot!("pod_monitor", pod_monitor(&route));
    let alone = plan_of(SQLITE, OPEN_CLASS);
    assert_eq!(pod_monitor(&alone), None, "there are no workers");
    assert!(service_monitor(&alone).is_some());
    insta::assert_yaml_snapshot!("metrics_service", metrics_service(&route));
}

#[test]
fn the_rest() {
    let plan = plan(SQLITE);
    insta::assert_yaml_snapshot!("service", service(&plan));
    insta::assert_yaml_snapshot!("service_account", service_account(&plan));
    let DatabasePlan::Sqlite {
        size,
        storage_class,
    } = &plan.database
    else {
        panic!("SQLite was asked for");
    };
    let claim = volume_claim(&plan.owner, &size.0, storage_class.as_deref());
    insta::assert_yaml_snapshot!("volume_claim", claim);
}

#[test]
fn pods_are_replaced_when_what_they_read_at_start_changes() {
    let annotation = |plan: &Plan, restarts: &Restarts| {
        let pod = serve(plan, restarts)
            .spec
            .unwrap()
            .template
            .metadata
            .unwrap();
        pod.annotations.unwrap()[crate::meta::CONFIG_ANNOTATION].clone()
    };
    let before = annotation(&plan(SQLITE), &restarts());
    let mut other_setting = plan(SQLITE);
    other_setting
        .settings
        .insert("FILEGATEWAY_UPLOADS_MAX_FILES", "4".into());
    let other_login = Restarts {
        database: "new".into(),
    };
    assert_ne!(annotation(&other_setting, &restarts()), before);
    assert_ne!(annotation(&plan(SQLITE), &other_login), before);
    assert_eq!(annotation(&plan(SQLITE), &restarts()), before);
}
